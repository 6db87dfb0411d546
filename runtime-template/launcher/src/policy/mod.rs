//! The policy: one pure function from all inputs to a decision with its reasons.
//!
//! `auto` takes the fastest choice that has been shown to be right on this machine, and never refuses. The policy
//! follows or refuses a request of the user, and never replaces it.

mod capabilities;
#[cfg(test)]
mod grid;
mod preferences;
#[cfg(test)]
mod table;

use serde::Serialize;

pub use capabilities::{Capabilities, Capability, Wheels};
pub use preferences::Preferences;

use crate::config::words::{Accelerator, Backend, Device, Precision, Provider};
use crate::machine::Machine;
use crate::machine::findings::{Crash, ModelProbe};

/// The candidates of a comparison for a speech model: its own file and float32, both on the CPU; and CoreML.
pub const CANDIDATES: [&str; 3] = ["original", "float32", "coreml"];

#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    pub wheels: &'a Wheels,
    pub machine: &'a Machine,
    pub preferences: &'a Preferences,
    /// A service of this runtime that died on the GPU.
    pub crash: Option<&'a Crash>,
    /// The comparison for the speech model.
    pub probe: Option<&'a ModelProbe>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct Transcription {
    pub backend: Backend,
    pub device: Device,
    pub forced: bool,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Synthesis {
    pub provider: Provider,
    pub forced: bool,
    pub precision: Precision,
    pub why: String,
    /// The candidates to compare, if a measurement decides.
    pub candidates: &'static [&'static str],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    pub transcription: Transcription,
    pub synthesis: Synthesis,
    pub notes: Vec<String>,
}

impl Decision {
    /// The decision of a command that computes nothing.
    #[must_use]
    pub fn none() -> Self {
        let why = "nothing was decided".to_owned();
        let (backend, device) = (Backend::FasterWhisper, Device::Cpu);
        Self {
            transcription: Transcription { backend, device, forced: false, why: why.clone() },
            synthesis: Synthesis {
                provider: Provider::Cpu,
                forced: false,
                precision: Precision::Auto,
                why,
                candidates: &[],
            },
            notes: Vec::new(),
        }
    }

    /// Whether the CUDA libraries of the runtime have to be found.
    #[must_use]
    pub fn uses_cuda(&self) -> bool {
        self.transcription.device == Device::Cuda || self.synthesis.provider == Provider::Cuda
    }
}

/// Why the policy refuses a request of the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub key: &'static str,
    pub value: &'static str,
    pub by: String,
    /// A sentence without its full stop.
    pub why: String,
    /// The values that work on this machine.
    pub possible: Vec<&'static str>,
}

/// Decides.
///
/// # Errors
/// The first request of the user that is impossible here. `auto` is always possible.
pub fn decide(inputs: &Inputs<'_>) -> Result<Decision, Refusal> {
    let can = Capabilities::of(inputs.wheels, inputs.machine);
    let mut notes = Vec::new();
    let transcription = transcription(inputs, &can, &mut notes)?;
    let synthesis = synthesis(inputs, &can)?;
    if let Err(reason) = &can.cuda
        && inputs.wheels.may_use_cuda()
        && !(transcription.forced && synthesis.forced)
    {
        notes.push(format!("warning: this runtime is for NVIDIA GPUs, but computes on the CPU: {reason}"));
    }
    Ok(Decision { transcription, synthesis, notes })
}

