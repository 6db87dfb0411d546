//! Targets. The target is a value that is passed down: nothing that goes into a runtime depends on
//! the machine it is made on.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, bail};
use serde::Deserialize;
use speaches_format::layout::Family;

use crate::base::failure::{Exit, Failure};
use crate::base::host;

/// `manifests/targets.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetsManifest {
    /// By target triple.
    pub target: BTreeMap<String, TargetEntry>,
}

/// One target as the manifest has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetEntry {
    pub description: String,
    /// The first one is the default.
    pub accelerators: Vec<Accelerator>,
    /// PEP 425 platform tags of wheels that run on every machine of this target, best first.
    pub platform_tags: Vec<String>,
    /// Why something does not exist: key `accelerator`, `python-accelerator` or `group`, value the reason.
    #[serde(default)]
    pub unavailable: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// Everything on the processor.
    Cpu,
    /// Apple's frameworks, beside the processor.
    Coreml,
    /// NVIDIA GPUs, beside the processor.
    Cuda,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Coreml => "coreml",
            Self::Cuda => "cuda",
        })
    }
}

#[derive(Clone, Debug)]
pub struct Target {
    pub triple: String,
    pub entry: TargetEntry,
}

impl Target {
    pub fn family(&self) -> Family {
        Family::of(&self.triple)
    }

    /// Whether this machine runs what is made for it.
    pub fn is_host(&self) -> bool {
        self.triple == host::triple()
    }

    /// The oldest macOS that runs a runtime with this Python: the newest that a wheel of it may ask for.
    pub fn macos_floor(&self, minor: &str) -> Option<&'static str> {
        // onnxruntime has no wheel for macOS 13 from 1.24 on, and Python 3.10 cannot use that one anyway.
        self.triple.ends_with("-apple-darwin").then_some(match (self.triple.as_str(), minor) {
            ("aarch64-apple-darwin", "3.10") | ("x86_64-apple-darwin", _) => "13.0",
            _ => "14.0",
        })
    }

    /// The oldest macOS that runs the launcher, which is the same for every Python.
    pub fn launcher_macos_floor(&self) -> Option<&'static str> {
        self.macos_floor("3.10")
    }

    /// The oldest glibc that runs a runtime, such as `2.28`: that of the newest wheels it may have.
    pub fn glibc_floor(&self) -> Option<String> {
        // PEP 600: "manylinux_${GLIBCMAJOR}_${GLIBCMINOR}_${ARCH}"
        let tag = self.entry.platform_tags.iter().find_map(|tag| tag.strip_prefix("manylinux_"))?;
        let mut parts = tag.split('_');
        Some(format!("{}.{}", parts.next()?, parts.next()?))
    }
}

impl TargetsManifest {
    pub fn target(&self, triple: &str) -> Result<Target> {
        let Some(entry) = self.target.get(triple) else {
            let known = self.target.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            bail!(
                Failure::new(Exit::Usage, format!("there is no target `{triple}`"))
                    .hint(format!("the targets are {known}"))
            );
        };
        Ok(Target { triple: triple.to_owned(), entry: entry.clone() })
    }
}

impl Target {
    /// The accelerator asked for, or the target's own default.
    pub fn accelerator(&self, wanted: Option<&str>) -> Result<Accelerator> {
        let Some(wanted) = wanted else {
            return Ok(self.entry.accelerators[0]);
        };
        if let Some(found) = self.entry.accelerators.iter().find(|one| one.to_string() == wanted) {
            return Ok(*found);
        }
        let offered = self.entry.accelerators.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let failure = match self.entry.unavailable.get(wanted) {
            Some(reason) => {
                Failure::new(Exit::Config, format!("there is no `{wanted}` runtime for {}: {reason}", self.triple))
            }
            None => Failure::new(Exit::Usage, format!("there is no accelerator `{wanted}`")),
        };
        bail!(failure.hint(format!("{} has {offered}", self.triple)));
    }
}
