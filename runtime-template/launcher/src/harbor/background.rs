//! The service beside a Harbor. One without a native mode gets it started here, in the background, as Harbor starts its own
//! host services.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use speaches_format::failure::{Exit, Failure};

use super::home::{Flavor, Home};
use super::settings::Settings;
use crate::config::{Config, Flags, Origin, Sources, Values, directories};
use crate::instance::Instance;
use crate::own_runtime::OwnRuntime;

const PORT_VARIABLE: &str = "HARBOR_SPEACHES_NATIVE_PORT";
/// The variables that a Harbor with a native mode passes on from its `.env`.
const PASSED_ON: [&str; 5] = [
    "HARBOR_SPEACHES_STT_MODEL",
    "HARBOR_SPEACHES_TTS_MODEL",
    "HARBOR_SPEACHES_TTS_VOICE",
    "HARBOR_HF_CACHE",
    "HARBOR_HF_TOKEN",
];
/// How long it may take until the port answers, on a machine that does something else.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How much of the log is shown when it does not start.
const LAST_LINES: usize = 15;

pub struct Background<'a> {
    pub home: &'a Home,
    variables: BTreeMap<String, String>,
    pub port: u16,
    port_origin: String,
    /// The addresses that it listens on when it is started now.
    pub hosts: Vec<IpAddr>,
    pub hosts_origin: Origin,
    /// The prefix of the names of Harbor's containers.
    pub container_prefix: String,
    state: PathBuf,
    /// The parent of the state directories of services on other ports.
    states: PathBuf,
}

