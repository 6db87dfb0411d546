//! The settings of the service manager, as one JSON value: `settings.py` has the same fields by the same names.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;
use speaches_format::description::Model;
use speaches_format::name::Name;

use crate::accelerators::Accelerators;
use crate::config::words::{Precision, Provider};
use crate::config::{Config, ServiceOptions, Sources, service_directories};
use crate::listening::Listening;
use crate::own_runtime::OwnRuntime;
use crate::policy::{self, Transcription};

/// Raise this when a field changes its meaning but not its name. `settings.py` refuses every other number.
const SCHEMA: u32 = 1;

/// Everything that was decided for one run of the service manager.
#[derive(Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct ServiceSettings {
    /// [`SCHEMA`]
    schema: u32,
    /// Absolute path of the runtime.
    runtime: PathBuf,
    /// IP addresses to listen on.
    host: Vec<IpAddr>,
    /// TCP port on each of them; 0 picks one.
    port: u16,
    /// File descriptors of sockets that listen already, one for each address; none where the service opens them.
    listeners: Vec<i32>,
    /// The settings of the table that it reads.
    #[serde(flatten)]
    options: ServiceOptions,
    /// The models below `models/hub`.
    bundled_models: Vec<BundledModel>,
    name: Name,
    transcription: Transcription,
    synthesis: Synthesis,
    /// Name and version of the system; none for a command that runs no models.
    system: Option<String>,
    /// The directory for what was found out about this machine.
    machine_directory: PathBuf,
    /// The directory for files that can be made again.
    cache_directory: PathBuf,
    notes: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
struct BundledModel {
    id: String,
    task: String,
    voice: Option<String>,
    serves: Vec<String>,
    file: Option<String>,
}

/// The provider of speech models, and the key under which a comparison of providers is valid.
#[derive(Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
struct Synthesis {
    provider: Provider,
    forced: bool,
    precision: Precision,
    why: String,
    candidates: Vec<String>,
    probe_key: Option<String>,
}

impl ServiceSettings {
    /// Puts them together. Without `accelerators` the service manager runs no models.
    #[must_use]
    pub fn of(
        runtime: &OwnRuntime,
        config: &Config,
        sources: &Sources<'_>,
        accelerators: Option<&Accelerators>,
        listening: &Listening,
        notes: Vec<String>,
    ) -> Self {
        let OwnRuntime { root, info } = runtime;
        let decision = accelerators.and_then(|accelerators| accelerators.decision.as_ref().ok()).cloned();
        let policy::Decision { transcription, synthesis, .. } = decision.unwrap_or_else(policy::Decision::none);
        Self {
            schema: SCHEMA,
            runtime: root.clone(),
            host: listening.addresses.clone(),
            port: listening.port,
            listeners: listening.descriptors.clone(),
            options: config.values.service.clone(),
            bundled_models: info.models.iter().map(BundledModel::of).collect(),
            name: info.name.clone(),
            transcription,
            synthesis: Synthesis {
                provider: synthesis.provider,
                forced: synthesis.forced,
                precision: synthesis.precision,
                why: synthesis.why,
                candidates: synthesis.candidates.iter().map(|&name| name.to_owned()).collect(),
                probe_key: accelerators.and_then(|accelerators| accelerators.probe_key.clone()),
            },
            system: accelerators.map(|accelerators| accelerators.machine.system.clone()),
            machine_directory: service_directories::machine(config, sources),
            cache_directory: service_directories::cache(config, sources),
            notes,
        }
    }
}

