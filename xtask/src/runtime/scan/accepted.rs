//! `manifests/binaries.toml`: what is known to be wrong with binaries of published wheels, and taken all the same.

use anyhow::Result;
use camino::Utf8Path;
use serde::Deserialize;

use super::chain::Chain;
use super::finding::{Finding, Kind};
use super::pattern::fits;
use crate::base::failure::{Exit, Failure};
use crate::pins::manifest::shared;

/// All of `binaries.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// In the order of the file; the first that fits counts.
    #[serde(default)]
    pub accepted: Vec<Acceptance>,
    /// What has to be loaded together.
    #[serde(default)]
    pub chain: Vec<Chain>,
}

/// One class of findings that is taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Files below site-packages; `*` stands for any text.
    pub files: String,
    /// The kind of finding.
    pub kind: Kind,
    /// A part of the finding's text.
    pub what: String,
    /// Why it is taken.
    pub reason: String,
    /// What does not work because of it, and where. `verify` says so each time.
    pub limit: Option<String>,
}

impl Accepted {
    /// Reads `binaries.toml` of the directory of manifests.
    ///
    /// # Errors
    ///
    /// When it is not there, or not as it has to be.
    pub fn read(manifests: &Utf8Path) -> Result<Self> {
        let path = shared(manifests, "binaries.toml");
        toml::from_str(&fs_err::read_to_string(&path)?)
            .map_err(|error| Failure::new(Exit::Data, format!("`{path}` is not as it has to be: {error}")).into())
    }

    /// The entry that takes a finding about a file, given by its path below site-packages.
    pub fn entry(&self, path: &str, finding: &Finding) -> Option<&Acceptance> {
        self.accepted
            .iter()
            .find(|entry| entry.kind == finding.kind && finding.what.contains(&entry.what) && fits(&entry.files, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_manifest_is_understood_and_has_a_reason_for_everything() {
        let manifests = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("manifests");
        for entry in Accepted::read(&manifests).unwrap().accepted {
            assert!(!entry.what.is_empty() && entry.reason.len() > 20, "{entry:?}");
        }
    }
}
