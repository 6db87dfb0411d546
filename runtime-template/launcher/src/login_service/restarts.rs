//! Starts a service again after a crash, where the system does not.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use speaches_format::failure::{Exit, Failure};

/// Runs a program with its output in a log until it ends well, or says that starting it again would not help. `pause` is
/// the time between a crash and the next start.
///
/// # Errors
/// [`Exit::CannotCreate`] when the log cannot be written, [`Exit::Unavailable`] when the program cannot be started.
pub fn run(
    program: &Path,
    arguments: &[String],
    variables: &[(String, String)],
    log: &Path,
    pause: Duration,
) -> Result<Exit, Failure> {
    loop {
        let opened = || {
            fs_err::create_dir_all(log.parent().unwrap_or(Path::new(".")))?;
            let log = fs_err::OpenOptions::new().create(true).append(true).open(log)?;
            Ok((log.try_clone()?.into_parts().0, log.into_parts().0))
        };
        let (output, errors) = opened().map_err(|error: std::io::Error| {
            Failure::new(Exit::CannotCreate, format!("cannot write the log of the service: {error}"))
        })?;
        let mut command = Command::new(program);
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        let status = command.stdin(Stdio::null()).stdout(output).stderr(errors).status().map_err(|error| {
            Failure::new(Exit::Unavailable, format!("cannot start `{}`: {error}", program.display()))
        })?;
        let exit = Exit::ALL.into_iter().find(|exit| Some(i32::from(exit.code())) == status.code());
        match exit {
            Some(exit) if exit == Exit::Success || super::PERMANENT.contains(&exit) => return Ok(exit),
            _ => std::thread::sleep(pause),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_followed_by_another_start_and_a_stop_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let count = directory.path().join("count");
        let log = directory.path().join("logs/log");
        // Killed, out of a port, stopped.
        let script =
            r#"echo "start $WORD"; echo x >> "$COUNT"; case $(wc -l < "$COUNT") in 1) kill -9 $$;; 2) exit 75;; esac"#;
        let ended = |script: &str| {
            let arguments = ["-c".to_owned(), script.to_owned()];
            let variables = [("COUNT".to_owned(), count.display().to_string()), ("WORD".to_owned(), "here".to_owned())];
            run(Path::new("/bin/sh"), &arguments, &variables, &log, Duration::from_millis(1)).unwrap()
        };
        assert_eq!(ended(script), Exit::Success);
        assert_eq!(fs_err::read_to_string(&log).unwrap(), "start here\n".repeat(3));
        // Settings that cannot work stay so.
        assert_eq!(ended("exit 78"), Exit::Config);
    }
}
