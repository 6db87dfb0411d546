//! The crates that may be linked into a launcher, as `Cargo.lock` pins them: all of its dependencies on any system.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// What this tool and the launchers that it builds are made from.
const LOCK: &str = include_str!("../../../Cargo.lock");
/// The launcher's own dependencies.
const LAUNCHER: &str = include_str!("../../../runtime-template/launcher/Cargo.toml");

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// A crate, with the sha256 of its archive.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crate {
    pub name: String,
    pub version: String,
    pub sha256: String,
}

/// All of them, sorted.
pub fn crates() -> Result<BTreeSet<Crate>> {
    let lock: Lock = toml::from_str(LOCK).context("`Cargo.lock` is malformed")?;
    let mut by_name = BTreeMap::<_, Vec<_>>::new();
    for package in &lock.package {
        by_name.entry(package.name.as_str()).or_default().push(package);
    }
    // `name`, or `name version` where there are several.
    let find = |dependency: &str| {
        let mut words = dependency.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next());
        let packages = by_name.get(name).with_context(|| format!("`{name}` is not in `Cargo.lock`"))?;
        packages
            .iter()
            .find(|package| version.is_none_or(|version| package.version == version))
            .copied()
            .with_context(|| format!("`{dependency}` is not in `Cargo.lock`"))
    };
    let launcher = find("speaches-launcher")?;
    // What its tests alone need is no part of it.
    let direct = direct()?;
    let mut open = launcher
        .dependencies
        .iter()
        .filter(|one| direct.contains(one.split(' ').next().unwrap_or_default()))
        .collect::<Vec<_>>();
    let mut crates = BTreeSet::new();
    while let Some(dependency) = open.pop() {
        let package = find(dependency)?;
        let sha256 = package.checksum.clone().with_context(|| format!("`{dependency}` has no checksum"))?;
        if crates.insert(Crate { name: package.name.clone(), version: package.version.clone(), sha256 }) {
            open.extend(&package.dependencies);
        }
    }
    Ok(crates)
}

/// The names of what the launcher depends on, on any system.
fn direct() -> Result<BTreeSet<String>> {
    let manifest: toml::Table = toml::from_str(LAUNCHER).context("the launcher's `Cargo.toml` is malformed")?;
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables =
        targets.into_iter().flat_map(|targets| targets.values()).filter_map(|target| target.get("dependencies"));
    let tables = manifest.get("dependencies").into_iter().chain(tables).filter_map(toml::Value::as_table);
    Ok(tables.flat_map(|table| table.keys().cloned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_of_the_launcher_are_those_it_links_and_not_those_of_its_tests() {
        let crates = crates().unwrap();
        let has = |name: &str| crates.iter().any(|one| one.name == name);
        assert!(has("serde") && has("clap_builder") && has("nix") && has("windows-sys"));
        assert!(!has("tempfile") && !has("reqwest"));
        assert!(crates.iter().all(|one| one.sha256.len() == 64));
    }
}
