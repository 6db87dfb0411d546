//! Libraries that have to be loaded together: those of an extension, followed by name from one to the next.
//!
//! The other checks find missing libraries of each binary. This one checks that the libraries that matter are requested
//! at all: an extension that was built without a GPU requests fewer, and none is missing.

use std::collections::BTreeSet;

use serde::Deserialize;
use speaches_format::description::RuntimeInfo;
use speaches_format::input;

use super::Contents;
use super::finding::Finding;
use super::library::{Libraries, name};
use super::pattern::fits;
use super::problem::Problem;

/// One chain of `manifests/binaries.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The wheel that it is in; a runtime without the wheel has no such chain.
    pub wheel: String,
    pub target: String,
    /// The first file of the chain, below site-packages; `*` stands for any text.
    pub files: String,
    /// The libraries to be loaded from there on: beginnings of names of files.
    pub loads: Vec<String>,
    pub reason: String,
}

/// The missing part of a chain in a runtime. `binaries` are its binaries by path.
pub fn check(
    chain: &Chain,
    info: &RuntimeInfo,
    site_packages: &str,
    binaries: &[(&str, Contents)],
    libraries: &Libraries<'_>,
) -> Vec<Finding> {
    let has_wheel = info.inputs.iter().any(|input| input.kind == input::Kind::Wheel && input.name == chain.wheel);
    if info.target != chain.target || !has_wheel {
        return Vec::new();
    }
    let find = |wanted: &str| binaries.iter().find(|(path, _)| *path == wanted);
    let starts = binaries
        .iter()
        .filter(|(path, _)| path.strip_prefix(site_packages).is_some_and(|path| fits(&chain.files, path)))
        .collect::<Vec<_>>();
    let finding = |path: &str, problem| Finding { path: path.to_owned(), problem };
    if starts.is_empty() {
        let path = format!("{site_packages}{}", chain.files);
        return vec![finding(&path, Problem::NoChain { files: chain.files.clone(), reason: chain.reason.clone() })];
    }
    let mut findings = Vec::new();
    for (start, contents) in starts {
        let mut loaded = BTreeSet::from([(*start).to_owned()]);
        let mut open = needed(contents, start, libraries);
        while let Some(path) = open.pop() {
            if loaded.insert(path.clone())
                && let Some((_, contents)) = find(&path)
            {
                open.extend(needed(contents, &path, libraries));
            }
        }
        for wanted in &chain.loads {
            let is_it = |path: &String| name(path).starts_with(wanted.as_str()) && find(path).is_some();
            if !loaded.iter().any(is_it) {
                let (library, reason) = (wanted.clone(), chain.reason.clone());
                findings.push(finding(start, Problem::NotLoaded { library, reason }));
            }
        }
    }
    findings
}

/// The files of the runtime that a binary loads.
fn needed(contents: &Contents, path: &str, libraries: &Libraries<'_>) -> Vec<String> {
    match contents {
        Contents::MachO(found) => found.files(path, libraries),
        _ => Vec::new(),
    }
}
