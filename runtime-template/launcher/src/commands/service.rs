//! `speaches service`: the service that starts when the user logs in.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Subcommand;
use serde_json::json;
use speaches_format::failure::{Exit, Failure};

use super::{status, stop};
use crate::config::{Config, Flags, Origin, Sources};
use crate::instance::Instance;
use crate::login_service::{self, Job, MARK, State, Supervisor};
use crate::own_runtime::{self, OwnRuntime};
use crate::whole_file;

/// How long the port may take to answer, on a machine that does something else.
const STARTED_WITHIN: Duration = Duration::from_secs(60);
/// Between a crash and the next start, so that a service that fails at once does not take a processor for itself.
#[cfg(windows)]
const PAUSE: Duration = Duration::from_secs(5);
/// How long the service before may take to answer again. It was found to work once, so this command waits no longer.
const BACK_WITHIN: Duration = Duration::from_secs(10);
/// Between two questions to the supervisor, which may answer slowly and says nothing useful of the first moments.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Start the server at every login, by systemd, launchd or the Task Scheduler
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start `speaches serve` with these options now, at every login, and after a crash
    Install {
        /// Print the unit, agent or task, and install nothing
        #[arg(long)]
        print: bool,
        #[command(flatten)]
        flags: Box<Flags>,
    },
    /// Stop this server, and no longer start it at login
    Uninstall,
    /// Show whether it is installed and running
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a program again after each crash, for the Task Scheduler
    #[cfg(windows)]
    #[command(hide = true)]
    Run {
        #[arg(long)]
        log: std::path::PathBuf,
        #[arg(long)]
        variable: Vec<String>,
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// When the supervisor does not answer, or the service does not start.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let root = own_runtime::root()?;
    super::with_sources(&root, |sources| {
        let supervisor = login_service::of_this_system(sources)?;
        match &arguments.command {
            Command::Install { print, flags } => install(&supervisor, *print, flags, sources),
            Command::Uninstall => uninstall(&supervisor),
            Command::Status { json } => status(&supervisor, *json),
            #[cfg(windows)]
            Command::Run { log, variable, arguments } => {
                let program =
                    std::env::current_exe().map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
                let variables = variable.iter().filter_map(|text| text.split_once('='));
                let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>();
                login_service::run(&program, arguments, &variables, log, PAUSE)
            }
        }
    })
}

fn install(supervisor: &impl Supervisor, print: bool, flags: &Flags, sources: &Sources<'_>) -> Result<Exit, Failure> {
    let runtime = OwnRuntime::find()?;
    let config = Config::resolve(flags, sources, &runtime.info)?;
    refuse_what_would_be_lost(&config)?;
    let job = Job::new(&runtime, flags, &config, sources)?;
    let text = supervisor.describe(&job);
    if print {
        super::print(&text);
        return Ok(Exit::Success);
    }
    supervisor.check()?;
    let state = &config.values.service.state_dir;
    let before = read(supervisor)?;
    if let Some(other) = Instance::read(state).filter(|instance| instance.alive)
        && !before.as_deref().is_some_and(|text| is_of(supervisor, text, &other))
    {
        let said = format!(
            "a service that `speaches service` did not install runs on port {} (pid {})",
            other.status.port, other.status.pid
        );
        return Err(Failure::new(Exit::Temporary, said).hint("stop it first: `speaches stop`"));
    }
    stop_own(supervisor, before.as_deref())?;
    let started = is_free(&config)
        .and_then(|()| write(supervisor, &text))
        .and_then(|()| supervisor.start())
        .and_then(|()| wait(supervisor, state));
    let instance = match started {
        Ok(instance) => instance,
        Err(failure) => {
            restore(supervisor, before.as_deref());
            return Err(failure);
        }
    };
    super::print(&format!(
        "installed: speaches runs now, and starts at every login\n  {}",
        status::as_text(&instance).trim_end()
    ));
    super::print(&format!("\n  service  `{}`\n  log      {}\n", supervisor.file().display(), supervisor.log()));
    if let Some(warning) = super::serve::exposure(&config) {
        eprintln!("warning: {warning}");
    }
    let names = job.variables.keys().map(String::as_str).collect::<Vec<_>>();
    if !names.is_empty() {
        eprintln!("kept from this shell: {}", names.join(", "));
    }
    if cfg!(target_os = "linux") {
        eprintln!(
            "hint: on a server, `loginctl enable-linger` starts it with the machine, and keeps it after a logout"
        );
    }
    Ok(Exit::Success)
}

