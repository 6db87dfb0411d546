//! Processes of Linux and macOS: the launcher recognises a service by its command line, and ends it with a signal.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use speaches_format::layout;

use super::request::Request;

/// The command line has the name of the script, which nothing else has.
pub fn is_service(pid: u32) -> bool {
    let script = layout::SERVICE_MANAGER.rsplit('/').next().unwrap_or(layout::SERVICE_MANAGER);
    pid > 0 && command_line(pid).is_some_and(|line| line.contains(script))
}

#[cfg(target_os = "linux")]
fn command_line(pid: u32) -> Option<String> {
    // One that has ended and was not waited for has none.
    let line = fs_err::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&line).replace('\0', " "))
}

/// `-ww`, so that no ps cuts what it prints at the width of a terminal.
#[cfg(not(target_os = "linux"))]
fn command_line(pid: u32) -> Option<String> {
    let pid = pid.to_string();
    let output = std::process::Command::new("/bin/ps").args(["-ww", "-o", "command=", "-p", &pid]).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

pub fn send(pid: u32, request: Request) -> Result<(), String> {
    let signal = if request == Request::Kill { Signal::SIGKILL } else { Signal::SIGTERM };
    let pid = i32::try_from(pid).map_err(|error| error.to_string())?;
    match kill(Pid::from_raw(pid), signal) {
        // It was faster.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.desc().to_owned()),
    }
}
