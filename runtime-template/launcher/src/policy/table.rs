//! Representative decisions: what `docs/accelerators.md` shows is what the program decides.

use std::path::Path;

use speaches_format::system::{Architecture, System};

use super::preferences::Preference;
use super::*;
use crate::machine::Nvidia;
use crate::machine::findings::Candidate;

pub const LINUX: &str = "x86_64-unknown-linux-gnu";
pub const APPLE: &str = "aarch64-apple-darwin";
pub const GOOD_DRIVER: Nvidia = Nvidia::Present { devices: 1, cuda: 12_080 };

pub fn wheels(target: &str, accelerator: &str, whispercpp: bool) -> Wheels {
    let cuda = (accelerator == "cuda").then_some(12);
    Wheels {
        target: target.into(),
        accelerator: accelerator.into(),
        whispercpp,
        cuda,
        platform: (System::of(target), Architecture::of(target)),
    }
}

pub fn machine(target: &str, nvidia: Option<Nvidia>) -> Machine {
    let is_macos = System::of(target) == System::MacOs;
    Machine {
        system: if is_macos { "macOS 15.1" } else { "Linux 6.1" }.into(),
        macos: is_macos.then_some((15, 1)),
        processor: "a processor".into(),
        missing_instructions: Vec::new(),
        nvidia,
    }
}

/// `accelerator`, `stt_backend`, `stt_device` and `tts_provider`; `precision` is `auto`.
pub fn preferences(
    accelerator: Option<Accelerator>,
    backend: Option<Backend>,
    device: Option<Device>,
    provider: Option<Provider>,
) -> Preferences {
    fn by<T>(choice: Option<T>, flag: &str) -> Preference<T> {
        let by = if choice.is_some() { format!("command line ({flag})") } else { "default".to_owned() };
        Preference { choice, by }
    }
    let precision = by(None, "--precision");
    Preferences {
        precision,
        accelerator: by(accelerator, "--accelerator"),
        backend: by(backend, "--stt-backend"),
        device: by(device, "--stt-device"),
        provider: by(provider, "--tts-provider"),
    }
}

/// The same with `precision`.
pub fn with_precision(precision: Precision, preferences: Preferences) -> Preferences {
    let precision = Preference { choice: Some(precision), by: "command line (--precision)".to_owned() };
    Preferences { precision, ..preferences }
}

pub fn crash() -> Crash {
    Crash {
        reason: "SIGABRT".into(),
        at: "2026-01-02T03:04:05Z".into(),
        runtime: "plan".into(),
        system: "macOS 15.1".into(),
    }
}

/// `outcomes` are those of float32 and CoreML.
pub fn probe(chosen: &str, outcomes: [&str; 2]) -> ModelProbe {
    let candidates = CANDIDATES.iter().zip(["right", outcomes[0], outcomes[1]]).map(|(name, outcome)| Candidate {
        name: (*name).to_owned(),
        outcome: outcome.to_owned(),
        speedup: (outcome == "right").then_some(if *name == CANDIDATES[2] { 3.4 } else { 2.3 }),
        correlation: None,
        real_time_factor: None,
        reason: String::new(),
    });
    ModelProbe { chosen: chosen.to_owned(), candidates: candidates.collect() }
}

struct Row {
    runtime: &'static str,
    wheels: Wheels,
    here: &'static str,
    machine: Machine,
    crash: Option<Crash>,
    probe: Option<ModelProbe>,
    preferences: Preferences,
}

impl Row {
    fn cells(&self) -> [String; 5] {
        let asked = [
            self.preferences.accelerator.choice.map(|choice| format!("`--accelerator {choice}`")),
            self.preferences.backend.choice.map(|choice| format!("`--stt-backend {choice}`")),
            self.preferences.device.choice.map(|choice| format!("`--stt-device {choice}`")),
            self.preferences.provider.choice.map(|choice| format!("`--tts-provider {choice}`")),
            self.preferences.precision.choice.map(|choice| format!("`--precision {choice}`")),
        ];
        let asked = asked.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let asked = if asked.is_empty() { "-".to_owned() } else { asked };
        let decided = decide(&Inputs {
            wheels: &self.wheels,
            machine: &self.machine,
            preferences: &self.preferences,
            crash: self.crash.as_ref(),
            probe: self.probe.as_ref(),
        });
        let (transcription, speech) = match decided {
            Ok(Decision { transcription: heard, synthesis: said, .. }) => (
                format!("{} on **{}**: {}", heard.backend, heard.device, heard.why),
                format!("**{}**, precision {}: {}", said.provider, said.precision, said.why),
            ),
            Err(refusal) => (format!("**exit 69**: {}", refusal.why), "-".to_owned()),
        };
        [self.runtime.to_owned(), self.here.to_owned(), asked, transcription, speech]
    }
}