/// `serve` says best what is in the way of a port, and a supervisor would keep that to its log.
fn is_free(config: &Config) -> Result<(), Failure> {
    #[cfg(unix)]
    crate::listeners::Listeners::open(&config.values.host, config.values.port, !config.is_default("host"))?;
    #[cfg(not(unix))]
    let _ = config;
    Ok(())
}

/// A secret in a variable is not written into the file of a supervisor. A service without its API key would be open.
fn refuse_what_would_be_lost(config: &Config) -> Result<(), Failure> {
    let of_shell = |key: &str| match config.setting(key).map(|setting| &setting.origin) {
        Some(Origin::Environment(name)) => Some(*name),
        _ => None,
    };
    if let Some(name @ "API_KEY") = of_shell("api_key") {
        return Err(Failure::new(
            Exit::Config,
            format!("{name} is set in this shell only, so a service at login would need no key"),
        )
        .hint("write the key into a file that only you can read, and name it: `--api-key-file FILE`"));
    }
    if let Some(name) = of_shell("hf_token") {
        eprintln!(
            "warning: {name} is not kept, because it is a secret; `hf auth login` stores a token that the service finds"
        );
    }
    if config.values.port == 0 {
        return Err(Failure::new(Exit::Usage, "a service at login needs a port of its own, not any free one (0)")
            .hint("name one with `--port`"));
    }
    Ok(())
}

fn uninstall(supervisor: &impl Supervisor) -> Result<Exit, Failure> {
    let Some(text) = read(supervisor)? else {
        eprintln!("no service is installed: there is no `{}`", supervisor.file().display());
        return Ok(Exit::Success);
    };
    stop_own(supervisor, Some(&text))?;
    // Without a supervisor that answers, removing the file is all that has to be done.
    let forgotten = supervisor.check().and_then(|()| supervisor.forget());
    if let Err(failure) = forgotten {
        eprintln!("warning: {failure}");
    }
    fs_err::remove_file(supervisor.file()).map_err(|error| cannot_write(&error))?;
    // What it read is gone now.
    supervisor.reload();
    println!("speaches no longer starts at login; removed `{}`", supervisor.file().display());
    Ok(Exit::Success)
}

fn status(supervisor: &impl Supervisor, as_json: bool) -> Result<Exit, Failure> {
    let text = read(supervisor)?;
    let installed = text.is_some();
    let state = if installed { supervisor.state() } else { State::Stopped("it is not installed".to_owned()) };
    let root = own_runtime::root()?;
    let of_this_runtime = text
        .as_deref()
        .is_some_and(|text| text.contains(&supervisor.program(&own_runtime::launcher(&root).to_string_lossy())));
    let instance = own(supervisor, text.as_deref());
    let (word, reason) = match &state {
        State::Running => ("running", None),
        State::Restarting(reason) => ("restarting", Some(reason)),
        State::Stopped(reason) => ("stopped", Some(reason)),
    };
    if as_json {
        super::print_json(&json!({
            "installed": installed,
            "file": supervisor.file(),
            "this_runtime": of_this_runtime,
            "state": word,
            "reason": reason,
            "log": supervisor.log(),
            "service": instance.as_ref().map(status::as_json),
        }))?;
    } else if installed {
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let runtime = if of_this_runtime { "this runtime" } else { "another runtime" };
        let file = supervisor.file().display();
        let text = format!("{word}{reason}\n  service  `{file}`, of {runtime}\n  log      {}\n", supervisor.log());
        super::print(&text);
        if let Some(instance) = &instance {
            super::print(&status::as_text(instance));
        }
    } else {
        eprintln!("no service is installed; `speaches service install` starts one at every login");
    }
    Ok(match state {
        State::Running => Exit::Success,
        State::Restarting(_) => Exit::Temporary,
        State::Stopped(_) => Exit::Unavailable,
    })
}

