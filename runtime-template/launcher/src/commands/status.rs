//! `speaches status`: the services that run on this machine.

use std::path::PathBuf;

use serde_json::{Value, json};
use speaches_format::failure::{Exit, Failure};

use crate::config::{Config, Flags, directories};
use crate::instance::Instance;
use crate::own_runtime;

/// Which services are meant.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Selection {
    /// The one that listens on this port
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The one with its state in this directory
    #[arg(long, value_name = "DIR", conflicts_with = "port")]
    state_dir: Option<PathBuf>,
}

/// Show the running services and their state
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Selection {
    /// Whether one was named, so that even one that has stopped is of interest.
    #[must_use]
    pub const fn is_specific(&self) -> bool {
        self.port.is_some() || self.state_dir.is_some()
    }

    /// The services that are meant, running or not: those in the default place, and that of the configured directory.
    pub fn find(&self) -> Result<Vec<Instance>, Failure> {
        if let Some(directory) = &self.state_dir {
            return Ok(Instance::read(directory).into_iter().collect());
        }
        let root = own_runtime::root()?;
        super::with_sources(&root, |sources| {
            let mut found = Instance::find_all(&directories::state_root(sources));
            // Settings or a runtime that cannot be used are no reason to hide what runs.
            let config = own_runtime::OwnRuntime::find()
                .and_then(|runtime| Config::resolve(&Flags::default(), sources, &runtime.info));
            if let Ok(config) = config
                && let Some(instance) = Instance::read(&config.values.service.state_dir)
                && found.iter().all(|known| known.directory != instance.directory)
            {
                found.push(instance);
            }
            if let Some(port) = self.port {
                found.retain(|instance| instance.status.port == port);
            }
            Ok(found)
        })
    }
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut instances = arguments.selection.find()?;
    if !arguments.selection.is_specific() {
        instances.retain(|instance| instance.phase() != "stopped");
    }
    if arguments.json {
        super::print_json(&instances.iter().map(as_json).collect::<Vec<_>>())?;
    } else if instances.is_empty() {
        eprintln!("no service runs; `bin/speaches serve` starts one");
    } else {
        super::print(&instances.iter().map(as_text).collect::<Vec<_>>().join("\n"));
    }
    Ok(exit_of(instances.iter().filter(|instance| instance.alive).map(|instance| instance.status.phase.as_str())))
}

/// The worst of the services that run: 69 without any or with a degraded one, 75 while one starts or stops.
fn exit_of<'a>(phases: impl Iterator<Item = &'a str>) -> Exit {
    let phases = phases.collect::<Vec<_>>();
    if phases.is_empty() || phases.contains(&"degraded") {
        Exit::Unavailable
    } else if phases.iter().any(|phase| ["starting", "draining"].contains(phase)) {
        Exit::Temporary
    } else {
        Exit::Success
    }
}

/// A service as `status --json` shows it.
#[must_use]
pub fn as_json(instance: &Instance) -> Value {
    let mut value = instance.raw.clone();
    if let Value::Object(fields) = &mut value {
        fields.insert("phase".to_owned(), json!(instance.phase()));
        fields.insert("alive".to_owned(), json!(instance.alive));
        fields.insert("urls".to_owned(), json!(instance.urls()));
        fields.insert("uptime_seconds".to_owned(), json!(instance.uptime().filter(|_| instance.alive)));
        fields.insert("state_directory".to_owned(), json!(instance.directory));
    }
    value
}

#[must_use]
pub fn as_text(instance: &Instance) -> String {
    let status = &instance.status;
    let since = match instance.uptime().filter(|_| instance.alive) {
        Some(seconds) => format!(", for {}", human_time(seconds)),
        None => String::new(),
    };
    let mut text = format!("{}: {} (pid {}{since})\n", instance.urls().join(", "), instance.phase(), status.pid);
    if instance.phase() == "died" {
        text.push_str(&format!("  it was {}, and its process ended without a message\n", status.phase));
    }
    if let Some(message) = &status.message {
        text.push_str(&format!("  {message}\n"));
    }
    for model in status.models.as_array().into_iter().flatten() {
        let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let id = model.get("id").map_or_else(|| "?".to_owned(), shown);
        let rest = model.as_object().into_iter().flatten().filter(|(key, value)| *key != "id" && !value.is_null());
        let rest = rest.map(|(key, value)| format!("{key} {}", shown(value))).collect::<Vec<_>>().join(", ");
        text.push_str(&format!("  {id}: {rest}\n"));
    }
    text.push_str(&format!("  state in `{}`\n", instance.directory.display()));
    text
}

fn human_time(seconds: u64) -> String {
    match (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_that_of_the_worst_service_that_runs() {
        for (phases, exit) in [
            (&[][..], Exit::Unavailable),
            (&["ready", "serving"], Exit::Success),
            (&["ready", "starting"], Exit::Temporary),
            (&["draining"], Exit::Temporary),
            (&["draining", "degraded"], Exit::Unavailable),
        ] {
            assert_eq!(exit_of(phases.iter().copied()), exit, "{phases:?}");
        }
    }

    #[test]
    fn times_are_said_in_two_units() {
        assert_eq!(human_time(59), "59 s");
        assert_eq!(human_time(3_700), "1 h 1 min");
        assert_eq!(human_time(90_000), "1 d 1 h");
    }
}
