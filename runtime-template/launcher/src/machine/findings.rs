//! Findings about this machine: services write them as files into one directory, and this program reads them.
//!
//! Findings are hints. The launcher ignores a damaged one with a note.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Left by a service that died while the GPU transcribed.
pub const CRASH_FILE: &str = "gpu-crash.json";
/// The file with the result of a comparison of speech providers.
pub const PROBE_FILE: &str = "synthesis-probe.json";

/// The end of a service by a fatal signal while the GPU transcribed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    pub reason: String,
    /// ISO 8601.
    pub at: String,
    pub runtime: String,
    /// As [`super::Machine::system`].
    pub system: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    pub key: String,
    /// ISO 8601.
    pub measured_at: String,
    /// By the model's name on the hub.
    pub models: BTreeMap<String, ModelProbe>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelProbe {
    /// The name of the candidate to use.
    pub chosen: String,
    /// All that were compared, the original among them.
    pub candidates: Vec<Candidate>,
}

/// One way to compute, compared with the model's own file on the CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Such as `float32`.
    pub name: String,
    /// `right`, `wrong`, `crash`, `hang`, `memory` or `refused`.
    pub outcome: String,
    /// How many times as fast as the original.
    #[serde(default)]
    pub speedup: Option<f64>,
    /// Of the spectra, 1 when they are equal.
    #[serde(default)]
    pub correlation: Option<f64>,
    /// Seconds of computing for a second of speech.
    #[serde(default)]
    pub real_time_factor: Option<f64>,
    #[serde(default)]
    pub reason: String,
}

/// Reads the findings for one runtime on this system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// A crash that no newer system or runtime has made pointless to remember.
    pub crash: Option<Crash>,
    pub probe: Option<Probe>,
    /// Files that could not be read.
    pub notes: Vec<String>,
}

impl Findings {
    /// Reads the directory. `plan` is that of the runtime, `key` what a comparison has to be valid for.
    #[must_use]
    pub fn read(directory: &Path, plan: &str, system: &str, key: Option<&str>) -> Self {
        let mut notes = Vec::new();
        let crash = read::<Crash>(&directory.join(CRASH_FILE), &mut notes);
        let probe = read::<Probe>(&directory.join(PROBE_FILE), &mut notes);
        Self {
            crash: crash.filter(|crash| crash.runtime == plan && crash.system == system),
            probe: probe.filter(|probe| Some(probe.key.as_str()) == key),
            notes,
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path, notes: &mut Vec<String>) -> Option<T> {
    let understood = match fs_err::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => Err(error.to_string()),
        Ok(text) => serde_json::from_slice(&text).map_err(|error| format!("`{}`: {error}", path.display())),
    };
    understood.map_err(|error| notes.push(format!("warning: ignored an unreadable record: {error}"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRASH: &str =
        r#"{"reason": "SIGABRT", "at": "2026-01-02T03:04:05Z", "runtime": "plan", "system": "macOS 15.1"}"#;
    const PROBE: &str = r#"{"key": "k", "measured_at": "2026-01-02T03:04:05Z", "models": {"a/b": {"chosen": "original",
        "candidates": [{"name": "coreml", "outcome": "hang", "speedup": null, "correlation": null, "reason": "60 s"}]}}}"#;

    fn found(crash: Option<&str>, probe: Option<&str>) -> Findings {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [(CRASH_FILE, crash), (PROBE_FILE, probe)] {
            if let Some(text) = text {
                fs_err::write(directory.path().join(name), text).unwrap();
            }
        }
        Findings::read(directory.path(), "plan", "macOS 15.1", Some("k"))
    }

    #[test]
    fn what_is_for_this_runtime_system_and_key_counts() {
        let both = found(Some(CRASH), Some(PROBE));
        assert_eq!(both.crash.unwrap().reason, "SIGABRT");
        assert_eq!(both.probe.unwrap().models["a/b"].candidates[0].outcome, "hang");
        assert_eq!(found(None, None), Findings::default());
        for other in [CRASH.replace("plan", "other"), CRASH.replace("15.1", "15.2")] {
            assert_eq!(found(Some(&other), None), Findings::default());
        }
        assert_eq!(found(None, Some(&PROBE.replace("\"k\"", "\"l\""))), Findings::default());
    }

    #[test]
    fn what_is_damaged_is_as_if_it_were_not_there_and_is_said() {
        for damaged in ["", "{", "[]", "null", "{\"key\": 1}", "\u{0}", &PROBE[..60]] {
            let nothing = found(Some(damaged), Some(damaged));
            assert_eq!((nothing.crash, nothing.probe, nothing.notes.len()), (None, None, 2), "{damaged}");
        }
        let directory = tempfile::tempdir().unwrap();
        fs_err::create_dir(directory.path().join(CRASH_FILE)).unwrap();
        assert_eq!(Findings::read(directory.path(), "", "", None).notes.len(), 1, "a directory is no file");
    }
}