impl<'a> Background<'a> {
    /// Reads Harbor's `.env`.
    pub fn new(home: &'a Home, runtime: &OwnRuntime, sources: &Sources<'_>) -> Result<Self, Failure> {
        let settings = Settings::read(home)?;
        let of_user = |name: &str| settings.get(name, sources);
        // N.B. collecting into a map sorts first, which costs 5 kB of code.
        let mut variables = BTreeMap::new();
        variables.extend(PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), of_user(name)?))));
        variables.insert("HARBOR_HOME".to_owned(), home.path.display().to_string());
        let (port, port_origin) = match of_user(PORT_VARIABLE) {
            Some(text) => {
                let place = settings.place(PORT_VARIABLE, sources);
                (port_of(&text, &place)?.to_string(), place)
            }
            None => (default_port(home.flavor).to_owned(), format!("default; {PORT_VARIABLE} changes it")),
        };
        variables.insert("HARBOR_SPEACHES_HOST_PORT".to_owned(), port);
        // The service will decide the same, so the launcher finds it again.
        let variable = |name: &str| variables.get(name).cloned().or_else(|| (sources.variable)(name));
        let as_started = Sources {
            variable: &variable,
            contract: sources.contract.clone(),
            directory: home.path.clone(),
            system: sources.system,
        };
        let config = Config::resolve(&Flags::default(), &as_started, &runtime.info)?;
        let hosts_origin = config.setting("host").map_or(Origin::Default, |setting| setting.origin.clone());
        let container_prefix = settings.container_prefix(sources);
        let Values { port, host: hosts, service, .. } = config.values;
        let state = service.state_dir;
        let states = directories::state_root(&as_started);
        Ok(Self { home, variables, port, port_origin, hosts, hosts_origin, container_prefix, state, states })
    }

    /// The service, if it runs. It may be on another port, from before the settings changed.
    #[must_use]
    pub fn running(&self) -> Option<Instance> {
        self.last().filter(|instance| instance.alive)
    }

    /// The service that runs, or ran last.
    #[must_use]
    pub fn last(&self) -> Option<Instance> {
        let configured = Instance::read(&self.state);
        if configured.as_ref().is_some_and(|instance| instance.alive) {
            return configured;
        }
        self.on_another_port().or(configured)
    }

    /// The one that was started here and still runs where its port had it.
    fn on_another_port(&self) -> Option<Instance> {
        let pid = fs_err::read_to_string(self.pid_file()).ok()?.trim().parse::<u32>().ok()?;
        self.all_running().into_iter().find(|instance| instance.status.pid == pid)
    }

    /// All running services of this user, also those that Harbor did not start.
    #[must_use]
    pub fn all_running(&self) -> Vec<Instance> {
        Instance::find_all(&self.states).into_iter().filter(|instance| instance.alive).collect()
    }

    /// Whether a service runs on another port than the settings have now. A Harbor with a native mode may choose the port.
    #[must_use]
    pub fn has_moved(&self, instance: &Instance) -> bool {
        self.home.flavor == Flavor::Stock && instance.status.port != self.port
    }

    /// The log file: in a directory like those of Harbor's own host services, or where a Harbor with a native mode puts
    /// it.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        match self.home.flavor {
            Flavor::Stock => self.directory().join("speaches-native.log"),
            Flavor::Native => self.home.path.join("app/backend/data/logs/harbor-speaches-native.log"),
        }
    }

    fn directory(&self) -> PathBuf {
        self.home.services().join("speaches/logs")
    }

    fn pid_file(&self) -> PathBuf {
        self.directory().join("speaches-native.pid")
    }

    /// Starts it and waits until it answers; returns what it says about itself.
    ///
    /// # Errors
    /// With its own exit code and the end of its log when it does not start.
    pub fn start(&self) -> Result<Instance, Failure> {
        let cannot_write = |error: std::io::Error| {
            Failure::new(Exit::CannotCreate, format!("cannot write the log of the service: {error}"))
                .hint(format!("make `{}` writable for you", self.directory().display()))
        };
        fs_err::create_dir_all(self.directory()).map_err(cannot_write)?;
        let mut log = fs_err::OpenOptions::new().create(true).append(true).open(self.log()).map_err(cannot_write)?;
        // The service gets the port in a variable, which says nothing about where it comes from.
        writeln!(log, "speaches harbor: starts the service on port {} ({})", self.port, self.port_origin)
            .map_err(cannot_write)?;
        let before = log.metadata().map_err(cannot_write)?.len();
        let (log, _) = log.into_parts();
        let errors = log.try_clone().map_err(cannot_write)?;
        let executable = std::env::current_exe().map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
        let mut command = Command::new(executable);
        command.arg("serve").envs(&self.variables).current_dir(&self.home.path);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        detach(&mut command);
        let mut child = command
            .spawn()
            .map_err(|error| Failure::new(Exit::Unavailable, format!("the service cannot be started: {error}")))?;
        fs_err::write(self.pid_file(), format!("{}\n", child.id())).map_err(cannot_write)?;
        self.wait(&mut child, before)
    }

    fn wait(&self, child: &mut Child, log_before: u64) -> Result<Instance, Failure> {
        let started = Instant::now();
        loop {
            if let Some(instance) = self.running().filter(|it| it.status.pid == child.id())
                && instance.phase() != "starting"
            {
                return Ok(instance);
            }
            if let Ok(Some(status)) = child.try_wait() {
                self.forget();
                let exit = Exit::ALL.into_iter().find(|exit| Some(i32::from(exit.code())) == status.code());
                // Its hint about a taken port names an option that `harbor start` does not have.
                let last =
                    self.end_of_log(log_before, |line| exit == Some(Exit::Temporary) && line.starts_with("hint: "));
                return Err(Failure::new(
                    exit.unwrap_or(Exit::Internal),
                    format!("the service did not start ({status}); the end of its log:\n  {last}"),
                )
                .hint(self.advice(exit)));
            }
            if started.elapsed() > TIMEOUT {
                let seconds = TIMEOUT.as_secs();
                let said = format!("the service (pid {}) does not answer after {seconds} s", child.id());
                return Err(Failure::new(Exit::Temporary, said)
                    .hint(format!("read its log `{}`; `speaches harbor stop` stops it", self.log().display())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The last lines of its log from a byte on, without those that mislead.
    #[must_use]
    pub fn end_of_log(&self, from: u64, misleads: impl Fn(&str) -> bool) -> String {
        let log = fs_err::read(self.log()).unwrap_or_default();
        let new = String::from_utf8_lossy(&log[usize::try_from(from).unwrap_or(0).min(log.len())..]);
        let lines = new.lines().filter(|line| !misleads(line)).collect::<Vec<_>>();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ")
    }

    fn advice(&self, exit: Option<Exit>) -> String {
        let log = self.log();
        if exit == Some(Exit::Temporary) {
            let settings = self.home.path.join(".env");
            return format!(
                "stop the program that uses the port, or set {PORT_VARIABLE} in `{}` to another port; the complete log \
                 is `{}`",
                settings.display(),
                log.display()
            );
        }
        format!("the complete log is `{}`", log.display())
    }

    /// Removes its log, and the directory of that if nothing else is in it; says whether there was one.
    ///
    /// # Errors
    /// [`Exit::CannotCreate`] when it cannot be removed.
    pub fn remove_log(&self) -> Result<bool, Failure> {
        self.forget();
        match fs_err::remove_file(self.log()) {
            Ok(()) => {
                // Another program or the user may keep a file there.
                let _ = fs_err::remove_dir(self.directory());
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => {
                Err(Failure::new(Exit::CannotCreate, format!("the log of the service cannot be removed: {error}")))
            }
        }
    }

    /// Removes the pid file.
    pub fn forget(&self) {
        // The file may be gone already, and only people look at a stale pid file.
        let _ = fs_err::remove_file(self.pid_file());
    }
}

/// The port that a setting names; `place` says where it is.
fn port_of(text: &str, place: &str) -> Result<u16, Failure> {
    let port = text.trim().parse::<u16>().ok().filter(|port| *port != 0);
    port.ok_or_else(|| {
        Failure::new(Exit::Config, format!("{place} is `{text}`, which is not a port"))
            .hint("set it to a number from 1 to 65535 that nothing else uses, or remove it")
    })
}

/// The port that the proxy connects to by default. Harbor publishes 34331. A Harbor without a native mode publishes it
/// with the proxy, so the service has the next port.
const fn default_port(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Stock => "34332",
        Flavor::Native => "34331",
    }
}

/// Lets the service live on when the terminal is closed, as `nohup` and a new session do.
#[cfg(unix)]
fn detach(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    // N.B. a group of its own is enough: the hangup of a terminal goes to the groups in its session's foreground, and
    // the service has no terminal open.
    command.process_group(0);
}

#[cfg(not(unix))]
fn detach(_command: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_number_that_can_be_listened_on() {
        assert_eq!(port_of(" 34332 ", "X").unwrap(), 34332);
        for text in ["0", "65536", "-1", "none"] {
            let failure = port_of(text, "X in `/h/.env`").unwrap_err();
            assert_eq!(failure.to_string(), format!("X in `/h/.env` is `{text}`, which is not a port"));
            assert_eq!(failure.exit, Exit::Config);
        }
    }
}
