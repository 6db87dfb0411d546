//! `speaches models`: the bundled ones and those in the user's cache.

use serde_json::json;
use speaches_format::failure::{Exit, Failure};
use speaches_format::size::human_size;

use crate::config::{Config, Flags};
use crate::hub::{self, Repository};
use crate::listening::Listening;
use crate::manager::{Manager, become_command};
use crate::own_runtime::OwnRuntime;
use crate::private_directory;

/// List, fetch and remove models
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List the models in the runtime and in the user's Hugging Face cache
    List {
        #[command(flatten)]
        flags: Flags,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model from the hub into the user's cache
    Pull {
        /// Hugging Face ID, such as Systran/faster-distil-whisper-small.en
        id: String,
        #[command(flatten)]
        flags: Flags,
    },
    /// Remove a model from the user's cache
    Remove {
        /// Hugging Face ID
        id: String,
        #[command(flatten)]
        flags: Flags,
    },
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let runtime = OwnRuntime::find()?;
    match &arguments.action {
        Action::List { flags, json } => list(&runtime, flags, *json),
        Action::Pull { id, flags } => manage(&runtime, flags, &["models", "pull", id]),
        Action::Remove { id, flags } => manage(&runtime, flags, &["models", "remove", id]),
    }
}

/// Only the service manager speaks the protocol of the hub.
fn manage(runtime: &OwnRuntime, flags: &Flags, arguments: &[&str]) -> Result<Exit, Failure> {
    super::with_sources(&runtime.root, |sources| {
        let config = Config::resolve(flags, sources, &runtime.info)?;
        private_directory::make(&config.values.hf_cache)?;
        let manager = Manager::prepare(runtime, &config, sources)?;
        Err(become_command(manager.command(arguments, &Listening::as_configured(&config))?))
    })
}

fn list(runtime: &OwnRuntime, flags: &Flags, as_json: bool) -> Result<Exit, Failure> {
    let config = super::with_sources(&runtime.root, |sources| Config::resolve(flags, sources, &runtime.info))?;
    let bundled = hub::list(&runtime.hub());
    let cache = &config.values.hf_cache;
    let cached = hub::list(cache);
    if as_json {
        let repository = |repository: &Repository| {
            let Repository { id, revision, size, complete } = repository;
            let task = runtime.info.models.iter().find(|model| &model.id == id).map(|model| &model.task);
            json!({ "id": id, "revision": revision, "size": size, "complete": complete, "task": task })
        };
        super::print_json(&json!({
            "bundled": bundled.iter().map(repository).collect::<Vec<_>>(),
            "cache": cache,
            "cached": cached.iter().map(repository).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Success);
    }
    let rows = |models: &[Repository]| {
        models
            .iter()
            .map(|model| {
                let revision = model.revision.as_deref().map_or("-", |revision| revision.get(..12).unwrap_or(revision));
                let state = if model.complete { "" } else { "not complete" };
                vec![format!("  {}", model.id), human_size(model.size), revision.to_owned(), state.to_owned()]
            })
            .collect::<Vec<_>>()
    };
    let mut text = String::new();
    for (title, models) in [("in the runtime:".to_owned(), bundled), (format!("in `{}`:", cache.display()), cached)] {
        text.push_str(&format!("{title}\n"));
        text.push_str(&if models.is_empty() { "  none\n".to_owned() } else { super::table(&rows(&models)) });
    }
    super::print(&text);
    Ok(Exit::Success)
}
