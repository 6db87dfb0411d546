//! The user's requests: the accelerator, the backend, the device, the provider and the precision to compute with.

use crate::config::Config;
use crate::config::words::{Accelerator, Backend, Device, Precision, Provider};

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
    #[must_use]
    pub fn of(config: &Config) -> Self {
        fn request<T>(choice: Option<T>, key: &str, config: &Config) -> Request<T> {
            Request { choice, by: config.origin(key) }
        }
        let values = &config.values;
        Self {
            accelerator: request(values.accelerator, "accelerator", config),
            backend: request(values.stt_backend, "stt_backend", config),
            device: request(values.stt_device, "stt_device", config),
            provider: request(values.tts_provider, "tts_provider", config),
            precision: request(values.precision, "precision", config),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::setting_table::OPTIONS;
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
                let requests = World::new(&[], "").with(&flags, &head(), |config, _| Requests::of(config));
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