fn rows() -> Vec<Row> {
    let row = |runtime, wheels: Wheels, here, nvidia| Row {
        runtime,
        here,
        machine: machine(&wheels.target, nvidia),
        wheels,
        crash: None,
        probe: None,
        preferences: preferences(None, None, None, None),
    };
    let asks = |row: Row, accelerator, backend, device, provider| Row {
        preferences: preferences(accelerator, backend, device, provider),
        ..row
    };
    let cpu = || row("Linux or Windows, cpu", wheels(LINUX, "cpu", true), "any", None);
    let cuda = |here, nvidia| row("Linux or Windows, cuda", wheels(LINUX, "cuda", true), here, Some(nvidia));
    let good = || cuda("a GPU", GOOD_DRIVER);
    let absent = || cuda("no driver", Nvidia::Absent);
    let broken = |reason: &str| Nvidia::Broken { reason: reason.to_owned() };
    let mac = |here| row("macOS on Apple Silicon", wheels(APPLE, "coreml", true), here, None);
    let old = || {
        let row = cpu();
        let machine = Machine { missing_instructions: vec!["avx2", "fma"], ..row.machine };
        Row { here: "an old processor", machine, ..row }
    };
    let precise = |row: Row, precision| Row { preferences: with_precision(precision, row.preferences), ..row };
    let probed = |here, chosen: &str, outcomes| Row { probe: Some(probe(chosen, outcomes)), ..mac(here) };
    let crashed = || Row { crash: Some(crash()), ..mac("a crash on the GPU is known") };
    vec![
        cpu(),
        precise(cpu(), Precision::Original),
        asks(cpu(), None, None, None, Some(Provider::Cpu)),
        asks(cpu(), None, Some(Backend::WhisperCpp), None, None),
        asks(old(), None, Some(Backend::WhisperCpp), None, None),
        asks(cpu(), Some(Accelerator::Cuda), None, None, None),
        asks(cpu(), Some(Accelerator::Metal), None, None, None),
        good(),
        precise(good(), Precision::Float32),
        asks(good(), Some(Accelerator::Cuda), None, None, Some(Provider::Cpu)),
        asks(good(), Some(Accelerator::Cpu), None, None, None),
        asks(good(), None, Some(Backend::WhisperCpp), Some(Device::Cuda), None),
        absent(),
        asks(absent(), Some(Accelerator::Cuda), None, None, None),
        asks(absent(), None, None, Some(Device::Cuda), None),
        asks(absent(), None, None, None, Some(Provider::Cuda)),
        cuda("the driver crashes", broken("the program that queried it crashed (SIGSEGV)")),
        asks(
            cuda("the driver hangs", broken("it did not answer within 10 s")),
            Some(Accelerator::Cuda),
            None,
            None,
            None,
        ),
        asks(
            cuda("an old driver", Nvidia::Present { devices: 1, cuda: 11_080 }),
            Some(Accelerator::Cuda),
            None,
            None,
            None,
        ),
        mac("nothing measured yet"),
        probed("CoreML was clearly faster", "coreml", ["right", "right"]),
        probed("CoreML failed", "float32", ["right", "hang"]),
        probed("all but the original failed", "original", ["wrong", "crash"]),
        crashed(),
        asks(crashed(), Some(Accelerator::Metal), None, None, None),
        asks(mac("any"), Some(Accelerator::CoreMl), None, None, None),
        asks(mac("any"), Some(Accelerator::Cpu), None, None, None),
        asks(mac("any"), None, Some(Backend::FasterWhisper), None, None),
        row("the same, without whisper.cpp", wheels(APPLE, "coreml", false), "any", None),
        row("macOS on Intel", wheels("x86_64-apple-darwin", "cpu", false), "any", None),
    ]
}

fn documentation() -> String {
    let mut text =
        "| runtime | this machine | asked for | transcription | speech |\n|---|---|---|---|---|\n".to_owned();
    for row in rows() {
        text.push_str(&format!("| {} |\n", row.cells().join(" | ")));
    }
    text
}

#[test]
fn the_table_in_the_documentation_is_what_is_decided() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/accelerators.md");
    let text = fs_err::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- decisions -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of decisions -->").unwrap();
    let right = format!("{before}<!-- decisions -->\n{}<!-- end of decisions -->{after}", documentation());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs_err::write(&path, &right).unwrap();
    }
    assert!(text == right || std::env::var_os("UPDATE_DOCS").is_some(), "`UPDATE_DOCS=1 cargo test` writes the table");
}
