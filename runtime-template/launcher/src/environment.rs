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
    if cfg!(unix) && set("PATH").is_none() {
        // Started with no environment at all, say by a service manager. gradio does not start without one.
        changes.push(("PATH", Some("/usr/local/bin:/usr/bin:/bin".to_owned())));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Sources};
    use crate::runtime::{Model, Python, SCHEMA};

    fn head(models: usize, harvested: bool) -> Head {
        let model = Model {
            id: "a/b".into(),
            task: "text-to-speech".into(),
            license: "MIT".into(),
            revision: "0".repeat(40),
            voice: None,
        };
        Head {
            schema: SCHEMA,
            version: "1".into(),
            sample: false,
            target: "x86_64-unknown-linux-gnu".into(),
            accelerator: "cpu".into(),
            python: Python { version: "3.12.1".into(), minor: "3.12".into(), harvested },
            bytecode: true,
            groups: Vec::new(),
            models: vec![model; models],
            plan: String::new(),
            tool: String::new(),
            inputs: Vec::new(),
        }
    }

    /// The value that a variable gets, if it is changed.
    fn changed(head: &Head, environment: &[(&str, &str)], name: &str) -> Option<String> {
        let variable =
            |wanted: &str| environment.iter().find(|(known, _)| *known == wanted).map(|(_, value)| (*value).to_owned());
        let sources = Sources { variable: &variable, contract: "/nowhere".into() };
        let config = Config::resolve(&Flags::default(), &sources).unwrap();
        let changes = changes(Path::new("/runtime"), head, &config, &variable);
        changes.into_iter().find(|(known, _)| *known == name).and_then(|(_, value)| value)
    }

    #[test]
    fn telemetry_is_off_unless_the_user_says_otherwise() {
        assert_eq!(changed(&head(0, false), &[], "DO_NOT_TRACK").as_deref(), Some("1"));
        assert_eq!(changed(&head(0, false), &[("DO_NOT_TRACK", "0")], "DO_NOT_TRACK"), None);
    }

    #[test]
    fn the_cache_is_the_users_if_named_else_that_of_the_bundled_models_else_harbors() {
        let hub = |head: &Head, environment: &[(&str, &str)]| changed(head, environment, "HF_HUB_CACHE");
        let harbor = [("HARBOR_HF_CACHE", "~/.cache/huggingface"), ("HOME", "/home/a")];
        assert_eq!(hub(&head(1, false), &[("HF_HUB_CACHE", "/x")]), None);
        assert_eq!(hub(&head(1, false), &harbor).as_deref(), Some("/runtime/models/hub"));
        assert_eq!(hub(&head(0, false), &harbor).as_deref(), Some("/home/a/.cache/huggingface/hub"));
        assert_eq!(hub(&head(0, false), &[("HARBOR_HF_CACHE", "")]), None);
    }

    #[test]
    fn a_copied_cpython_finds_its_own_library_first() {
        let path = |environment: &[(&str, &str)]| changed(&head(0, true), environment, "LD_LIBRARY_PATH");
        assert_eq!(path(&[]).as_deref(), Some("/runtime/python/lib"));
        assert_eq!(path(&[("LD_LIBRARY_PATH", "/x")]).as_deref(), Some("/runtime/python/lib:/x"));
        assert_eq!(changed(&head(0, false), &[], "LD_LIBRARY_PATH"), None);
    }
}
