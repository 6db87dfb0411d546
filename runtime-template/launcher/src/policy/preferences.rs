//! The preferences of the user: the accelerator, the backend, the device, the provider and the precision to compute with.

use crate::config::Config;
use crate::config::words::{Accelerator, Backend, Device, Precision, Provider};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preference<T> {
    /// `None` for `auto`.
    pub choice: Option<T>,
    pub by: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// `accelerator`
    pub accelerator: Preference<Accelerator>,
    /// `stt_backend`
    pub backend: Preference<Backend>,
    /// `stt_device`
    pub device: Preference<Device>,
    /// `tts_provider`
    pub provider: Preference<Provider>,
    /// `precision`
    pub precision: Preference<Precision>,
}

impl Preferences {
    #[must_use]
    pub fn of(config: &Config) -> Self {
        fn preference<T>(choice: Option<T>, key: &str, config: &Config) -> Preference<T> {
            Preference { choice, by: config.origin(key) }
        }
        let values = &config.values;
        Self {
            accelerator: preference(values.accelerator, "accelerator", config),
            backend: preference(values.stt_backend, "stt_backend", config),
            device: preference(values.stt_device, "stt_device", config),
            provider: preference(values.tts_provider, "tts_provider", config),
            precision: preference(values.precision, "precision", config),
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
    use crate::config::tests::{World, info};
    use crate::config::{Flags, kind::Kind};

    #[test]
    fn every_word_of_the_settings_is_understood_and_said_again() {
        for key in ["accelerator", "stt_backend", "stt_device", "tts_provider", "precision"] {
            let definition = OPTIONS.iter().find(|definition| definition.key == key).unwrap();
            let (Kind::Choice(words) | Kind::Provider(words)) = definition.kind else { panic!("`{key}` is no choice") };
            for word in words {
                let mut flags = Flags::default();
                flags.values.insert(definition.key, (*word).to_owned());
                let preferences = World::new(&[], "").with(&flags, &info(), |config, _| Preferences::of(config));
                let shown = match key {
                    "accelerator" => preferences.accelerator.choice.map(Accelerator::word),
                    "stt_backend" => preferences.backend.choice.map(Backend::word),
                    "stt_device" => preferences.device.choice.map(Device::word),
                    "tts_provider" => preferences.provider.choice.map(Provider::word),
                    _ => preferences.precision.choice.map(Precision::word),
                };
                assert_eq!(shown.unwrap_or("auto"), *word, "{key}");
            }
        }
    }
}