/// The service that the supervisor runs, if it runs and its state is where services have it by default.
fn own(supervisor: &impl Supervisor, text: Option<&str>) -> Option<Instance> {
    let text = text?;
    let found = status::Selection::default().find().unwrap_or_default();
    found.into_iter().find(|instance| instance.alive && is_of(supervisor, text, instance))
}

/// Whether a service is the one of this file, which names its state directory.
fn is_of(supervisor: &impl Supervisor, text: &str, instance: &Instance) -> bool {
    text.contains(&supervisor.argument(&instance.directory.to_string_lossy()))
}

/// Lets the service end its requests, which not every supervisor does.
fn stop_own(supervisor: &impl Supervisor, text: Option<&str>) -> Result<(), Failure> {
    own(supervisor, text).map_or(Ok(()), |instance| stop::stop(&instance, false))
}

/// Waits until the port answers.
fn wait(supervisor: &impl Supervisor, state: &Path) -> Result<Instance, Failure> {
    let started = Instant::now();
    let mut looked = started;
    loop {
        let instance = Instance::read(state).filter(|instance| instance.alive && instance.phase() != "starting");
        if let Some(instance) = instance {
            return Ok(instance);
        }
        let failed = if started.elapsed() > STARTED_WITHIN {
            Some((Exit::Temporary, format!("it does not answer after {} s", STARTED_WITHIN.as_secs())))
        } else if looked.elapsed() > LOOK_EVERY {
            looked = Instant::now();
            match supervisor.state() {
                State::Running => None,
                State::Restarting(reason) => Some((Exit::Temporary, reason)),
                State::Stopped(reason) => Some((Exit::Unavailable, reason)),
            }
        } else {
            None
        };
        if let Some((exit, reason)) = failed {
            let log = supervisor.end_of_log();
            let log = if log.trim().is_empty() {
                String::new()
            } else {
                format!("; the end of its log:\n{}", log.trim_end())
            };
            return Err(Failure::new(
                exit,
                format!("the service did not start, so nothing was changed: {reason}{log}"),
            )
            .hint("`speaches serve` with the same options shows all that it says"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// After a failure: what was installed before is there again.
fn restore(supervisor: &impl Supervisor, before: Option<&str>) {
    let restored = match before {
        Some(text) => write(supervisor, text).and_then(|()| supervisor.start()).map(|()| {
            // Clients of the service before should find it again when this command ends.
            let started = Instant::now();
            while own(supervisor, before).is_none_or(|instance| instance.phase() == "starting")
                && started.elapsed() < BACK_WITHIN
            {
                std::thread::sleep(Duration::from_millis(50));
            }
        }),
        None if !supervisor.file().exists() => Ok(()),
        None => supervisor
            .forget()
            .and_then(|()| fs_err::remove_file(supervisor.file()).map_err(|error| cannot_write(&error))),
    };
    supervisor.reload();
    // The failure that led here is reported after this.
    if let Err(failure) = restored {
        eprintln!("warning: {failure}");
    }
}

fn read(supervisor: &impl Supervisor) -> Result<Option<String>, Failure> {
    match fs_err::read_to_string(supervisor.file()) {
        Ok(text) if text.contains(MARK) => Ok(Some(text)),
        Ok(_) => Err(Failure::new(
            Exit::CannotCreate,
            format!(
                "`{}` is not a file of `speaches service install`, so it is left alone",
                supervisor.file().display()
            ),
        )
        .hint("move it away, if you do not need it")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(Exit::InputOutput, error.to_string())),
    }
}

/// Variables may hold secrets, such as the password of a proxy: only this user may read the file.
fn write(supervisor: &impl Supervisor, text: &str) -> Result<(), Failure> {
    whole_file::write(supervisor.file(), text, 0o600).map_err(|error| cannot_write(&error))
}

fn cannot_write(error: &std::io::Error) -> Failure {
    Failure::new(Exit::CannotCreate, format!("the service cannot be installed or removed: {error}"))
        .hint("change the owner or the rights of that directory")
}