fn transcription(inputs: &Inputs<'_>, can: &Capabilities, notes: &mut Vec<String>) -> Result<Transcription, Refusal> {
    let Preferences { accelerator, backend, device, .. } = inputs.preferences;
    if backend.choice == Some(Backend::WhisperCpp) {
        can.whispercpp.clone().map_err(|why| Refusal {
            key: "stt_backend",
            value: Backend::WhisperCpp.word(),
            by: backend.by.clone(),
            why,
            possible: vec!["auto", Backend::FasterWhisper.word()],
        })?;
    }
    let coarse = match accelerator.choice {
        Some(Accelerator::Cpu) => Some(Device::Cpu),
        Some(Accelerator::Metal) => Some(Device::Metal),
        Some(Accelerator::Cuda) => Some(Device::Cuda),
        Some(Accelerator::CoreMl) | None => None,
    };
    // The specific setting is stronger than the coarse one.
    let (wanted, by) = match device.choice {
        None => (coarse, &accelerator.by),
        specific => (specific, &device.by),
    };
    let chosen = |backend: Backend, device: Device, by: &str| {
        Ok(Transcription { backend, device, forced: true, why: format!("set by {by}") })
    };
    let refuse = |why: String| refusal_of_device(inputs.preferences, can, why);
    match (backend.choice, wanted) {
        (None, None) => Ok(fastest(inputs, can)),
        (Some(named), None) => chosen(named, device_of(named, inputs, can), &backend.by),
        (named, Some(Device::Cpu)) => chosen(named.unwrap_or(Backend::FasterWhisper), Device::Cpu, by),
        (None | Some(Backend::FasterWhisper), Some(Device::Cuda)) => {
            can.cuda.clone().map_err(refuse)?;
            chosen(Backend::FasterWhisper, Device::Cuda, by)
        }
        (None | Some(Backend::WhisperCpp), Some(Device::Metal)) => {
            can.metal.clone().map_err(refuse)?;
            if let Some(crash) = inputs.crash {
                notes.push(format!("warning: the GPU is used although {}", account_of(crash)));
            }
            chosen(Backend::WhisperCpp, Device::Metal, by)
        }
        (Some(named), Some(wanted)) if device.choice.is_some() => {
            Err(refuse(format!("`stt_backend` is `{named}` ({}), which does not compute on {wanted}", backend.by)))
        }
        (Some(named), Some(wanted)) => {
            notes.push(format!(
                "warning: `accelerator` is `{wanted}` ({by}), and `stt_backend` is `{named}` ({}), which does not \
                 compute on it",
                backend.by
            ));
            chosen(named, device_of(named, inputs, can), &backend.by)
        }
    }
}

/// The best device of a backend that the user asked for.
fn device_of(backend: Backend, inputs: &Inputs<'_>, can: &Capabilities) -> Device {
    match backend {
        Backend::WhisperCpp if can.metal.is_ok() && inputs.crash.is_none() => Device::Metal,
        Backend::FasterWhisper if can.cuda.is_ok() && inputs.preferences.accelerator.choice.is_none() => Device::Cuda,
        Backend::FasterWhisper | Backend::WhisperCpp => Device::Cpu,
    }
}

/// The fastest choice, for a user who asked for nothing.
fn fastest(inputs: &Inputs<'_>, can: &Capabilities) -> Transcription {
    let (backend, device, why) = if can.metal.is_ok() {
        match inputs.crash {
            None => (Backend::WhisperCpp, Device::Metal, "the fastest on Apple Silicon".to_owned()),
            Some(crash) => (
                Backend::FasterWhisper,
                Device::Cpu,
                format!("the GPU is not used because {}; `speaches tune` enables it again", account_of(crash)),
            ),
        }
    } else if can.cuda.is_ok() {
        (Backend::FasterWhisper, Device::Cuda, driver(inputs.machine))
    } else {
        (Backend::FasterWhisper, Device::Cpu, no_gpu(inputs, &can.metal))
    };
    Transcription { backend, device, forced: false, why }
}

fn synthesis(inputs: &Inputs<'_>, can: &Capabilities) -> Result<Synthesis, Refusal> {
    let preferences @ Preferences { accelerator, provider, .. } = inputs.preferences;
    let coarse = match accelerator.choice {
        Some(Accelerator::Cpu) => Some(Provider::Cpu),
        Some(Accelerator::CoreMl) => Some(Provider::CoreMl),
        Some(Accelerator::Cuda) => Some(Provider::Cuda),
        Some(Accelerator::Metal) | None => None,
    };
    if let Some(wanted) = provider.choice.or(coarse) {
        let capability = match wanted {
            Provider::Cpu => &Ok(()),
            Provider::CoreMl => &can.coreml,
            Provider::Cuda => &can.cuda,
        };
        let by = if provider.choice.is_some() { &provider.by } else { &accelerator.by };
        capability.clone().map_err(|why| match provider.choice {
            Some(_) => Refusal {
                key: "tts_provider",
                value: wanted.word(),
                by: by.clone(),
                why,
                possible: possible(&[("coreml", &can.coreml), ("cuda", &can.cuda)]),
            },
            None => refusal_of_accelerator(inputs.preferences, can, why),
        })?;
        let (precision, numbers) = precision(preferences, wanted);
        let why = format!("set by {by}; {numbers}");
        return Ok(Synthesis { provider: wanted, forced: true, precision, why, candidates: &[] });
    }
    let unmeasured = |provider, why: String| {
        let (precision, numbers) = precision(preferences, provider);
        Synthesis { provider, forced: false, precision, why: format!("{why}; {numbers}"), candidates: &[] }
    };
    if can.cuda.is_ok() {
        return Ok(unmeasured(Provider::Cuda, driver(inputs.machine)));
    }
    let may_use_coreml = can.coreml.is_ok() && inputs.wheels.is_apple_silicon();
    let candidates = if may_use_coreml { &CANDIDATES[..] } else { &CANDIDATES[..2] };
    let why = match (may_use_coreml, preferences.precision.choice) {
        (false, _) => no_gpu(inputs, &can.coreml),
        (true, None) => "no alternative is known to be faster yet; the service measures while it is idle".to_owned(),
        (true, Some(_)) => "CoreML is used only after a measurement".to_owned(),
    };
    Ok(match (preferences.precision.choice, inputs.probe) {
        (Some(_), _) => unmeasured(Provider::Cpu, why),
        (None, None) => Synthesis { candidates, ..unmeasured(Provider::Cpu, why) },
        (None, Some(probe)) => {
            let (provider, why) = measured(probe, candidates);
            Synthesis { provider, forced: false, precision: Precision::Auto, why, candidates }
        }
    })
}

