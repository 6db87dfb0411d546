//! Console events of Windows: Ctrl-C, Ctrl-Break, closing the console, logging off.

use std::io;
use std::time::Duration;

use windows_sys::Win32::Foundation::TRUE;
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler};
use windows_sys::core::BOOL;

/// Lets this process live on when the console tells its processes to end.
///
/// The console tells a child in the same moment, which may finish what it does. Without this, this process would end
/// at once, and its job object would kill the child.
pub fn leave_events_to_child() -> io::Result<()> {
    // SAFETY: the function is there as long as the process.
    if unsafe { SetConsoleCtrlHandler(Some(live_on), TRUE) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Windows calls this in a thread of its own.
unsafe extern "system" fn live_on(event: u32) -> BOOL {
    if matches!(event, CTRL_C_EVENT | CTRL_BREAK_EVENT) {
        return TRUE;
    }
    // Windows ends this process when this function returns, and after 5 seconds if it does not. The child may be faster.
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}
