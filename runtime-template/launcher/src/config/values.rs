//! The settings as typed values.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};
use speaches_format::failure::{Exit, Failure};

use super::origin::Setting;

/// One field per setting of the table, named by its key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Values {
    /// Addresses to listen on, at least one, none twice.
    pub host: Vec<IpAddr>,
    /// TCP port on each of them; 0 means any free one.
    pub port: u16,
    /// Model that speaks, as named on the hub.
    pub tts_model: String,
    /// Model that transcribes, as named on the hub.
    pub stt_model: String,
    /// Voice to warm up with.
    pub voice: String,
    /// `auto`, `cpu`, `metal`, `coreml` or `cuda`.
    pub accelerator: String,
    /// `auto`, `faster-whisper` or `whispercpp`.
    pub stt_backend: String,
    /// `auto`, `cpu` or `cuda`.
    pub stt_device: String,
    /// `auto`, `cpu`, `coreml` or `cuda`.
    pub tts_provider: String,
    /// `auto`, `original` or `float32`.
    pub precision: String,
    /// Whether English text is normalised before it is spoken.
    pub normalize: bool,
    /// Whether both models are loaded as soon as the port answers.
    pub preload: bool,
    /// Seconds after which an unused model that transcribes is unloaded; -1 for never.
    pub stt_idle: i64,
    /// Seconds after which an unused model that speaks is unloaded; -1 for never.
    pub tts_idle: i64,
    /// The largest body of a request, in MiB.
    pub upload_limit: u32,
    /// `debug`, `info`, `warning`, `error` or `critical`.
    pub log_level: String,
    /// `text` or `json`.
    pub log_format: String,
    /// File for the log; none means standard error.
    pub log_file: Option<PathBuf>,
    /// Key that clients have to send, wherever it was written.
    pub api_key: Option<String>,
    /// The file that the key is from, if it is from one.
    pub api_key_file: Option<PathBuf>,
    /// The directory in which huggingface_hub keeps models, which is the `hub/` of its cache.
    pub hf_cache: PathBuf,
    /// Token for downloads from the hub.
    pub hf_token: Option<String>,
    /// Whether the hub is never asked.
    pub offline: bool,
    /// Directory for the state of the service.
    pub state_dir: PathBuf,
    /// Whether the web page is served, if the runtime has it.
    pub ui: bool,
}

impl Values {
    /// Takes the values out of the settings.
    ///
    /// # Errors
    /// When the table and this structure do not fit, which is a mistake in this program.
    pub fn of(settings: &[Setting]) -> Result<Self, Failure> {
        let values: Map<String, Value> =
            settings.iter().map(|setting| (setting.definition.key.to_owned(), setting.value.clone())).collect();
        serde_json::from_value(Value::Object(values))
            .map_err(|error| Failure::new(Exit::Internal, format!("the settings do not fit together: {error}")))
    }
}
