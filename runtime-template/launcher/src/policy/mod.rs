//! What computes: one pure function from everything that matters to a decision with its reasons.
//!
//! `auto` takes the fastest that has been shown to be right on this machine, and never refuses. What somebody asks for
//! is done or refused, never replaced.

mod abilities;
#[cfg(test)]
mod grid;
mod requests;
#[cfg(test)]
mod table;

use serde::Serialize;

pub use abilities::{Abilities, Ability, Wheels};
pub use requests::{Accelerator, Backend, Device, Provider, Request, Requests};

use crate::machine::Machine;
use crate::machine::findings::{Crash, ModelProbe};

/// What speech on CoreML may be compared with the CPU as: CoreML decides what computes, or all but the neural engine.
pub const COREML_CANDIDATES: [&str; 2] = ["coreml-all", "coreml-cpu-and-gpu"];

/// Everything that a decision depends on.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// What the runtime has.
    pub wheels: &'a Wheels,
    /// What the machine has.
    pub machine: &'a Machine,
    /// What somebody wants.
    pub requests: &'a Requests,
    /// A service of this runtime that died on the GPU.
    pub crash: Option<&'a Crash>,
    /// What was measured for the model that speaks.
    pub probe: Option<&'a ModelProbe>,
}

/// What Whisper models transcribe with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transcription {
    /// What runs them.
    pub backend: Backend,
    /// What that runs on.
    pub device: Device,
    /// Whether somebody asked for it.
    pub forced: bool,
    /// For people.
    pub why: String,
}

/// What models that speak compute with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Synthesis {
    /// What onnxruntime runs them on.
    pub provider: Provider,
    /// Whether somebody asked for it.
    pub forced: bool,
    /// For people.
    pub why: String,
    /// What may be compared with the CPU, because measuring decides.
    pub candidates: &'static [&'static str],
}

/// What computes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Speech to text.
    pub transcription: Transcription,
    /// Text to speech.
    pub synthesis: Synthesis,
    /// Lines for the log.
    pub notes: Vec<String>,
}

impl Decision {
    /// Whether the CUDA libraries of the runtime have to be found.
    #[must_use]
    pub fn uses_cuda(&self) -> bool {
        self.transcription.device == Device::Cuda || self.synthesis.provider == Provider::Cuda
    }
}

/// Why what somebody asks for is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The setting.
    pub key: &'static str,
    /// What it is.
    pub value: &'static str,
    /// Who said so.
    pub by: String,
    /// A sentence without its full stop.
    pub why: String,
    /// What the setting can be on this machine.
    pub possible: Vec<&'static str>,
}

/// Decides.
///
/// # Errors
/// What somebody asked for and cannot be done. `auto` is always possible.
pub fn decide(question: &Question<'_>) -> Result<Decision, Refusal> {
    let can = Abilities::of(question.wheels, question.machine);
    let mut notes = Vec::new();
    let transcription = transcription(question, &can, &mut notes)?;
    let synthesis = synthesis(question, &can)?;
    if let Err(reason) = &can.cuda
        && question.wheels.may_use_cuda()
        && !(transcription.forced && synthesis.forced)
    {
        notes.push(format!("warning: this runtime is for NVIDIA GPUs and computes on the CPU: {reason}"));
    }
    Ok(Decision { transcription, synthesis, notes })
}

fn transcription(question: &Question<'_>, can: &Abilities, notes: &mut Vec<String>) -> Result<Transcription, Refusal> {
    let Requests { accelerator, backend, device, .. } = question.requests;
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
        Ok(Transcription { backend, device, forced: true, why: format!("asked for by {by}") })
    };
    let refuse = |why: String| refusal_of_device(question.requests, can, why);
    match (backend.choice, wanted) {
        (None, None) => Ok(fastest(question, can)),
        (Some(named), None) => chosen(named, device_of(named, question, can), &backend.by),
        (named, Some(Device::Cpu)) => chosen(named.unwrap_or(Backend::FasterWhisper), Device::Cpu, by),
        (None | Some(Backend::FasterWhisper), Some(Device::Cuda)) => {
            can.cuda.clone().map_err(refuse)?;
            chosen(Backend::FasterWhisper, Device::Cuda, by)
        }
        (None | Some(Backend::WhisperCpp), Some(Device::Metal)) => {
            can.metal.clone().map_err(refuse)?;
            if let Some(crash) = question.crash {
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
            chosen(named, device_of(named, question, can), &backend.by)
        }
    }
}

/// The best device of a backend that somebody asked for.
fn device_of(backend: Backend, question: &Question<'_>, can: &Abilities) -> Device {
    match backend {
        Backend::WhisperCpp if can.metal.is_ok() && question.crash.is_none() => Device::Metal,
        Backend::FasterWhisper if can.cuda.is_ok() && question.requests.accelerator.choice.is_none() => Device::Cuda,
        Backend::FasterWhisper | Backend::WhisperCpp => Device::Cpu,
    }
}

