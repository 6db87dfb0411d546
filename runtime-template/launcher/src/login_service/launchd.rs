//! launchd on macOS; launchd.plist(5), launchctl(1).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use speaches_format::failure::{Exit, Failure};

use super::{Job, MARK, State, Supervisor, tool};
use crate::config::Sources;

const LABEL: &str = "io.github.speaches-native";
/// launchd does not report when it has forgotten an agent, and refuses the next one until then.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(20);

/// launchd, for this user.
pub struct Launchd {
    launchctl: OsString,
    file: PathBuf,
    log: PathBuf,
    /// The session in which the user sees windows; an agent of it starts at login.
    domain: String,
}

impl Launchd {
    /// # Errors
    /// When the user has no home directory.
    pub fn of_user(sources: &Sources<'_>) -> Result<Self, Failure> {
        let home = sources.home().ok_or_else(|| {
            Failure::new(Exit::Config, "HOME is not set, so there is no place for a launchd agent")
                .hint("set HOME to your home directory")
        })?;
        #[cfg(unix)]
        let user = nix::unistd::Uid::effective().as_raw();
        #[cfg(not(unix))]
        let user = 0;
        Ok(Self {
            launchctl: "launchctl".into(),
            file: home.join("Library/LaunchAgents").join(format!("{LABEL}.plist")),
            log: home.join("Library/Logs/speaches.log"),
            domain: format!("gui/{user}"),
        })
    }

    fn launchctl(&self, arguments: &[&str]) -> Result<String, Failure> {
        tool::run(&self.launchctl, arguments)
    }

    fn agent(&self) -> String {
        format!("{}/{LABEL}", self.domain)
    }
}

impl Supervisor for Launchd {
    fn file(&self) -> &Path {
        &self.file
    }

    fn describe(&self, job: &Job) -> String {
        let words = std::iter::once(&job.program).chain(&job.arguments);
        let words = words.map(|text| format!("    {}\n", self.argument(text))).collect::<String>();
        let variables = job.variables.iter();
        let variables = variables.map(|(name, value)| format!("    <key>{name}</key>\n    {}\n", self.argument(value)));
        let log = self.argument(&self.log.display().to_string());
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- {MARK} -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{LABEL}</string>
  <key>ProgramArguments</key>
  <array>
{words}  </array>
  <key>EnvironmentVariables</key>
  <dict>
{}  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ExitTimeOut</key>
  <integer>15</integer>
  <key>ProcessType</key>
  <string>Interactive</string>
  <key>StandardOutPath</key>
  {log}
  <key>StandardErrorPath</key>
  {log}
</dict>
</plist>
"#,
            variables.collect::<String>()
        )
    }

    fn argument(&self, text: &str) -> String {
        format!("<string>{}</string>", super::escaped_xml(text))
    }

    fn log(&self) -> String {
        self.log.display().to_string()
    }

    fn end_of_log(&self) -> String {
        super::end_of_file(&self.log)
    }

    fn check(&self) -> Result<(), Failure> {
        self.launchctl(&["print", &self.domain]).map(drop).map_err(|failure| {
            Failure::new(Exit::Unavailable, format!("launchd has no session of this user: {failure}"))
                .hint("log in at the screen of this Mac first; by SSH alone there is no such session")
        })
    }

    fn start(&self) -> Result<(), Failure> {
        self.forget()?;
        self.launchctl(&["enable", &self.agent()])?;
        self.launchctl(&["bootstrap", &self.domain, &self.file.to_string_lossy()]).map(drop)
    }

    fn forget(&self) -> Result<(), Failure> {
        let agent = self.agent();
        let started = Instant::now();
        // It fails for an agent that launchd does not know, and while it stops one.
        let mut last = self.launchctl(&["bootout", &agent]);
        while self.launchctl(&["print", &agent]).is_ok() {
            if started.elapsed() > FORGOTTEN_WITHIN {
                return last.and(Err(Failure::new(Exit::Temporary, "launchd does not stop the service")));
            }
            std::thread::sleep(Duration::from_millis(200));
            last = Ok(String::new());
        }
        Ok(())
    }

    fn state(&self) -> State {
        match self.launchctl(&["print", &self.agent()]) {
            Ok(text) => state_of(&text),
            Err(failure) => State::Stopped(failure.to_string()),
        }
    }
}

