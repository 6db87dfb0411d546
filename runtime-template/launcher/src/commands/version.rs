//! `speaches version`: what this runtime is.

use serde_json::json;
use speaches_format::failure::{Exit, Failure};

use crate::own_runtime::OwnRuntime;

/// Show the contents of this runtime
#[derive(clap::Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When the runtime is damaged.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let runtime = OwnRuntime::find()?;
    let head = &runtime.head;
    if arguments.json {
        super::print_json(&json!({
            "speaches": head.version,
            "sample": head.name.is_sample(),
            "target": head.target,
            "accelerator": head.accelerator,
            "python": head.python.version,
            "launcher": env!("CARGO_PKG_VERSION"),
            "groups": head.groups,
            "models": head.models.iter().map(|model| &model.id).collect::<Vec<_>>(),
            "plan": head.plan,
            "runtime": runtime.root,
        }))?;
    } else {
        super::print(&format!("{}\n", describe(&runtime)));
    }
    Ok(Exit::Success)
}

/// The runtime in one line.
#[must_use]
pub fn describe(runtime: &OwnRuntime) -> String {
    let head = &runtime.head;
    let label = head.name.label().map(|label| format!(" {label}")).unwrap_or_default();
    format!(
        "speaches{label} {} for {} ({}), Python {}, launcher {}",
        head.version,
        head.target,
        head.accelerator,
        head.python.version,
        env!("CARGO_PKG_VERSION")
    )
}
