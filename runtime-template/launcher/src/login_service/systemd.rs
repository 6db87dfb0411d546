//! The user manager of systemd; systemd.service(5), systemd.unit(5).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use speaches_format::failure::{Exit, Failure};

use super::{Job, MARK, State, Supervisor, tool};
use crate::config::Sources;

const UNIT: &str = "speaches.service";

/// systemd, for this user.
pub struct Systemd {
    systemctl: OsString,
    file: PathBuf,
}

impl Systemd {
    /// # Errors
    /// When the user has no home directory.
    pub fn of_user(sources: &Sources<'_>) -> Result<Self, Failure> {
        let configuration = sources.path("XDG_CONFIG_HOME").or_else(|| Some(sources.home()?.join(".config")));
        let configuration = configuration.ok_or_else(|| {
            Failure::new(Exit::Config, "HOME is not set, so there is no place for a systemd unit")
                .hint("set HOME to your home directory")
        })?;
        Ok(Self { systemctl: "systemctl".into(), file: configuration.join("systemd/user").join(UNIT) })
    }

    fn systemctl(&self, arguments: &[&str]) -> Result<String, Failure> {
        tool::run(&self.systemctl, &[&["--user"], arguments].concat())
    }
}

impl Supervisor for Systemd {
    fn file(&self) -> &Path {
        &self.file
    }

    fn describe(&self, job: &Job) -> String {
        let command = job.arguments.iter().map(|text| self.argument(text)).collect::<Vec<_>>().join(" ");
        let variables =
            job.variables.iter().map(|(name, value)| format!("Environment={}\n", quoted(&format!("{name}={value}"))));
        let permanent = super::PERMANENT.iter().map(|exit| exit.code().to_string()).collect::<Vec<_>>().join(" ");
        format!(
            "# {MARK}\n\
             [Unit]\n\
             Description=speaches speech server\n\
             \n\
             [Service]\n\
             Type=exec\n\
             ExecStart={} {command}\n\
             {}\
             Restart=on-failure\n\
             RestartSec=5\n\
             RestartPreventExitStatus={permanent}\n\
             KillMode=mixed\n\
             TimeoutStopSec=15\n\
             \n\
             [Install]\n\
             WantedBy=default.target\n",
            self.program(&job.program),
            variables.collect::<String>()
        )
    }

    fn argument(&self, text: &str) -> String {
        // systemd puts variables into the arguments, but not into the program and not into `Environment`.
        quoted(text).replace('$', "$$")
    }

    fn program(&self, path: &str) -> String {
        quoted(path)
    }

    fn log(&self) -> String {
        "journalctl --user --unit speaches".to_owned()
    }

    fn end_of_log(&self) -> String {
        let lines = super::LAST_LINES.to_string();
        let arguments = ["--user", "--unit", UNIT, "--no-pager", "--output", "cat", "--lines", &lines];
        // Not every system keeps a journal for users.
        tool::run("journalctl".as_ref(), &arguments).unwrap_or_default()
    }

    fn check(&self) -> Result<(), Failure> {
        self.systemctl(&["show", "--property=Version"]).map(drop).map_err(|failure| {
            Failure::new(Exit::Unavailable, format!("the user manager of systemd does not answer: {failure}")).hint(
                "log in as this user (by `su` or `sudo` there is no user manager), or start `speaches serve` by another \
                 service manager; `speaches service install --print` shows the unit",
            )
        })
    }

    fn start(&self) -> Result<(), Failure> {
        self.systemctl(&["daemon-reload"])?;
        self.systemctl(&["--quiet", "enable", UNIT])?;
        // A unit that failed too often is not started before this.
        let _ = self.systemctl(&["reset-failed", UNIT]);
        self.systemctl(&["restart", UNIT]).map(drop)
    }

    fn forget(&self) -> Result<(), Failure> {
        self.systemctl(&["--quiet", "disable", "--now", UNIT])?;
        // A unit that had failed would still be listed.
        let _ = self.systemctl(&["reset-failed", UNIT]);
        Ok(())
    }

    fn reload(&self) {
        // One that does not answer reads nothing, either.
        let _ = self.systemctl(&["daemon-reload"]);
    }

    fn state(&self) -> State {
        let properties = "--property=ActiveState,SubState,Result,ExecMainStatus,UnitFileState";
        match self.systemctl(&["show", UNIT, properties]) {
            Ok(text) => state_of(&text),
            Err(failure) => State::Stopped(failure.to_string()),
        }
    }
}

/// A word of a unit file. `%` begins a specifier everywhere.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

/// What `systemctl show` says, a line per property.
fn state_of(text: &str) -> State {
    let property = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().to_owned()
    };
    let ended = || match (property("Result").as_str(), property("ExecMainStatus").as_str()) {
        ("success", _) => "it was stopped".to_owned(),
        ("exit-code", code) => format!("it ended with exit code {code}"),
        ("signal" | "core-dump", number) => format!("signal {number} killed it"),
        (result, _) => format!("systemd says `{result}`"),
    };
    match (property("ActiveState").as_str(), property("SubState").as_str()) {
        (_, "auto-restart") => State::Restarting(ended()),
        ("active" | "activating" | "reloading" | "deactivating", _) => State::Running,
        _ if property("UnitFileState") == "disabled" => State::Stopped("the unit is disabled".to_owned()),
        _ => State::Stopped(ended()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn systemd() -> Systemd {
        crate::login_service::tests::with_user(Path::new("/home/user"), Systemd::of_user)
    }

    #[test]
    fn what_systemd_would_replace_is_escaped() {
        let job = Job {
            program: "/a dir/100%/$x/speaches".into(),
            arguments: vec!["serve".into(), "--voice".into(), r#"a"b\c $HOME %h"#.into()],
            variables: BTreeMap::from([("HF_HOME".into(), "/b dir/$y".into())]),
        };
        let text = systemd().describe(&job);
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert_eq!(
            line("ExecStart="),
            r#"ExecStart="/a dir/100%%/$x/speaches" "serve" "--voice" "a\"b\\c $$HOME %%h""#
        );
        assert_eq!(line("Environment="), r#"Environment="HF_HOME=/b dir/$y""#);
    }

    #[test]
    fn the_state_is_read_from_the_properties() {
        for (text, state) in [
            ("ActiveState=active\nSubState=running\n", State::Running),
            ("ActiveState=activating\nSubState=start\n", State::Running),
            (
                "ActiveState=activating\nSubState=auto-restart\nResult=exit-code\nExecMainStatus=75\n",
                State::Restarting("it ended with exit code 75".into()),
            ),
            (
                "ActiveState=failed\nSubState=failed\nResult=signal\nExecMainStatus=9\n",
                State::Stopped("signal 9 killed it".into()),
            ),
            (
                "ActiveState=inactive\nSubState=dead\nResult=success\nUnitFileState=enabled\n",
                State::Stopped("it was stopped".into()),
            ),
        ] {
            assert_eq!(state_of(text), state, "{text}");
        }
    }
}
