//! What somebody wants to compute with.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use speaches_format::failure::{Exit, Failure};

use crate::config::Config;

/// The coarse choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// Everything on the CPU.
    Cpu,
    /// Transcription on Metal.
    Metal,
    /// Speech on CoreML.
    CoreMl,
    /// Both on CUDA.
    Cuda,
}

/// What runs Whisper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backend {
    /// Upstream's own, over CTranslate2.
    #[serde(rename = "faster-whisper")]
    FasterWhisper,
    /// whisper.cpp, with faster-whisper behind it.
    #[serde(rename = "whispercpp")]
    WhisperCpp,
}

/// What Whisper runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The processor.
    Cpu,
    /// A GPU of NVIDIA's.
    Cuda,
    /// A GPU of Apple's.
    Metal,
}

/// What onnxruntime runs models that speak on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The processor.
    Cpu,
    /// Apple's GPU or neural engine, as CoreML decides.
    CoreMl,
    /// A GPU of NVIDIA's.
    Cuda,
}

/// The numbers that a quantised model that speaks computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As was found to be faster: float32 as long as nothing was.
    Auto,
    /// As they are in the model's own file.
    Original,
    /// The same weights as float32.
    Float32,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<T> {
    /// What is wanted; nothing for `auto`.
    pub choice: Option<T>,
    /// Who said so, for people.
    pub by: String,
}

/// All settings that say what computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    /// `accelerator`
    pub accelerator: Request<Accelerator>,
    /// `stt_backend`
    pub backend: Request<Backend>,
    /// `stt_device`
    pub device: Request<Device>,
    /// `tts_provider`
    pub provider: Request<Provider>,
    /// `precision`
    pub precision: Request<Precision>,
}

impl Requests {
    /// The settings as they were resolved.
    ///
    /// # Errors
    /// When the table of settings knows a word that this does not, which is a mistake in this program.
    pub fn of(config: &Config) -> Result<Self, Failure> {
        Ok(Self {
            accelerator: request(config, "accelerator")?,
            backend: request(config, "stt_backend")?,
            device: request(config, "stt_device")?,
            provider: request(config, "tts_provider")?,
            precision: request(config, "precision")?,
        })
    }

    /// Whether the answer of an NVIDIA driver can make a difference: who wants the CPU need not wait for a driver that
    /// hangs.
    #[must_use]
    pub fn concern_cuda(&self) -> bool {
        let open = self.accelerator.choice != Some(Accelerator::Cpu);
        let transcription = match (self.backend.choice, self.device.choice) {
            (Some(Backend::WhisperCpp), _) => false,
            (_, Some(device)) => device == Device::Cuda,
            (_, None) => open,
        };
        transcription || self.provider.choice.map_or(open, |provider| provider == Provider::Cuda)
    }
}

fn request<T: DeserializeOwned>(config: &Config, key: &str) -> Result<Request<T>, Failure> {
    let value = config.setting(key).map_or(&Value::Null, |setting| &setting.value);
    let choice = if value == "auto" {
        None
    } else {
        let choice = serde_json::from_value(value.clone());
        Some(choice.map_err(|error| Failure::new(Exit::Internal, format!("`{key}` is {value}: {error}")))?)
    };
    Ok(Request { choice, by: config.origin(key) })
}

/// Shows a word as the settings have it.
macro_rules! shown {
    ($($kind:ident { $($word:ident $text:literal),+ })+) => {$(
        impl $kind {
            /// As the settings have it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$word => $text),+ }
            }
        }
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    )+};
}

shown! {
    Accelerator { Cpu "cpu", Metal "metal", CoreMl "coreml", Cuda "cuda" }
    Backend { FasterWhisper "faster-whisper", WhisperCpp "whispercpp" }
    Device { Cpu "cpu", Cuda "cuda", Metal "metal" }
    Provider { Cpu "cpu", CoreMl "coreml", Cuda "cuda" }
    Precision { Auto "auto", Original "original", Float32 "float32" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::OPTIONS;
    use crate::config::tests::{World, head};
    use crate::config::{Flags, kind::Kind};

    #[test]
    fn every_word_of_the_settings_is_understood_and_said_again() {
        for key in ["accelerator", "stt_backend", "stt_device", "tts_provider", "precision"] {
            let definition = OPTIONS.iter().find(|definition| definition.key == key).unwrap();
            let (Kind::Choice(words) | Kind::Provider(words)) = definition.kind else { panic!("`{key}` is no choice") };
            for word in words {
                let mut flags = Flags::default();
                flags.values.insert(definition.key, (*word).to_owned());
                let requests = World::new(&[], "").with(&flags, &head(), |config, _| Requests::of(config).unwrap());
                let shown = match key {
                    "accelerator" => requests.accelerator.choice.map(Accelerator::word),
                    "stt_backend" => requests.backend.choice.map(Backend::word),
                    "stt_device" => requests.device.choice.map(Device::word),
                    "tts_provider" => requests.provider.choice.map(Provider::word),
                    _ => requests.precision.choice.map(Precision::word),
                };
                assert_eq!(shown.unwrap_or("auto"), *word, "{key}");
            }
        }
    }
}
