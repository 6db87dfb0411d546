//! The accelerators, as a table and as JSON.

use serde_json::{Value, json};

use crate::accelerators::Accelerators;
use crate::commands::table;
use crate::machine::Nvidia;
use crate::machine::findings::{Candidate, Crash, ModelProbe, Probe};
use crate::policy::{Capabilities, Capability};

pub fn as_text(accelerators: &Accelerators) -> String {
    let Accelerators { machine, wheels, findings, .. } = accelerators;
    let driver = match &machine.nvidia {
        Some(answer) => answer.describe(),
        None => "the NVIDIA driver was not queried, because this runtime does not use it".to_owned(),
    };
    let mut rows = vec![
        ("this machine", machine.processor.clone()),
        ("", machine.system.clone()),
        ("", driver),
        ("this runtime", format!("{} ({})", wheels.target, wheels.accelerator)),
    ];
    for (name, capability) in named(&accelerators.capabilities()) {
        let said = capability.map_or_else(|reason| format!("no: {reason}"), |()| "possible".to_owned());
        rows.push(("", format!("{name}: {said}")));
    }
    match &accelerators.decision {
        Ok(decision) => {
            let (heard, said) = (&decision.transcription, &decision.synthesis);
            rows.push(("transcription", format!("{} on {}: {}", heard.backend, heard.device, heard.why)));
            rows.push((
                "speech",
                format!("onnxruntime on {}, precision {}: {}", said.provider, said.precision, said.why),
            ));
        }
        Err(refusal) => rows.push(("neither", format!("`{}` is `{}`: {}", refusal.key, refusal.value, refusal.why))),
    }
    rows.extend(probe_rows(accelerators, findings.probe.as_ref()));
    rows.push(match &findings.crash {
        Some(Crash { reason, at, .. }) => (
            "crash",
            format!("a service crashed in the GPU at {at} ({reason}); `bin/speaches tune` clears this record"),
        ),
        None => ("crash", "none is known".to_owned()),
    });
    let rows = rows.into_iter().map(|(title, text)| vec![title.to_owned(), text]).collect::<Vec<_>>();
    format!("accelerators\n{}", table(&rows))
}

fn probe_rows(accelerators: &Accelerators, probe: Option<&Probe>) -> Vec<(&'static str, String)> {
    let Some(probe) = probe else {
        let said = match accelerators.probe_key {
            Some(_) => "not yet; `bin/speaches tune` measures now",
            None => "no: there are no alternatives to measure",
        };
        return vec![("measured", said.to_owned())];
    };
    let mut rows = vec![("measured", format!("at {}", probe.measured_at))];
    for (id, ModelProbe { chosen, candidates }) in &probe.models {
        rows.push(("", format!("{id}: {chosen} is used")));
        rows.extend(candidates.iter().map(|candidate| ("", format!("  {}", describe(candidate)))));
    }
    rows
}

fn describe(candidate: &Candidate) -> String {
    let Candidate { name, outcome, speedup, correlation, real_time_factor, reason } = candidate;
    let numbers = [
        speedup.map(|times| format!("{times:.2} times as fast as the original")),
        real_time_factor.map(|seconds| format!("{seconds:.2} s for a second of speech")),
        correlation.map(|correlation| format!("correlation {correlation:.4}")),
        Some(reason.clone()).filter(|reason| !reason.is_empty()),
    ];
    let numbers = numbers.into_iter().flatten().collect::<Vec<_>>();
    if numbers.is_empty() { format!("{name}: {outcome}") } else { format!("{name}: {outcome}, {}", numbers.join(", ")) }
}

fn named(capabilities: &Capabilities) -> [(&'static str, Capability); 4] {
    let Capabilities { whispercpp, metal, coreml, cuda } = capabilities.clone();
    [("whisper.cpp", whispercpp), ("metal", metal), ("coreml", coreml), ("cuda", cuda)]
}

pub fn as_json(accelerators: &Accelerators) -> Value {
    let Accelerators { machine, wheels, findings, probe_key, decision } = accelerators;
    let capabilities = named(&accelerators.capabilities());
    let capabilities = capabilities.into_iter().map(|(name, capability)| {
        (name.replace('.', ""), json!({ "possible": capability.is_ok(), "reason": capability.err() }))
    });
    json!({
        "machine": machine,
        "driver": machine.nvidia.as_ref().map(Nvidia::describe),
        "runtime": wheels,
        "abilities": capabilities.collect::<serde_json::Map<_, _>>(),
        "decision": decision.as_ref().ok(),
        "refusal": decision.as_ref().err(),
        "probe_key": probe_key,
        "probe": findings.probe,
        "crash": findings.crash,
        "notes": findings.notes,
    })
}
