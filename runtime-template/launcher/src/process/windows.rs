//! Processes of Windows, which has no signals: a service waits for an event that is named after its pid.

use std::io;

use windows_sys::Win32::Foundation::{CloseHandle, ERROR_ACCESS_DENIED, HANDLE};
use windows_sys::Win32::System::Threading::{
    EVENT_MODIFY_STATE, OpenEventW, OpenProcess, PROCESS_TERMINATE, SetEvent, TerminateProcess,
};

use super::request::Request;

/// Only a service has such an event.
pub fn is_service(pid: u32) -> bool {
    match open_event(pid) {
        Ok(_) => true,
        // It is another user's.
        Err(error) => error.raw_os_error() == i32::try_from(ERROR_ACCESS_DENIED).ok(),
    }
}

/// N.B. `taskkill` without `/F` is no choice: it refuses to end a process that has no window.
pub fn send(pid: u32, request: Request) -> Result<(), String> {
    let sent = match request {
        Request::Stop => set_event(pid),
        Request::Kill => terminate(pid),
    };
    sent.map_err(|error| error.to_string())
}

fn set_event(pid: u32) -> io::Result<()> {
    let event = open_event(pid)?;
    // SAFETY: the handle is open.
    check(unsafe { SetEvent(event.0) })
}

fn terminate(pid: u32) -> io::Result<()> {
    // SAFETY: every number is allowed.
    let process = Handle::new(unsafe { OpenProcess(PROCESS_TERMINATE, 0, pid) })?;
    // SAFETY: the handle is open.
    check(unsafe { TerminateProcess(process.0, 1) })
}

/// The event that `stop_event.py` of the service makes.
fn open_event(pid: u32) -> io::Result<Handle> {
    let name = format!("Global\\speaches-stop-{pid}").encode_utf16().chain([0]).collect::<Vec<_>>();
    // SAFETY: the name ends with a zero.
    Handle::new(unsafe { OpenEventW(EVENT_MODIFY_STATE, 0, name.as_ptr()) })
}

fn check(success: windows_sys::core::BOOL) -> io::Result<()> {
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

struct Handle(HANDLE);

impl Handle {
    fn new(handle: HANDLE) -> io::Result<Self> {
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and closed once.
        unsafe { CloseHandle(self.0) };
    }
}
