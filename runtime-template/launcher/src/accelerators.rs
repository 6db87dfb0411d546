//! The accelerators of this runtime on this machine: the inputs of the policy, and its decision.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use speaches_format::failure::{Exit, Failure};
use speaches_format::hex;

use crate::config::setting_table::TEXT_TO_SPEECH;
use crate::config::{Config, Sources, service_directories};
use crate::hub;
use crate::machine::findings::Findings;
use crate::machine::{Machine, Nvidia};
use crate::own_runtime::OwnRuntime;
use crate::policy::{self, Capabilities, Decision, Inputs, Preferences, Refusal, Wheels};

/// Wheels whose versions decide how fast and how right speech is.
const MEASURED_WHEELS: [&str; 3] = ["onnxruntime-", "onnxruntime_gpu-", "kokoro_onnx-"];

/// Raise the number when services compare something else, or derive float32 in another way.
const COMPARISON: &str = "comparison 2";

/// When the NVIDIA driver of a runtime with CUDA is asked. Other runtimes have no use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Asks only if the answer can change the decision.
    AskIfNeeded,
    /// Asks always, for a command that shows the answer.
    Ask,
}

/// The machine, the runtime, what was found out, and the decision.
pub struct Accelerators {
    pub machine: Machine,
    pub wheels: Wheels,
    pub findings: Findings,
    /// The key under which a comparison of speech providers is valid; `None` where no comparison is useful.
    pub probe_key: Option<String>,
    pub decision: Result<Decision, Refusal>,
}

impl Accelerators {
    #[must_use]
    pub fn find(runtime: &OwnRuntime, config: &Config, sources: &Sources<'_>, driver: Driver) -> Self {
        let preferences = Preferences::of(config);
        let wheels = Wheels::of(&runtime.info);
        let mut machine = Machine::here();
        if wheels.may_use_cuda() && (driver == Driver::Ask || preferences.concern_cuda()) {
            machine.nvidia = Some(Nvidia::ask());
        }
        let key = probe_key(runtime, &config.values.hf_cache, &config.values.service.tts_model, &machine);
        let directory = service_directories::machine(config, sources);
        let findings = Findings::read(&directory, &runtime.info.plan, &machine.system, key.as_deref());
        let decision = policy::decide(&Inputs {
            wheels: &wheels,
            machine: &machine,
            preferences: &preferences,
            crash: findings.crash.as_ref(),
            probe: findings.probe.as_ref().and_then(|probe| probe.models.get(&config.values.service.tts_model)),
        });
        let compares = decision.as_ref().is_ok_and(|decision| !decision.synthesis.candidates.is_empty());
        Self { machine, wheels, findings, probe_key: key.filter(|_| compares), decision }
    }

    /// The accelerators that work here, beside the CPU.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        Capabilities::of(&self.wheels, &self.machine)
    }

    /// The decision.
    ///
    /// # Errors
    /// [`Exit::Unavailable`] when a request of the user is impossible here.
    pub fn decided(&self) -> Result<&Decision, Failure> {
        self.decision.as_ref().map_err(|refusal| {
            let Refusal { key, value, by, why, possible } = refusal;
            Failure::new(Exit::Unavailable, format!("`{key}` is `{value}` ({by}), which is not possible here: {why}"))
                .hint(format!("possible here: {}", possible.join(", ")))
        })
    }
}

/// A digest of all that what was measured depends on: models, libraries, system and processor. Nothing as long as the
/// model that speaks is not there.
fn probe_key(runtime: &OwnRuntime, users: &Path, speaks: &str, machine: &Machine) -> Option<String> {
    let info = &runtime.info;
    let bundled = info.models.iter().filter(|model| model.task == TEXT_TO_SPEECH);
    let mut models = bundled.map(|model| (model.id.as_str(), Some(model.revision.as_str()))).collect::<Vec<_>>();
    if models.iter().all(|(id, _)| *id != speaks) {
        models.push((speaks, None));
    }
    models.sort_unstable();
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update(text);
        digest.update("\n");
    };
    add(COMPARISON);
    add(&machine.system);
    add(&machine.processor);
    let is_measured = |name: &&str| MEASURED_WHEELS.iter().any(|beginning| name.starts_with(beginning));
    let wheels = info.wheels().filter_map(|wheel| wheel.file.as_deref());
    wheels.filter(is_measured).for_each(&mut add);
    for (id, bundled) in models {
        // A revision that the user has got is used before ours.
        let users = hub::main_revision(&users.join(hub::directory_of(id)));
        add(id);
        add(users.as_deref().or(bundled)?);
    }
    Some(hex::encode(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::info;
    use speaches_format::input::{Input, Kind, Origin};

    #[test]
    fn what_was_measured_is_valid_for_the_same_models_libraries_system_and_processor() {
        let hub = tempfile::tempdir().unwrap();
        let mut runtime = OwnRuntime { root: "/runtime".into(), info: info() };
        let wheel = |name: &str| Input {
            kind: Kind::Wheel,
            name: name.split('-').next().unwrap().into(),
            version: None,
            file: Some(name.into()),
            origin: Origin::PackageIndex,
            sha256: String::new(),
            pinned: true,
        };
        runtime.info.inputs = vec![wheel("onnxruntime-1.23.2-cp310-cp310-macosx_13_0_arm64.whl"), wheel("numpy-1.whl")];
        let mut machine = Machine::here();
        let key =
            |runtime: &OwnRuntime, machine: &Machine, speaks: &str| probe_key(runtime, hub.path(), speaks, machine);
        let mut seen = vec![key(&runtime, &machine, "org/voice-model").unwrap()];
        assert_eq!(seen[0].len(), 64);
        runtime.info.inputs[1] = wheel("numpy-2.whl");
        assert_eq!(key(&runtime, &machine, "org/voice-model").as_ref(), seen.first(), "it computes nothing");
        let mut next = |runtime: &OwnRuntime, machine: &Machine| {
            let key = key(runtime, machine, "org/voice-model").unwrap();
            assert!(!seen.contains(&key));
            seen.push(key);
        };
        runtime.info.inputs[0] = wheel("onnxruntime-1.24.4-cp312-cp312-macosx_14_0_arm64.whl");
        next(&runtime, &machine);
        machine.system.push_str(".1");
        next(&runtime, &machine);
        machine.processor.push_str(" Pro");
        next(&runtime, &machine);
        runtime.info.models[0].revision = "1".repeat(40);
        next(&runtime, &machine);
        let users = hub.path().join(hub::directory_of("org/voice-model")).join("refs");
        fs_err::create_dir_all(&users).unwrap();
        fs_err::write(users.join("main"), "2".repeat(40)).unwrap();
        next(&runtime, &machine);

        assert_eq!(key(&runtime, &machine, "org/not-here"), None, "there is nothing to measure yet");
        let other = hub.path().join(hub::directory_of("org/not-here")).join("refs");
        fs_err::create_dir_all(&other).unwrap();
        fs_err::write(other.join("main"), "3".repeat(40)).unwrap();
        assert!(key(&runtime, &machine, "org/not-here").is_some());
    }
}
