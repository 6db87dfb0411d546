//! A service that the system starts when the user logs in: a systemd user unit, a launchd agent, or a task of Windows'
//! Task Scheduler. Each has a [`Supervisor`]; what it runs is a [`Job`].

mod job;
#[cfg(any(target_os = "macos", test))]
mod launchd;
#[cfg(any(windows, test))]
mod restarts;
#[cfg(any(not(any(target_os = "macos", windows)), test))]
mod systemd;
#[cfg(any(windows, test))]
mod task_scheduler;
mod tool;

use std::path::Path;

#[cfg(any(not(target_os = "macos"), test))]
use speaches_format::failure::Exit;
use speaches_format::failure::Failure;

use crate::config::Sources;
pub use job::Job;
#[cfg(windows)]
pub use restarts::run;

/// A service with these settings or this runtime cannot work, however often it is started. launchd cannot be told.
#[cfg(any(not(target_os = "macos"), test))]
const PERMANENT: [Exit; 5] = [Exit::Usage, Exit::NoInput, Exit::Unavailable, Exit::CannotCreate, Exit::Config];

/// A comment in each file, which no other program writes.
pub const MARK: &str = "`speaches service install` wrote this file; `speaches service uninstall` removes it.";
/// How much of its log is shown when a service does not start.
const LAST_LINES: usize = 8;

/// What a supervisor says about its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Its process runs.
    Running,
    /// It ended, and the supervisor will start it again; with what is known about the end.
    #[cfg_attr(windows, allow(dead_code, reason = "the Task Scheduler sees the watching launcher, which runs on"))]
    Restarting(String),
    /// It does not run, and will not before the next login; with what is known about the reason.
    Stopped(String),
}

/// The program of a system that starts services at login.
pub trait Supervisor {
    /// The file that describes the service to it.
    fn file(&self) -> &Path;

    /// The text of that file for a job.
    fn describe(&self, job: &Job) -> String;

    /// One argument as that file has it, with its delimiters, so that it can be looked for.
    fn argument(&self, text: &str) -> String;

    /// The path of the program as that file has it.
    fn program(&self, path: &str) -> String {
        self.argument(path)
    }

    /// The command or file that shows the log.
    fn log(&self) -> String;

    /// The last lines of the log, if there are any.
    fn end_of_log(&self) -> String;

    /// Makes sure that the supervisor answers.
    ///
    /// # Errors
    /// `Exit::Unavailable` with what the user can do.
    fn check(&self) -> Result<(), Failure>;

    /// Reads the file again and starts the service anew, now and at every login.
    fn start(&self) -> Result<(), Failure>;

    /// Stops the service and forgets it. The file is still there, and is removed after this.
    fn forget(&self) -> Result<(), Failure>;

    /// Notices that the file was removed, where the supervisor does not find that out by itself.
    fn reload(&self) {}

    /// What it does now.
    fn state(&self) -> State;
}

/// The supervisor of this system.
///
/// # Errors
/// When the user has no home directory.
pub fn of_this_system(sources: &Sources<'_>) -> Result<impl Supervisor, Failure> {
    #[cfg(target_os = "macos")]
    return launchd::Launchd::of_user(sources);
    #[cfg(windows)]
    return task_scheduler::TaskScheduler::of_user(sources);
    #[cfg(not(any(target_os = "macos", windows)))]
    return systemd::Systemd::of_user(sources);
}

#[cfg(any(target_os = "macos", windows, test))]
fn escaped_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The last lines of a log file, if it is there.
#[cfg(any(target_os = "macos", windows, test))]
fn end_of_file(log: &Path) -> String {
    let text = fs_err::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().collect::<Vec<_>>();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use speaches_format::system::System;

    use super::*;

    /// The environment of a user, whose home is `home`.
    pub fn with_user<T>(home: &Path, run: impl FnOnce(&Sources<'_>) -> Result<T, Failure>) -> T {
        let home = home.to_str().unwrap().to_owned();
        let variable = |name: &str| match name {
            "HOME" | "LOCALAPPDATA" => Some(home.clone()),
            "USERDOMAIN" => Some("PC".to_owned()),
            "USERNAME" => Some("Zoë".to_owned()),
            _ => None,
        };
        let system = System::HERE;
        run(&Sources { variable: &variable, contract: PathBuf::new(), directory: "/".into(), system }).unwrap()
    }

    /// What a Python script prints about a file: it knows property lists and XML.
    pub fn python(script: &str, file: &Path) -> String {
        let program = if cfg!(windows) { "python" } else { "python3" };
        let output = std::process::Command::new(program).args(["-X", "utf8", "-c", script]).arg(file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n")
    }
}
