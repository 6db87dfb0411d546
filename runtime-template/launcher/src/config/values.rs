//! The settings as typed values: those that the launcher reads, and those for the service manager in `service`.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};
use speaches_format::failure::{Exit, Failure};

use super::origin::Setting;
use super::service_options::ServiceOptions;
use super::words::{Accelerator, Backend, Device, Precision, Provider, unless_auto};

/// Holds every setting under its key. The settings that the service manager reads are in `service`. `api_key_file` has
/// no field: `api_key` holds the content of that file.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Values {
    /// Addresses to listen on, at least one, none twice.
    pub host: Vec<IpAddr>,
    /// TCP port on each of them; 0 means any free one.
    pub port: u16,
    #[serde(deserialize_with = "unless_auto")]
    pub accelerator: Option<Accelerator>,
    #[serde(deserialize_with = "unless_auto")]
    pub stt_backend: Option<Backend>,
    /// The device of faster-whisper.
    #[serde(deserialize_with = "unless_auto")]
    pub stt_device: Option<Device>,
    /// The provider of the speech model.
    #[serde(deserialize_with = "unless_auto")]
    pub tts_provider: Option<Provider>,
    /// The precision of a quantised text-to-speech model.
    #[serde(deserialize_with = "unless_auto")]
    pub precision: Option<Precision>,
    /// Seconds after which an unused speech-to-text model is unloaded; -1 for never.
    pub stt_idle: i64,
    /// Seconds after which an unused text-to-speech model is unloaded; -1 for never.
    pub tts_idle: i64,
    /// Key that clients have to send, wherever it was written.
    pub api_key: Option<String>,
    /// The directory in which huggingface_hub keeps models, which is the `hub/` of its cache.
    pub hf_cache: PathBuf,
    pub hf_token: Option<String>,
    #[serde(flatten)]
    pub service: ServiceOptions,
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