/// What `launchctl print` says of an agent: indented lines `name = value`. Those of its endpoints are indented further.
fn state_of(text: &str) -> State {
    let value = |name: &str| text.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(" = "));
    let ended = match value("last exit code") {
        None | Some("(never exited)") => "it did not run yet".to_owned(),
        Some("0") => "it was stopped".to_owned(),
        Some(code) => format!("it ended with exit code {code}"),
    };
    match value("state") {
        Some("running") => State::Running,
        Some("spawn scheduled") => State::Restarting(ended),
        _ => State::Stopped(ended),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn launchd(directory: &Path, launchctl: &str) -> Launchd {
        let of_user = crate::login_service::tests::with_user(directory, Launchd::of_user);
        Launchd { launchctl: launchctl.into(), ..of_user }
    }

    #[test]
    fn the_agent_is_a_property_list_that_says_what_is_run() {
        let directory = tempfile::tempdir().unwrap();
        let launchd = launchd(directory.path(), "launchctl");
        let job = Job {
            program: "/a dir/current/bin/speaches".into(),
            arguments: vec!["serve".into(), "--voice".into(), "<a> & \"b\"".into()],
            variables: BTreeMap::from([("HF_HOME".into(), "/Volumes/a & b".into())]),
        };
        let text = launchd.describe(&job);
        crate::whole_file::write(&launchd.file, &text, 0o600).unwrap();
        let script = "import plistlib, sys\n\
                      agent = plistlib.load(open(sys.argv[1], 'rb'))\n\
                      print(agent['ProgramArguments'], agent['EnvironmentVariables'])\n\
                      print(agent['RunAtLoad'], agent['KeepAlive'], agent['ExitTimeOut'], agent['Label'])";
        assert_eq!(
            crate::login_service::tests::python(script, &launchd.file),
            "['/a dir/current/bin/speaches', 'serve', '--voice', '<a> & \"b\"'] {'HF_HOME': '/Volumes/a & b'}\n\
             True {'SuccessfulExit': False} 15 io.github.speaches-native\n"
        );
        assert!(text.contains(&launchd.argument("<a> & \"b\"")));
    }

    #[test]
    fn the_state_is_that_of_the_agent() {
        let running = "gui/501/io.github.speaches-native = {\n\tactive count = 1\n\tstate = running\n\n\
                       \tpid = 812\n\tlast exit code = (never exited)\n\tendpoints = {\n\t\t\tstate = active\n\t}\n}\n";
        assert_eq!(state_of(running), State::Running);
        let waits = "x = {\n\tstate = spawn scheduled\n\tlast exit code = 75: EX_TEMPFAIL\n}\n";
        assert_eq!(state_of(waits), State::Restarting("it ended with exit code 75: EX_TEMPFAIL".into()));
        let stopped = "x = {\n\tstate = not running\n\tlast exit code = 0\n}\n";
        assert_eq!(state_of(stopped), State::Stopped("it was stopped".into()));
    }

    /// As on macOS: an agent stays loaded for a while after `bootout`, and until then macOS loads no other.
    #[cfg(unix)]
    #[test]
    fn an_agent_that_runs_is_gone_before_the_next_one_comes() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let launchctl = directory.path().join("launchctl");
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho \"$1\" >> calls\ncase $1 in\n\
                      bootout) [ -e loaded ] || exit 3; mv loaded leaves;;\n\
                      print) if [ -e leaves ]; then [ \"$(grep -c print calls)\" -lt 3 ] || rm leaves; exit 0; fi; [ -e loaded ];;\n\
                      bootstrap) [ ! -e loaded ] && [ ! -e leaves ] && [ -f \"$3\" ] && touch loaded;;\nesac\n";
        fs_err::write(&launchctl, script).unwrap();
        fs_err::set_permissions(&launchctl, std::fs::Permissions::from_mode(0o755)).unwrap();
        let launchd = launchd(directory.path(), launchctl.to_str().unwrap());
        crate::whole_file::write(&launchd.file, "agent", 0o600).unwrap();
        let loaded = directory.path().join("loaded");
        for _ in 0..2 {
            launchd.start().unwrap();
            assert!(loaded.exists());
        }
        launchd.forget().unwrap();
        assert!(!loaded.exists());
        // One that is not there is forgotten already.
        launchd.forget().unwrap();
    }
}