impl BundledModel {
    fn of(model: &Model) -> Self {
        let Model { id, task, voice, serves, file, .. } = model.clone();
        Self { id, task, voice, serves, file }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::setting_table::OPTIONS;
    use crate::config::tests::info;
    use crate::config::{Flags, Values};

    /// The settings of a machine without accelerators. If something computes, no optional value is null.
    fn settings(computes: bool) -> Value {
        let variable = |name: &str| {
            let value = match name {
                "XDG_STATE_HOME" => "/state",
                "XDG_CACHE_HOME" => "/cache",
                "UVICORN_HOST" => "127.0.0.1,::1",
                "SPEACHES_LOG_FILE" => "/log",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let system = speaches_format::system::System::Linux;
        let sources = Sources { variable: &variable, contract: "/none".into(), directory: "/work".into(), system };
        let mut info = info();
        info.models.push(Model {
            id: "org/weights".to_owned(),
            task: "automatic-speech-recognition".to_owned(),
            voice: None,
            serves: vec!["org/whisper".to_owned()],
            file: Some("ggml.bin".to_owned()),
            ..info.models[0].clone()
        });
        let config = Config::resolve(&Flags::default(), &sources, &info).unwrap();
        let runtime = OwnRuntime { root: "/runtime".into(), info };
        let mut accelerators =
            Accelerators::find(&runtime, &config, &sources, crate::accelerators::Driver::AskIfNeeded);
        // Not those of the machine that tests.
        accelerators.machine.system = "Linux 6.1".to_owned();
        accelerators.probe_key = Some("0".repeat(64));
        let mut listening = Listening::as_configured(&config);
        listening.descriptors = vec![3, 4];
        let notes = vec!["a note".to_owned()];
        let accelerators = computes.then_some(&accelerators);
        json!(ServiceSettings::of(&runtime, &config, &sources, accelerators, &listening, notes))
    }

    /// The example that Python's tests read. Paths have other separators on Windows.
    #[cfg(unix)]
    #[test]
    fn the_example_for_python_is_what_the_launcher_writes() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../service/tests/settings.json");
        let right = serde_json::to_string_pretty(&settings(true)).unwrap() + "\n";
        if std::env::var_os("UPDATE_SETTINGS").is_some() {
            fs_err::write(&path, &right).unwrap();
        }
        let committed = fs_err::read_to_string(&path).unwrap();
        assert!(committed == right, "`UPDATE_SETTINGS=1 cargo test -p speaches-launcher` writes `{}`", path.display());
    }

    #[test]
    fn settings_are_read_again_as_they_were_written_and_no_others() {
        let example = settings(true);
        let read = |settings: &Value| serde_json::from_value::<ServiceSettings>(settings.clone());
        assert_eq!(json!(read(&example).unwrap()), example);
        for key in example.as_object().unwrap().keys() {
            let mut settings = example.clone();
            let value = settings.as_object_mut().unwrap().remove(key).unwrap();
            if key != "log_file" && key != "system" {
                assert!(read(&settings).is_err(), "without `{key}`");
            }
            settings[format!("{key}s")] = value;
            assert!(read(&settings).is_err(), "with `{key}s`");
        }
    }

    #[test]
    fn a_command_that_computes_nothing_is_told_the_cpu() {
        let settings = settings(false);
        for what in ["transcription", "synthesis"] {
            assert_eq!(settings[what]["why"], "nothing was decided");
        }
        assert_eq!(
            (&settings["transcription"]["device"], &settings["synthesis"]["provider"]),
            (&json!("cpu"), &json!("cpu"))
        );
        assert_eq!((&settings["system"], &settings["synthesis"]["probe_key"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn every_setting_has_a_field_of_its_name() {
        let keys = |value: Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let mut table = OPTIONS.iter().map(|definition| definition.key.to_owned()).collect::<Vec<_>>();
        // It is read into `api_key`.
        table.retain(|key| key != "api_key_file");
        table.sort_unstable();
        let variable = |_: &str| None;
        let system = speaches_format::system::System::Linux;
        let sources = Sources { variable: &variable, contract: "/none".into(), directory: "/work".into(), system };
        let values: Values = Config::resolve(&Flags::default(), &sources, &info()).unwrap().values;
        let mut fields = keys(json!(values));
        fields.sort_unstable();
        assert_eq!(fields, table);
        let example = settings(true);
        for key in keys(json!(values.service)) {
            assert!(example.get(&key).is_some(), "{key}");
        }
    }
}
