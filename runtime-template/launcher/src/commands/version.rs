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

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let runtime = OwnRuntime::find()?;
    let info = &runtime.info;
    if arguments.json {
        super::print_json(&json!({
            "speaches": info.version,
            "sample": info.name.is_sample(),
            "target": info.target,
            "accelerator": info.accelerator,
            "python": info.python.version,
            "launcher": env!("CARGO_PKG_VERSION"),
            "groups": info.groups,
            "models": info.models.iter().map(|model| &model.id).collect::<Vec<_>>(),
            "plan": info.plan,
            "runtime": runtime.root,
        }))?;
    } else {
        super::print(&format!("{}\n", describe(&runtime)));
    }
    Ok(Exit::Success)
}

#[must_use]
pub fn describe(runtime: &OwnRuntime) -> String {
    let info = &runtime.info;
    let label = info.name.label().map(|label| format!(" {label}")).unwrap_or_default();
    format!(
        "speaches{label} {} for {} ({}), Python {}, launcher {}",
        info.version,
        info.target,
        info.accelerator,
        info.python.version,
        env!("CARGO_PKG_VERSION")
    )
}
