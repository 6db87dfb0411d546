//! `speaches config`: every setting with its origin.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use speaches_format::failure::{Exit, Failure};

use crate::accelerators::{Accelerators, Driver};
use crate::config::{Config, Flags, Setting};
use crate::own_runtime::OwnRuntime;

/// Show the settings that `serve` would use
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    flags: Flags,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let runtime = OwnRuntime::find()?;
    let (mut config, accelerators) = super::with_sources(&runtime.root, |sources| {
        let config = Config::resolve(&arguments.flags, sources, &runtime.info)?;
        let accelerators = Accelerators::find(&runtime, &config, sources, Driver::AskIfNeeded);
        Ok((config, accelerators))
    })?;
    config.warnings.extend(super::serve::exposure(&config));
    if arguments.json {
        super::print_json(&as_json(&config))?;
    } else {
        super::print(&as_text(&config));
    }
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    accelerators.decided()?;
    Ok(Exit::Success)
}

/// The settings for people, one per line, without secrets.
#[must_use]
pub fn as_text(config: &Config) -> String {
    let mut rows = Vec::new();
    for setting in &config.settings {
        let value = match masked(setting) {
            Value::Null => "-".to_owned(),
            Value::String(text) => text,
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        rows.push(vec![setting.definition.key.to_owned(), value, setting.origin.to_string()]);
    }
    for (name, value) in masked_environment(config) {
        rows.push(vec![name, value, "for speaches itself".to_owned()]);
    }
    super::table(&rows)
}

fn as_json(config: &Config) -> Value {
    let settings: Map<String, Value> = config
        .settings
        .iter()
        .map(|setting| {
            let origin = json!({ "layer": setting.origin.layer(), "name": setting.origin.name() });
            (setting.definition.key.to_owned(), json!({ "value": masked(setting), "origin": origin }))
        })
        .collect();
    json!({ "settings": settings, "environment": masked_environment(config), "warnings": config.warnings })
}

const MASK: &str = "********";

fn masked(setting: &Setting) -> Value {
    if setting.definition.secret && !setting.value.is_null() { json!(MASK) } else { setting.value.clone() }
}

/// Variables for upstream's own settings; some of them are secrets by their name.
fn masked_environment(config: &Config) -> BTreeMap<String, String> {
    let is_secret = |name: &str| ["KEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|word| name.contains(word));
    let mut environment = config.environment.clone();
    for (name, value) in &mut environment {
        if is_secret(&name.to_uppercase()) {
            MASK.clone_into(value);
        }
    }
    environment
}