/// Nobody asked for anything.
fn fastest(question: &Question<'_>, can: &Abilities) -> Transcription {
    let (backend, device, why) = if can.metal.is_ok() {
        match question.crash {
            None => (Backend::WhisperCpp, Device::Metal, "the fastest on Apple Silicon".to_owned()),
            Some(crash) => (
                Backend::FasterWhisper,
                Device::Cpu,
                format!("the GPU is left off because {}; `speaches tune` allows it again", account_of(crash)),
            ),
        }
    } else if can.cuda.is_ok() {
        (Backend::FasterWhisper, Device::Cuda, driver(question.machine))
    } else {
        (Backend::FasterWhisper, Device::Cpu, no_gpu(question, &can.metal))
    };
    Transcription { backend, device, forced: false, why }
}

fn synthesis(question: &Question<'_>, can: &Abilities) -> Result<Synthesis, Refusal> {
    let Requests { accelerator, provider, .. } = question.requests;
    let coarse = match accelerator.choice {
        Some(Accelerator::Cpu) => Some(Provider::Cpu),
        Some(Accelerator::CoreMl) => Some(Provider::CoreMl),
        Some(Accelerator::Cuda) => Some(Provider::Cuda),
        Some(Accelerator::Metal) | None => None,
    };
    if let Some(wanted) = provider.choice.or(coarse) {
        let ability = match wanted {
            Provider::Cpu => &Ok(()),
            Provider::CoreMl => &can.coreml,
            Provider::Cuda => &can.cuda,
        };
        let by = if provider.choice.is_some() { &provider.by } else { &accelerator.by };
        ability.clone().map_err(|why| match provider.choice {
            Some(_) => Refusal {
                key: "tts_provider",
                value: wanted.word(),
                by: by.clone(),
                why,
                possible: possible(&[("coreml", &can.coreml), ("cuda", &can.cuda)]),
            },
            None => refusal_of_accelerator(question.requests, can, why),
        })?;
        return Ok(Synthesis { provider: wanted, forced: true, why: format!("asked for by {by}"), candidates: &[] });
    }
    let unforced = |provider: Provider, why: String, candidates: &'static [&'static str]| Synthesis {
        provider,
        forced: false,
        why,
        candidates,
    };
    Ok(if can.cuda.is_ok() {
        unforced(Provider::Cuda, driver(question.machine), &[])
    } else if can.coreml.is_ok() && question.wheels.is_apple_silicon() {
        let (provider, why) = measured(question.probe);
        unforced(provider, why, &COREML_CANDIDATES)
    } else {
        unforced(Provider::Cpu, no_gpu(question, &can.coreml), &[])
    })
}

/// What measuring says. N.B. the file is believed only as far as it is consistent.
fn measured(probe: Option<&ModelProbe>) -> (Provider, String) {
    let Some(probe) = probe else {
        return (
            Provider::Cpu,
            "nothing was shown to be faster yet; it is measured while the service is idle".to_owned(),
        );
    };
    let chosen = probe.candidates.iter().find(|candidate| {
        candidate.name == probe.chosen
            && candidate.outcome == "good"
            && COREML_CANDIDATES.contains(&candidate.name.as_str())
    });
    if let Some(chosen) = chosen {
        let times =
            chosen.speedup.map_or_else(String::new, |times| format!(" and {times:.1} times as fast as the CPU"));
        return (Provider::CoreMl, format!("measured here: {} is right{times}", chosen.name));
    }
    let found =
        probe.candidates.iter().map(|one| format!("{} {}", one.name, outcome(&one.outcome))).collect::<Vec<_>>();
    let found = if found.is_empty() { "nothing is better than the CPU".to_owned() } else { found.join(", ") };
    (Provider::Cpu, format!("measured here: {found}"))
}

/// An outcome as the end of a sentence.
fn outcome(word: &str) -> &'static str {
    match word {
        "good" => "is right and not the best choice",
        "slower" => "is not faster",
        "wrong" => "computes something else",
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
fn no_gpu(question: &Question<'_>, apple: &Ability) -> String {
    if question.wheels.may_use_cuda() {
        return "no NVIDIA GPU can be used".to_owned();
    }
    match apple {
        Err(reason) if question.wheels.is_apple_silicon() => reason.clone(),
        _ => "there is no GPU that this runtime could use".to_owned(),
    }
}

fn account_of(crash: &Crash) -> String {
    format!("a service died in it at {} ({})", crash.at, crash.reason)
}

fn possible(abilities: &[(&'static str, &Ability)]) -> Vec<&'static str> {
    let able = abilities.iter().filter(|(_, ability)| ability.is_ok()).map(|(word, _)| *word);
    ["auto", "cpu"].into_iter().chain(able).collect()
}

fn refusal_of_accelerator(requests: &Requests, can: &Abilities, why: String) -> Refusal {
    Refusal {
        key: "accelerator",
        value: requests.accelerator.choice.map_or("auto", Accelerator::word),
        by: requests.accelerator.by.clone(),
        why,
        possible: possible(&[("metal", &can.metal), ("coreml", &can.coreml), ("cuda", &can.cuda)]),
    }
}

/// The device was asked for by its own setting or by the coarse one.
fn refusal_of_device(requests: &Requests, can: &Abilities, why: String) -> Refusal {
    match requests.device.choice {
        Some(device) => Refusal {
            key: "stt_device",
            value: device.word(),
            by: requests.device.by.clone(),
            why,
            possible: possible(&[("cuda", &can.cuda)]),
        },
        None => refusal_of_accelerator(requests, can, why),
    }
}
