//! The environment in which the service manager runs.

use std::path::Path;

use crate::config::Config;
use crate::layout;
use crate::runtime::Head;

/// Telemetry is off, as in upstream's own container.
const QUIET: [(&str, &str); 5] = [
    ("DO_NOT_TRACK", "1"),
    ("GRADIO_ANALYTICS_ENABLED", "False"),
    ("DISABLE_TELEMETRY", "1"),
    ("HF_HUB_DISABLE_TELEMETRY", "1"),
    ("PYANNOTE_METRICS_ENABLED", "0"),
];

/// A variable to set, or with `None` to remove.
pub type Change = (&'static str, Option<String>);

/// What has to change in the environment. `variable` is the environment as it is.
#[must_use]
pub fn changes(runtime: &Path, head: &Head, config: &Config, variable: &dyn Fn(&str) -> Option<String>) -> Vec<Change> {
    let set = |name: &str| variable(name).filter(|text| !text.is_empty());
    let mut changes: Vec<Change> = QUIET
        .iter()
        .filter(|(name, _)| set(name).is_none())
        .map(|(name, value)| (*name, Some((*value).to_owned())))
        .collect();
    // Upstream reads these to say where its page is and to reach itself.
    changes.push(("UVICORN_HOST", config.hosts.value.first().map(ToString::to_string)));
    changes.push(("UVICORN_PORT", Some(config.port.value.to_string())));
    changes.push(("LOG_LEVEL", Some(config.log_level.value.clone())));
    changes.push(("ENABLE_UI", Some(config.user_interface.value.to_string())));
    if let Some(hub) = hub_cache(runtime, head, &set) {
        changes.push(("HF_HUB_CACHE", Some(hub)));
    }
    if set("HF_TOKEN").is_none()
        && let Some(token) = set("HARBOR_HF_TOKEN")
    {
        changes.push(("HF_TOKEN", Some(token)));
    }
    if head.python.harvested {
        // A copied interpreter has the path of the building machine's libpython in it; the loader looks here first.
        let library = runtime.join(layout::PYTHON).join("lib").display().to_string();
        let path = match set("LD_LIBRARY_PATH") {
            Some(path) => format!("{library}:{path}"),
            None => library,
        };
        changes.push(("LD_LIBRARY_PATH", Some(path)));
    }
    changes
}

/// The Hugging Face cache: the user's if they name one, else that of the runtime if it carries models, else
/// whatever huggingface_hub takes by itself.
fn hub_cache(runtime: &Path, head: &Head, set: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    if set("HF_HUB_CACHE").is_some() {
        return None;
    }
    if !head.models.is_empty() {
        return Some(runtime.join(layout::MODELS_HUB).display().to_string());
    }
    let cache = set("HARBOR_HF_CACHE")?;
    let cache = match (cache.strip_prefix("~/"), set("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => Path::new(&cache).to_owned(),
    };
    Some(cache.join("hub").display().to_string())
}
