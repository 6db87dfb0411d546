//! Properties of the decision for every combination of inputs.

use super::table::{APPLE, GOOD_DRIVER, LINUX, crash, machine, preferences, probe, wheels, with_precision};
use super::*;
use crate::machine::Nvidia;

const OUTCOMES: [&str; 7] = ["right", "wrong", "crash", "hang", "memory", "refused", "something new"];

fn machines() -> Vec<(&'static str, Machine)> {
    let mut machines = Vec::new();
    for target in [LINUX, "aarch64-unknown-linux-gnu", APPLE, "x86_64-apple-darwin", "x86_64-pc-windows-msvc"] {
        for nvidia in [
            None,
            Some(Nvidia::Absent),
            Some(Nvidia::Broken { reason: "SIGSEGV".into() }),
            Some(Nvidia::Present { devices: 0, cuda: 12_080 }),
            Some(Nvidia::Present { devices: 8, cuda: 11_080 }),
            Some(Nvidia::Present { devices: 0, cuda: 0 }),
            Some(GOOD_DRIVER),
        ] {
            let here = machine(target, nvidia);
            if target.starts_with("x86_64") {
                machines.push((target, Machine { missing_instructions: vec!["avx2"], ..here.clone() }));
            }
            for macos in [(11, 0), (13, 0)].into_iter().filter(|_| here.macos.is_some()) {
                machines.push((target, Machine { macos: Some(macos), ..here.clone() }));
            }
            machines.push((target, here));
        }
    }
    machines
}

fn all_preferences() -> Vec<Preferences> {
    use Accelerator as A;
    let mut all = Vec::new();
    for accelerator in [None, Some(A::Cpu), Some(A::Metal), Some(A::CoreMl), Some(A::Cuda)] {
        for backend in [None, Some(Backend::FasterWhisper), Some(Backend::WhisperCpp)] {
            for device in [None, Some(Device::Cpu), Some(Device::Cuda), Some(Device::Metal)] {
                for provider in [None, Some(Provider::Cpu), Some(Provider::CoreMl), Some(Provider::Cuda)] {
                    let asked = preferences(accelerator, backend, device, provider);
                    all.push(with_precision(Precision::Float32, asked.clone()));
                    all.push(asked);
                }
            }
        }
    }
    all
}

fn probes() -> Vec<Option<ModelProbe>> {
    let mut probes = vec![None, Some(ModelProbe { chosen: "coreml".into(), candidates: Vec::new() })];
    for outcome in OUTCOMES {
        // In a file that a user has edited, the choice may contradict the measurements.
        for chosen in ["original", "float32", "coreml", "cuda"] {
            probes.push(Some(probe(chosen, ["crash", outcome])));
        }
    }
    probes
}

