//! `speaches doctor`: what on this machine is in the way of the service, and what to do about it.

mod accelerators;
mod check;
mod checks;
mod report;
mod text;

use std::path::PathBuf;

use serde_json::json;
use speaches_format::failure::{Exit, Failure};

use crate::accelerators::{Accelerators, Driver};
use crate::config::{Config, Flags};
use crate::own_runtime::OwnRuntime;
use check::{Context, Verdict};

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

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let root = crate::own_runtime::root()?;
    super::with_sources(&root, |sources| {
        let runtime = OwnRuntime::find();
        let config = runtime.as_ref().ok().map(|runtime| Config::resolve(&arguments.flags, sources, &runtime.info));
        let accelerators = match (&runtime, &config) {
            (Ok(runtime), Some(Ok(config))) => Some(Accelerators::find(runtime, config, sources, Driver::Ask)),
            _ => None,
        };
        let context = Context {
            runtime: runtime.as_ref(),
            config: config.as_ref().map(Result::as_ref),
            accelerators: accelerators.as_ref(),
            sources,
        };
        let checks = checks::all(&context);
        let healthy = checks.iter().all(|check| check.verdict != Verdict::Fail);
        match &arguments.report {
            Some(file) => write_report(&report::text(&context, &checks), file.as_deref())?,
            None if arguments.json => super::print_json(&json!({
                "healthy": healthy,
                "checks": checks,
                "accelerators": context.accelerators.map(accelerators::as_json),
            }))?,
            None => super::print(&text::as_text(&context, &checks)),
        }
        Ok(if healthy { Exit::Success } else { Exit::Unavailable })
    })
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