/// The numbers of quantised models, and the reason. Whether float32 is faster on an NVIDIA GPU was not measured.
fn precision(preferences: &Preferences, provider: Provider) -> (Precision, String) {
    match (preferences.precision.choice, provider) {
        (Some(choice), _) => (choice, format!("`precision` is `{choice}` ({})", preferences.precision.by)),
        (None, Provider::Cuda) => (Precision::Original, "a quantised model keeps its precision".to_owned()),
        (None, Provider::Cpu | Provider::CoreMl) => {
            (Precision::Auto, "a quantised model computes in float32".to_owned())
        }
    }
}

/// The choice that the measurement supports. N.B. an inconsistent file is ignored.
fn measured(probe: &ModelProbe, candidates: &[&str]) -> (Provider, String) {
    let chosen = probe.candidates.iter().find(|candidate| {
        candidate.name == probe.chosen && candidate.outcome == "right" && candidates.contains(&candidate.name.as_str())
    });
    match chosen {
        Some(chosen) if chosen.name != CANDIDATES[0] => {
            let times = chosen
                .speedup
                .map_or_else(String::new, |times| format!(" and is {times:.1} times as fast as the original"));
            let provider = if chosen.name == CANDIDATES[2] { Provider::CoreMl } else { Provider::Cpu };
            (provider, format!("measured here: {} gives right results{times}", chosen.name))
        }
        _ => {
            let others = probe.candidates.iter().filter(|one| one.name != CANDIDATES[0]);
            let found = others.map(|one| format!("{} {}", one.name, outcome(&one.outcome))).collect::<Vec<_>>();
            let found =
                if found.is_empty() { "nothing is better than the original".to_owned() } else { found.join(", ") };
            (Provider::Cpu, format!("measured here: {found}"))
        }
    }
}

/// An outcome as the end of a sentence.
fn outcome(word: &str) -> &'static str {
    match word {
        "right" => "is not faster",
        "wrong" => "gives other results",
        "crash" => "crashes",
        "hang" => "hangs",
        "memory" => "takes too much memory",
        "refused" => "refuses the model",
        _ => "is not known",
    }
}

fn driver(machine: &Machine) -> String {
    machine.nvidia.as_ref().map_or_else(String::new, crate::machine::Nvidia::describe)
}

/// Why the CPU; where there is a longer story, the log has it once.
fn no_gpu(inputs: &Inputs<'_>, apple: &Capability) -> String {
    if inputs.wheels.may_use_cuda() {
        return "no NVIDIA GPU can be used".to_owned();
    }
    match apple {
        Err(reason) if inputs.wheels.is_apple_silicon() => reason.clone(),
        _ => "there is no GPU that this runtime can use".to_owned(),
    }
}

fn account_of(crash: &Crash) -> String {
    format!("a service crashed in it at {} ({})", crash.at, crash.reason)
}

fn possible(capabilities: &[(&'static str, &Capability)]) -> Vec<&'static str> {
    let able = capabilities.iter().filter(|(_, capability)| capability.is_ok()).map(|(word, _)| *word);
    ["auto", "cpu"].into_iter().chain(able).collect()
}

fn refusal_of_accelerator(preferences: &Preferences, can: &Capabilities, why: String) -> Refusal {
    Refusal {
        key: "accelerator",
        value: preferences.accelerator.choice.map_or("auto", Accelerator::word),
        by: preferences.accelerator.by.clone(),
        why,
        possible: possible(&[("metal", &can.metal), ("coreml", &can.coreml), ("cuda", &can.cuda)]),
    }
}

/// The device was asked for by its own setting or by the coarse one.
fn refusal_of_device(preferences: &Preferences, can: &Capabilities, why: String) -> Refusal {
    match preferences.device.choice {
        Some(device) => Refusal {
            key: "stt_device",
            value: device.word(),
            by: preferences.device.by.clone(),
            why,
            possible: possible(&[("cuda", &can.cuda)]),
        },
        None => refusal_of_accelerator(preferences, can, why),
    }
}
