//! `manifests/binaries.toml`: known problems of binaries in published wheels, which the tool accepts.

use anyhow::Result;
use camino::Utf8Path;
use serde::Deserialize;

use super::chain::Chain;
use super::kind::Kind;
use super::pattern::fits;
use super::problem::Problem;
use crate::base::failure::{Exit, Failure};
use crate::pins::manifest::shared;

/// All of `binaries.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// In the order of the file; the first that fits counts.
    #[serde(default)]
    pub accepted: Vec<Acceptance>,
    #[serde(default)]
    pub chain: Vec<Chain>,
}

/// One class of findings that is taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Files below site-packages; `*` stands for any text.
    pub files: String,
    pub kind: Kind,
    /// The thing that is wrong, as [`Problem::about`] gives it; `*` stands for any text.
    pub about: String,
    pub reason: String,
    /// The broken feature, and where it is broken. `verify` reports it each time.
    pub limit: Option<String>,
}

impl Accepted {
    /// Reads `binaries.toml` of the directory of manifests.
    pub fn read(manifests: &Utf8Path) -> Result<Self> {
        let path = shared(manifests, "binaries.toml");
        toml::from_str(&fs_err::read_to_string(&path)?)
            .map_err(|error| Failure::new(Exit::Data, format!("`{path}` is invalid: {error}")).into())
    }

    /// The entry that takes a problem of a file, given by its path below site-packages.
    pub fn entry(&self, path: &str, problem: &Problem) -> Option<&Acceptance> {
        let (kind, about) = (problem.kind(), problem.about());
        self.accepted.iter().find(|entry| entry.kind == kind && fits(&entry.about, &about) && fits(&entry.files, path))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_committed_manifest_is_understood_and_has_a_reason_for_everything() {
        let manifests = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("manifests");
        for entry in Accepted::read(&manifests).unwrap().accepted {
            assert!(!entry.about.is_empty() && entry.reason.len() > 20, "{entry:?}");
        }
    }

    fn accepting(kind: &str, about: &str) -> Accepted {
        let entry = format!("[[accepted]]\nfiles = '*'\nkind = '{kind}'\nabout = '{about}'\nreason = ''\n");
        toml::from_str(&entry).unwrap()
    }

    #[test]
    fn the_thing_is_compared_and_no_wording_is() {
        let same_thing = [
            Problem::Directory("/opt/a".to_owned()),
            Problem::DirectoryOf { library: "b".to_owned(), directory: "/opt/a".to_owned() },
            Problem::File("/opt/a".to_owned()),
            Problem::Loader { path: "/opt/a".to_owned(), wanted: "c" },
        ];
        let sentences = same_thing.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(sentences.len(), same_thing.len());
        for problem in &same_thing {
            assert!(accepting("load-path", "/opt/*").entry("package/a.so", problem).is_some(), "{problem}");
            assert!(accepting("library", "/opt/*").entry("package/a.so", problem).is_none(), "{problem}");
            for about in ["", "opt", "it *", "*`*", "*libraries*", &problem.to_string()] {
                assert!(accepting("load-path", about).entry("package/a.so", problem).is_none(), "{about}: {problem}");
            }
        }
    }

    #[test]
    fn an_entry_with_a_part_of_a_sentence_is_refused() {
        let manifests = tempfile::tempdir().unwrap();
        let manifests = Utf8Path::from_path(manifests.path()).unwrap();
        let entry = "[[accepted]]\nfiles = '*'\nkind = 'library'\nwhat = 'it needs'\nreason = ''\n";
        fs_err::write(manifests.join("binaries.toml"), entry).unwrap();
        let error = Accepted::read(manifests).unwrap_err().to_string();
        assert!(error.contains("binaries.toml` is invalid"), "{error}");
        assert!(error.contains("unknown field `what`") && error.contains("`about`"), "{error}");
    }
}
