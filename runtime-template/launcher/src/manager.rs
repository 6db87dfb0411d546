//! Turning into the service manager: its command line, its settings and its environment.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use speaches_format::failure::{Exit, Failure};
use speaches_format::layout;

use crate::accelerators::Accelerators;
use crate::config::{Config, Sources, service_directories};
use crate::environment::{self, Prepared};
use crate::listening::Listening;
use crate::models;
use crate::own_runtime::{DAMAGED, OwnRuntime};
use crate::policy::Decision;
use crate::service_settings::ServiceSettings;

/// The variable in which the service manager finds what was decided.
const SETTINGS: &str = "SPEACHES_SERVICE_SETTINGS";

/// All that is decided about one run of the service manager.
pub struct Manager<'a> {
    runtime: &'a OwnRuntime,
    config: &'a Config,
    sources: &'a Sources<'a>,
    hub: PathBuf,
    notes: Vec<String>,
    accelerators: Option<&'a Accelerators>,
}

impl<'a> Manager<'a> {
    /// Checks that its parts are there, and puts the bundled models where the user's are.
    ///
    /// # Errors
    /// [`Exit::Unavailable`] when a part of the runtime is missing.
    pub fn prepare(runtime: &'a OwnRuntime, config: &'a Config, sources: &'a Sources<'a>) -> Result<Self, Failure> {
        for part in [runtime.python(), runtime.manager(), runtime.app()] {
            if !part.exists() {
                let said = format!("`{}` is missing from the runtime", part.display());
                return Err(Failure::new(Exit::Unavailable, said).hint(DAMAGED));
            }
        }
        let mut notes = config.warnings.iter().map(|warning| format!("warning: {warning}")).collect::<Vec<_>>();
        let hub = choose_hub(runtime, config, &mut notes);
        Ok(Self { runtime, config, sources, hub, notes, accelerators: None })
    }

    pub fn note(&mut self, line: String) {
        self.notes.push(line);
    }

    /// Lets the service manager run models on the decided hardware. Commands that only manage models do not call this.
    ///
    /// # Errors
    /// [`Exit::Unavailable`] when a request of the user is impossible here.
    pub fn compute(&mut self, accelerators: &'a Accelerators) -> Result<(), Failure> {
        let decision = accelerators.decided()?;
        self.notes.extend(accelerators.findings.notes.iter().chain(&decision.notes).cloned());
        self.accelerators = Some(accelerators);
        Ok(())
    }

    fn decision(&self) -> Option<&'a Decision> {
        self.accelerators.and_then(|accelerators| accelerators.decision.as_ref().ok())
    }

    /// The command with `arguments`.
    ///
    /// # Errors
    /// [`Exit::Config`] when a path of the settings has no JSON form, because it is not UTF-8.
    pub fn command(&self, arguments: &[&str], listening: &Listening) -> Result<Command, Failure> {
        let (accelerators, notes) = (self.accelerators, self.notes.clone());
        let settings = ServiceSettings::of(self.runtime, self.config, self.sources, accelerators, listening, notes);
        let settings = serde_json::to_string(&settings).map_err(|error| {
            Failure::new(Exit::Config, format!("the settings cannot be handed to the service: {error}"))
        })?;
        let mut command = Command::new(self.runtime.python());
        command
            // Isolated: what the user has set up for their own Python has no business here.
            .args(["-I", "-X", "utf8"])
            .args(self.bytecode())
            .arg(self.runtime.manager())
            .args(arguments)
            .current_dir(self.runtime.app())
            .env(SETTINGS, settings);
        let prepared = Prepared { port: listening.port, hub: &self.hub, decision: self.decision() };
        let OwnRuntime { root, info } = self.runtime;
        for (name, value) in environment::changes(root, info, self.config, &prepared, self.sources) {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Ok(command)
    }

    /// Nothing is ever written into a runtime. One without bytecode has it compiled beside the state of the services,
    /// at the first start.
    fn bytecode(&self) -> Vec<OsString> {
        let info = &self.runtime.info;
        if info.bytecode {
            return vec!["-B".into()];
        }
        let mut prefix = OsString::from("pycache_prefix=");
        prefix.push(
            service_directories::shared(self.config, self.sources)
                .join("bytecode")
                .join(info.plan.get(..16).unwrap_or("runtime")),
        );
        vec!["-X".into(), prefix]
    }
}

/// The user's cache with links to the bundled models; the runtime's own one if that cannot be.
fn choose_hub(runtime: &OwnRuntime, config: &Config, notes: &mut Vec<String>) -> PathBuf {
    let (own, users) = (runtime.hub(), config.values.hf_cache.clone());
    if runtime.info.models.is_empty() || users == own {
        return users;
    }
    match models::link(&runtime.info.models, &own, &users) {
        Ok(linked) => {
            notes.extend(linked.notes);
            notes.push(format!("models are in `{}` ({})", users.display(), config.origin("hf_cache")));
            users
        }
        Err(error) => {
            notes.push(format!(
                "warning: the models of the runtime cannot be linked into `{}` ({}): {error}; using those in `{}` only, \
                 and nothing can be downloaded",
                users.display(),
                config.origin("hf_cache"),
                layout::MODELS_HUB
            ));
            own
        }
    }
}

/// Turns this process into another program, and returns only when that cannot be started.
#[cfg(unix)]
#[must_use]
pub fn become_command(mut command: Command) -> Failure {
    use std::os::unix::process::CommandExt as _;
    crate::open_files::raise_limit();
    let error = command.exec();
    cannot_start(&command, &error)
}

/// Windows has no exec: this process waits for a child that dies with it, and ends with the child's exit code.
#[cfg(windows)]
#[must_use]
pub fn become_command(mut command: Command) -> Failure {
    let tied = crate::job::Job::enter().and_then(|job| crate::console::leave_events_to_child().map(|()| job));
    let _job = match tied {
        Ok(job) => job,
        Err(error) => {
            return Failure::new(Exit::Internal, format!("the service cannot be tied to this process: {error}"));
        }
    };
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or_else(|| i32::from(Exit::Internal.code()))),
        Err(error) => cannot_start(&command, &error),
    }
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    let program = command.get_program().to_string_lossy();
    Failure::new(Exit::Unavailable, format!("cannot start `{program}`: {error}"))
        .hint("check that this runtime is for this system: `runtime.json` names its target")
}
