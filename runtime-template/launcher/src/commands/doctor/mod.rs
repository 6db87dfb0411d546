//! `speaches doctor`: what on this machine is in the way of the service, and what to do about it.

mod accelerators;
mod checks;
mod report;

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;
use speaches_format::failure::{Exit, Failure};

use crate::accelerators::{Accelerators, Driver};
use crate::config::{Config, Flags, Sources};
use crate::own_runtime::OwnRuntime;

/// Check the runtime and this machine, and say what to do
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    flags: Flags,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write one text for a bug report, without secrets, to FILE or to standard output
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with = "json")]
    report: Option<Option<PathBuf>>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing to do.
    Ok,
    /// The service starts, and something about it is not as it should be.
    Warn,
    /// The service does not start, or cannot do what it is for.
    Fail,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, message: impl Into<String>) -> Self {
        Self { name, verdict, message: message.into(), advice: None }
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    fn failed(name: &'static str, failure: &Failure) -> Self {
        let check = Self::new(name, Verdict::Fail, failure.to_string());
        Self { advice: failure.advice().map(str::to_owned), ..check }
    }
}

/// What was looked at, for the checks and the report.
pub struct Patient<'a> {
    runtime: Result<&'a OwnRuntime, &'a Failure>,
    config: Option<Result<&'a Config, &'a Failure>>,
    accelerators: Option<&'a Accelerators>,
    sources: &'a Sources<'a>,
}

/// Runs the subcommand.
///
/// # Errors
/// When this program is in no runtime, or the report cannot be written.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let root = crate::own_runtime::root()?;
    super::with_sources(&root, |sources| {
        let runtime = OwnRuntime::find();
        let config = runtime.as_ref().ok().map(|runtime| Config::resolve(&arguments.flags, sources, &runtime.head));
        let accelerators = match (&runtime, &config) {
            (Ok(runtime), Some(Ok(config))) => Some(Accelerators::find(runtime, config, sources, Driver::Ask)),
            _ => None,
        };
        let patient = Patient {
            runtime: runtime.as_ref(),
            config: config.as_ref().map(Result::as_ref),
            accelerators: accelerators.as_ref(),
            sources,
        };
        let checks = checks::all(&patient);
        let healthy = checks.iter().all(|check| check.verdict != Verdict::Fail);
        match &arguments.report {
            Some(file) => write_report(&report::text(&patient, &checks), file.as_deref())?,
            None if arguments.json => super::print_json(&json!({
                "healthy": healthy,
                "checks": checks,
                "accelerators": patient.accelerators.map(accelerators::as_json),
            }))?,
            None => super::print(&as_text(&patient, &checks)),
        }
        Ok(if healthy { Exit::Success } else { Exit::Unavailable })
    })
}

fn as_text(patient: &Patient<'_>, checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let verdict = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        text.push_str(&format!("{verdict:<5} {:<13} {}\n", check.name, check.message));
        if let Some(advice) = &check.advice {
            text.push_str(&format!("{:20}to do: {advice}\n", ""));
        }
    }
    if let Some(accelerators) = patient.accelerators {
        text.push_str(&format!("\n{}", accelerators::as_text(accelerators)));
    }
    text
}

fn write_report(text: &str, file: Option<&std::path::Path>) -> Result<(), Failure> {
    let Some(file) = file else {
        super::print(text);
        return Ok(());
    };
    fs_err::write(file, text)
        .map_err(|error| Failure::new(Exit::CannotCreate, format!("the report cannot be written: {error}")))?;
    eprintln!("the report is in `{}`; read it before you send it", file.display());
    Ok(())
}