#[test]
fn every_decision_is_possible_and_has_a_reason() {
    let (crash, all_preferences, probes) = (crash(), all_preferences(), probes());
    let (mut decided, mut refused) = (0_u32, 0_u32);
    for (target, machine) in machines() {
        for accelerator in ["cpu", "coreml", "cuda"] {
            for whispercpp in [true, false] {
                let wheels = wheels(target, accelerator, whispercpp);
                // Measurements matter on Apple Silicon only, which the first input of each shows.
                let probes = if wheels.is_apple_silicon() { &probes[..] } else { &probes[..3] };
                for preferences in &all_preferences {
                    for crash in [None, Some(&crash)] {
                        for probe in probes {
                            let probe = probe.as_ref();
                            let inputs = Inputs { wheels: &wheels, machine: &machine, preferences, crash, probe };
                            match decide(&inputs) {
                                Ok(decision) => {
                                    decided += 1;
                                    check_decision(&inputs, &decision);
                                }
                                Err(refusal) => {
                                    refused += 1;
                                    check_refusal(&inputs, &refusal);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    println!("{decided} decisions, {refused} refusals");
    assert!(decided > 100_000 && refused > 100_000, "{decided} decisions, {refused} refusals");
}

/// Whether the hardware exists, by rules independent of the policy's.
fn is_there(inputs: &Inputs<'_>, what: &str) -> bool {
    let Inputs { wheels, machine, .. } = inputs;
    let whispercpp = wheels.whispercpp
        && machine.missing_instructions.is_empty()
        && machine.macos.is_none_or(|version| version >= (13, 3));
    match what {
        "cpu" | "faster-whisper" => true,
        "whispercpp" => whispercpp,
        "metal" => whispercpp && wheels.target == APPLE,
        "coreml" => wheels.accelerator == "coreml" && machine.macos.is_some_and(|version| version >= (12, 0)),
        "cuda" => wheels.accelerator == "cuda" && machine.nvidia == Some(GOOD_DRIVER),
        other => panic!("{other}"),
    }
}

fn check_decision(inputs: &Inputs<'_>, decision: &Decision) {
    let context = || format!("{inputs:#?}\n{decision:#?}");
    let Decision { transcription: heard, synthesis: said, notes } = decision;
    let preferences = inputs.preferences;

    // Nothing is used that is not there, or in a combination that does not exist.
    for what in [heard.backend.word(), heard.device.word(), said.provider.word()] {
        assert!(is_there(inputs, what), "{what}: {}", context());
    }
    assert_eq!(heard.device == Device::Metal, heard.backend == Backend::WhisperCpp && heard.device != Device::Cpu);

    // The decision follows every request of the user; the specific setting overrides the coarse one.
    assert!(preferences.backend.choice.is_none_or(|backend| backend == heard.backend), "{}", context());
    assert!(preferences.device.choice.is_none_or(|device| device == heard.device), "{}", context());
    assert!(preferences.provider.choice.is_none_or(|provider| provider == said.provider), "{}", context());
    let coarse = preferences.accelerator.choice.map(Accelerator::word);
    if let (Some(word @ ("cpu" | "metal" | "cuda")), None) = (coarse, preferences.device.choice) {
        let says_why_not =
            preferences.backend.choice.is_some() && notes.iter().any(|note| note.contains("`accelerator`"));
        assert!(heard.device.word() == word || says_why_not, "{}", context());
    }
    if let (Some(word @ ("cpu" | "coreml" | "cuda")), None) = (coarse, preferences.provider.choice) {
        assert_eq!(said.provider.word(), word, "{}", context());
    }
    let asked = preferences.backend.choice.is_some() || preferences.device.choice.is_some();
    assert_eq!(heard.forced, asked || [Some("cpu"), Some("metal"), Some("cuda")].contains(&coarse), "{}", context());
    let asked = preferences.provider.choice.is_some();
    assert_eq!(said.forced, asked || [Some("cpu"), Some("coreml"), Some("cuda")].contains(&coarse), "{}", context());

    // Every decision has a reason, which names the origin of a request.
    for (forced, why) in [(heard.forced, &heard.why), (said.forced, &said.why)] {
        assert!(!why.is_empty() && why.contains("set by command line (--") == forced, "{}", context());
    }
    let precision = preferences.precision.choice;
    assert_eq!(said.why.contains("`precision` is `"), precision.is_some(), "{}", context());
    // The precision is the one that the user asked for. Without a request it is the model's own on an NVIDIA GPU, since
    // nothing was measured there.
    let by_itself = if said.provider == Provider::Cuda { Precision::Original } else { Precision::Auto };
    assert_eq!(said.precision, precision.unwrap_or(by_itself), "{}", context());

    // After a crash on the GPU, only a request for Metal uses it again, with a warning.
    if inputs.crash.is_some() && heard.device == Device::Metal {
        assert!([preferences.device.choice == Some(Device::Metal), coarse == Some("metal")].contains(&true));
        assert!(notes.iter().any(|note| note.contains("SIGABRT")), "{}", context());
    }
    // CoreML is used by itself only after it was shown to be right and faster.
    let good = inputs.probe.is_some_and(|probe| {
        probe.chosen == "coreml"
            && probe.candidates[..]
                .iter()
                .any(|candidate| candidate.name == probe.chosen && candidate.outcome == "right")
    });
    let comparable = !said.forced && precision.is_none() && said.provider != Provider::Cuda;
    let with_coreml = comparable && inputs.wheels.target == APPLE && is_there(inputs, "coreml");
    if !said.forced {
        assert_eq!(said.provider == Provider::CoreMl, good && with_coreml, "{}", context());
    }
    let expected: &[&str] = match (comparable, with_coreml) {
        (_, true) => &["original", "float32", "coreml"],
        (true, false) => &["original", "float32"],
        (false, false) => &[],
    };
    assert_eq!(said.candidates, expected, "{}", context());

    // A runtime for CUDA that does not use CUDA says so once, unless the user chose what both models run on.
    let said_so = notes.iter().filter(|note| note.contains("computes on the CPU")).count();
    let expected = inputs.wheels.accelerator == "cuda" && !is_there(inputs, "cuda") && !(heard.forced && said.forced);
    assert_eq!(said_so, usize::from(expected), "{}", context());
    // Requests that do not concern CUDA never get it, so such a service does not wait for a driver in vain.
    if !preferences.concern_cuda() {
        assert!(!decision.uses_cuda(), "{}", context());
    }
}

fn check_refusal(inputs: &Inputs<'_>, refusal: &Refusal) {
    let context = || format!("{inputs:#?}\n{refusal:#?}");
    let preferences = inputs.preferences;
    let value = match refusal.key {
        "accelerator" => preferences.accelerator.choice.map(Accelerator::word),
        "stt_backend" => preferences.backend.choice.map(Backend::word),
        "stt_device" => preferences.device.choice.map(Device::word),
        "tts_provider" => preferences.provider.choice.map(Provider::word),
        _ => None,
    };
    // A refusal names a value that the user has set; `auto` is never refused.
    assert_eq!(value, Some(refusal.value), "{}", context());
    assert!(refusal.by.starts_with("command line (--") && !refusal.why.is_empty(), "{}", context());
    // There is a good reason: it is not there, or contradicts what else was said.
    let contradicts = refusal.key == "stt_device" && preferences.backend.choice.is_some();
    assert!(!is_there(inputs, refusal.value) || contradicts, "{}", context());
    // The alternatives that it offers exist.
    assert!(refusal.possible.starts_with(&["auto"]), "{}", context());
    for word in &refusal.possible[1..] {
        assert!(is_there(inputs, word) && *word != refusal.value || contradicts, "{}", context());
    }
}
