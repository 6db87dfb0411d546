//! Processes of this machine: what they are, and ending them.

use crate::failure::{Exit, Failure};
use crate::layout;

/// Whether a process is a service of this project: a pid may belong to somebody else by now.
#[must_use]
pub fn is_service(pid: u32) -> bool {
    // The name of the script, which nothing else has.
    let script = layout::SERVICE_MANAGER.rsplit('/').next().unwrap_or(layout::SERVICE_MANAGER);
    pid > 0 && command_line(pid).is_some_and(|line| line.contains(script))
}

/// How a process is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// It may finish what it does.
    Stop,
    /// At once.
    Kill,
}

#[cfg(target_os = "linux")]
fn command_line(pid: u32) -> Option<String> {
    // One that has ended and was not waited for has none.
    let line = fs_err::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&line).replace('\0', " "))
}

/// N.B. without `-ww`, the ps of macOS cuts what it prints after 79 characters, which the path of a runtime may take alone.
#[cfg(all(unix, not(target_os = "linux")))]
fn command_line(pid: u32) -> Option<String> {
    let pid = pid.to_string();
    let output = std::process::Command::new("/bin/ps").args(["-ww", "-o", "command=", "-p", &pid]).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(windows)]
fn command_line(pid: u32) -> Option<String> {
    let query = format!("(Get-CimInstance Win32_Process -Filter 'ProcessId={pid}').CommandLine");
    let output = std::process::Command::new("powershell").args(["-NoProfile", "-Command", &query]).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Asks a service to end. It is looked at once more before.
///
/// # Errors
/// [`Exit::Unavailable`] when this user may not.
pub fn ask(pid: u32, request: Request) -> Result<(), Failure> {
    if !is_service(pid) {
        return Ok(());
    }
    send(pid, request).map_err(|reason| {
        Failure::new(Exit::Unavailable, format!("process {pid} cannot be stopped: {reason}"))
            .hint("it belongs to another user: stop it as that user")
    })
}

#[cfg(unix)]
fn send(pid: u32, request: Request) -> Result<(), String> {
    use nix::errno::Errno;
    use nix::sys::signal::{Signal, kill};
    let signal = if request == Request::Kill { Signal::SIGKILL } else { Signal::SIGTERM };
    let pid = i32::try_from(pid).map_err(|error| error.to_string())?;
    match kill(nix::unistd::Pid::from_raw(pid), signal) {
        // It was faster.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.desc().to_owned()),
    }
}

/// N.B. `taskkill` without `/F` refuses to end what has no window, so the service waits for an event of this name.
#[cfg(windows)]
fn send(pid: u32, request: Request) -> Result<(), String> {
    if request == Request::Stop {
        return set_event(&format!("Global\\speaches-stop-{pid}")).map_err(|error| error.to_string());
    }
    let mut command = std::process::Command::new("taskkill");
    let output = command.args(["/F", "/PID", &pid.to_string()]).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

#[cfg(windows)]
fn set_event(name: &str) -> std::io::Result<()> {
    use windows_sys::Win32::Foundation::CloseHandle;
    use windows_sys::Win32::System::Threading::{EVENT_MODIFY_STATE, OpenEventW, SetEvent};
    let name = name.encode_utf16().chain([0]).collect::<Vec<_>>();
    // SAFETY: the name ends with a zero.
    let event = unsafe { OpenEventW(EVENT_MODIFY_STATE, 0, name.as_ptr()) };
    if event.is_null() {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the handle is open, and closed once.
    let set = unsafe { SetEvent(event) };
    let result = if set == 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: the same.
    unsafe { CloseHandle(event) };
    result
}
