//! The Task Scheduler of Windows; its schema is that of <http://schemas.microsoft.com/windows/2004/02/mit/task>.

use std::path::{Path, PathBuf};

use speaches_format::failure::{Exit, Failure};

use super::{Job, MARK, State, Supervisor, tool};
use crate::config::{Sources, directories};

const TASK: &str = "speaches";
const FILE: &str = "login-service.xml";
const LOG: &str = "speaches.log";

/// The Task Scheduler, for this user.
pub struct TaskScheduler {
    file: PathBuf,
    log: PathBuf,
    /// `DOMAIN\name`
    user: String,
}

impl TaskScheduler {
    /// # Errors
    /// When the environment does not name the user.
    pub fn of_user(sources: &Sources<'_>) -> Result<Self, Failure> {
        let directory = directories::state_root(sources);
        let domain = sources.variable("USERDOMAIN").map_or_else(String::new, |domain| format!("{domain}\\"));
        let name = sources.variable("USERNAME").ok_or_else(|| {
            Failure::new(Exit::Config, "USERNAME is not set, so the user whose login starts the service is unknown")
        })?;
        Ok(Self { file: directory.join(FILE), log: directory.join(LOG), user: format!("{domain}{name}") })
    }

    fn schtasks(arguments: &[&str]) -> Result<String, Failure> {
        tool::run("schtasks".as_ref(), arguments)
    }
}

impl Supervisor for TaskScheduler {
    fn file(&self) -> &Path {
        &self.file
    }

    fn describe(&self, job: &Job) -> String {
        let user = super::escaped_xml(&self.user);
        // A console program of a user's task gets a window, which conhost keeps away. The Task Scheduler starts a task again
        // only when it could not be started, so `service run` watches over the service.
        let mut words = vec!["--headless".to_owned(), word(&job.program)];
        words.extend(["service", "run", "--log"].map(str::to_owned));
        words.push(word(&self.log.display().to_string()));
        for (name, value) in &job.variables {
            words.extend(["--variable".to_owned(), word(&format!("{name}={value}"))]);
        }
        words.push("--".to_owned());
        words.extend(job.arguments.iter().map(|text| word(text)));
        let arguments = super::escaped_xml(&words.join(" "));
        format!(
            r#"<?xml version="1.0"?>
<!-- {MARK} -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>speaches speech server</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <UserId>{user}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>%SystemRoot%\System32\conhost.exe</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"#
        )
    }

    fn argument(&self, text: &str) -> String {
        super::escaped_xml(&word(text))
    }

    fn log(&self) -> String {
        self.log.display().to_string()
    }

    fn end_of_log(&self) -> String {
        super::end_of_file(&self.log)
    }

    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn start(&self) -> Result<(), Failure> {
        let _ = Self::schtasks(&["/End", "/TN", TASK]);
        // schtasks takes anything but UTF-16 for text in the code page of the system.
        let wide = self.file.with_extension("utf16.xml");
        let written = fs_err::read_to_string(&self.file).and_then(|text| fs_err::write(&wide, utf16(&text)));
        written.map_err(|error| Failure::new(Exit::CannotCreate, error.to_string()))?;
        let created = Self::schtasks(&["/Create", "/F", "/TN", TASK, "/XML", &wide.to_string_lossy()]);
        // The task is in the registry now, or was refused.
        let _ = fs_err::remove_file(&wide);
        created?;
        Self::schtasks(&["/Run", "/TN", TASK]).map(drop)
    }

    fn forget(&self) -> Result<(), Failure> {
        let _ = Self::schtasks(&["/End", "/TN", TASK]);
        Self::schtasks(&["/Delete", "/F", "/TN", TASK]).map(drop)
    }

    fn state(&self) -> State {
        // N.B. schtasks speaks the language of the system; this is the name of a constant.
        let script = format!("(Get-ScheduledTask -TaskName '{TASK}' -ErrorAction Stop).State");
        let said = tool::run("powershell".as_ref(), &["-NoProfile", "-NonInteractive", "-Command", &script]);
        match said.as_deref().map(str::trim) {
            Ok("Running" | "Queued") => State::Running,
            Ok(other) => State::Stopped(format!("the Task Scheduler says `{other}`")),
            Err(failure) => State::Stopped(failure.to_string()),
        }
    }
}

/// A word of a command line, always in quotes: `CommandLineToArgvW` takes backslashes before a quote for escapes.
fn word(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut backslashes = 0;
    for character in text.chars() {
        if character == '\\' {
            backslashes += 1;
        } else {
            if character == '"' {
                quoted.push_str(&"\\".repeat(backslashes + 1));
            }
            backslashes = 0;
        }
        quoted.push(character);
    }
    quoted.push_str(&"\\".repeat(backslashes));
    quoted.push('"');
    quoted
}

/// Little-endian, with a byte order mark.
fn utf16(text: &str) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn words_are_quoted_as_windows_takes_them_apart() {
        for (text, quoted) in [
            ("a b", r#""a b""#),
            (r"C:\a dir\", r#""C:\a dir\\""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r#"\""#, r#""\\\"""#),
        ] {
            assert_eq!(word(text), quoted);
        }
    }

    #[test]
    fn the_task_is_whole_and_names_the_user() {
        let scheduler = crate::login_service::tests::with_user(Path::new("/a & b"), TaskScheduler::of_user);
        let job = Job {
            program: r"C:\Program Files\speaches\bin\speaches.exe".into(),
            arguments: vec!["serve".into(), "--voice".into(), "<af>".into()],
            variables: BTreeMap::from([("HF_HOME".into(), "D:/hf".into())]),
        };
        let text = scheduler.describe(&job);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("task.xml");
        fs_err::write(&file, utf16(&text)).unwrap();
        let script = "import sys, xml.etree.ElementTree as xml\n\
                      task = xml.parse(sys.argv[1]).getroot()\n\
                      name = '{http://schemas.microsoft.com/windows/2004/02/mit/task}%s'\n\
                      for field in ('Arguments', 'UserId'):\n    print(next(task.iter(name % field)).text)";
        let printed = crate::login_service::tests::python(script, &file);
        assert_eq!(
            printed,
            format!(
                "--headless \"C:\\Program Files\\speaches\\bin\\speaches.exe\" service run --log \"{}\" \
             --variable \"HF_HOME=D:/hf\" -- \"serve\" \"--voice\" \"<af>\"\nPC\\Zoë\n",
                scheduler.log.display()
            )
        );
        assert!(text.contains(&scheduler.argument("<af>")));
    }
}
