//! Locks: PEP 751 files that name every wheel of a runtime by file name, size and sha256.
//!
//! A lock belongs to one Python, one target and one accelerator, so it has no markers about the
//! environment. Markers tell only the optional part of speaches that a package belongs to.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::pins::target::{Accelerator, Target};
use wheel_archive::name::WheelName;

/// The optional parts of speaches, as the locks and `--without` name them.
pub const GROUPS: [&str; 2] = ["diarization", "ui"];

#[derive(Debug)]
pub struct Lock {
    pub path: Utf8PathBuf,
    pub groups: Vec<String>,
    /// One per package.
    pub wheels: Vec<LockedWheel>,
}

#[derive(Clone, Debug)]
pub struct LockedWheel {
    pub name: WheelName,
    /// In bytes, if the index states it.
    pub size: Option<u64>,
    /// Of the wheel.
    pub sha256: Sha256,
    /// The address of a wheel that is on no default index.
    pub url: Option<String>,
    /// The parts that need it; it belongs to every runtime when there are none.
    pub groups: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    lock_version: String,
    #[serde(default)]
    dependency_groups: Vec<String>,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    marker: Option<String>,
    wheels: Vec<Wheel>,
}

#[derive(Deserialize)]
struct Wheel {
    path: Option<String>,
    url: Option<String>,
    size: Option<u64>,
    hashes: Hashes,
}

#[derive(Deserialize)]
struct Hashes {
    sha256: Sha256,
}

pub fn file_name(minor: &str, target: &str, accelerator: Accelerator) -> String {
    format!("pylock.{minor}-{target}-{accelerator}.toml")
}

impl Lock {
    /// Reads the lock of a combination from the directory of locks.
    pub fn load(directory: &Utf8Path, minor: &str, target: &Target, accelerator: Accelerator) -> Result<Self> {
        let path = directory.join(file_name(minor, &target.triple, accelerator));
        if !path.is_file() {
            let reason = target
                .entry
                .unavailable
                .get(&format!("{minor}-{accelerator}"))
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            bail!(
                Failure::new(
                    Exit::Config,
                    format!("there is no lock for {} with {accelerator} on Python {minor}{reason}", target.triple)
                )
                .hint(existing(directory))
            );
        }
        Self::read(&path)
    }

    /// The minor version of its Python, which its name has.
    pub fn minor(&self) -> &str {
        let name = self.path.file_name().unwrap_or_default().strip_prefix("pylock.").unwrap_or_default();
        name.split_once('-').map_or(name, |(minor, _)| minor)
    }

    pub fn read(path: &Utf8Path) -> Result<Self> {
        Self::parse(path, &fs_err::read_to_string(path)?)
    }

    /// Reads the text of a lock that is at a path, or will be.
    pub fn parse(path: &Utf8Path, text: &str) -> Result<Self> {
        let refuse = |what: String| Failure::new(Exit::Data, format!("the lock `{path}` cannot be used: {what}"));
        let document: Document = toml::from_str(text).map_err(|error| refuse(error.to_string()))?;
        // PEP 751: "If a tool doesn't support a major version, it MUST raise an error."
        if document.lock_version != "1.0" {
            bail!(refuse(format!("its version is {}, not 1.0", document.lock_version)));
        }
        let mut wheels = Vec::with_capacity(document.packages.len());
        for package in document.packages {
            let [wheel] = <[Wheel; 1]>::try_from(package.wheels)
                .map_err(|found| refuse(format!("`{}` has {} wheels, not 1", package.name, found.len())))?;
            let source = wheel.path.as_deref().or(wheel.url.as_deref());
            let file = source.and_then(|source| source.rsplit('/').next()).unwrap_or_default();
            let name = WheelName::parse(&file.replace("%2B", "+")).map_err(|error| refuse(error.to_string()))?;
            if name.distribution != package.name || name.version != package.version {
                bail!(refuse(format!("`{}` {} has the wheel `{file}`", package.name, package.version)));
            }
            let groups = match package.marker.as_deref() {
                None => BTreeSet::new(),
                Some(marker) => groups_of_marker(marker)
                    .ok_or_else(|| refuse(format!("the marker `{marker}` is not one this tool writes")))?,
            };
            wheels.push(LockedWheel { name, size: wheel.size, sha256: wheel.hashes.sha256, url: wheel.url, groups });
        }
        Ok(Self { path: path.to_owned(), groups: document.dependency_groups, wheels })
    }

    /// The wheels of a runtime that has these groups.
    pub fn select(&self, groups: &[String]) -> Vec<&LockedWheel> {
        self.wheels
            .iter()
            .filter(|wheel| wheel.groups.is_empty() || groups.iter().any(|group| wheel.groups.contains(group)))
            .collect()
    }
}

/// The differences between the wheels of two locks, one line for each package: version, or only the file.
pub fn changes(before: &[LockedWheel], after: &[LockedWheel]) -> Vec<String> {
    let by_name = |wheels: &[LockedWheel]| {
        wheels.iter().map(|wheel| (wheel.name.distribution.clone(), wheel.clone())).collect::<BTreeMap<_, _>>()
    };
    let (before, after) = (by_name(before), by_name(after));
    let names = before.keys().chain(after.keys()).collect::<BTreeSet<_>>();
    names
        .into_iter()
        .filter_map(|name| match (before.get(name), after.get(name)) {
            (Some(old), Some(new)) if old.name.version != new.name.version => {
                Some(format!("{name} {} → {}", old.name.version, new.name.version))
            }
            (Some(old), Some(new)) if old.sha256 != new.sha256 => {
                Some(format!("{name} {}: {} → {}", new.name.version, old.name.file, new.name.file))
            }
            (Some(old), Some(new)) if old.groups != new.groups => {
                Some(format!("{name} {}: belongs to other optional parts", new.name.version))
            }
            (Some(_), Some(_)) => None,
            (Some(old), None) => Some(format!("removed {name} {}", old.name.version)),
            (None, new) => Some(format!("added {name} {}", new.map_or("", |new| new.name.version.as_str()))),
        })
        .collect()
}

fn existing(directory: &Utf8Path) -> String {
    let mut names = directory
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().strip_prefix("pylock.")?.strip_suffix(".toml")?;
            Some(name.to_owned())
        })
        .collect::<Vec<_>>();
    names.sort();
    format!("there are locks for {}; `cargo xtask lock` makes that of this machine", names.join(", "))
}

/// The marker of a package that belongs to some groups only.
pub fn marker_of_groups(groups: &BTreeSet<String>) -> Option<String> {
    let terms = groups.iter().map(|group| format!("'{group}' in dependency_groups")).collect::<Vec<_>>();
    (!terms.is_empty()).then(|| terms.join(" or "))
}

fn groups_of_marker(marker: &str) -> Option<BTreeSet<String>> {
    marker
        .split(" or ")
        .map(|term| {
            let group = term.strip_prefix('\'')?.strip_suffix("' in dependency_groups")?;
            GROUPS.contains(&group).then(|| group.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_round_trips_and_a_foreign_one_is_not_understood() {
        let both = BTreeSet::from(["diarization".to_owned(), "ui".to_owned()]);
        let marker = marker_of_groups(&both).unwrap();
        assert_eq!(marker, "'diarization' in dependency_groups or 'ui' in dependency_groups");
        assert_eq!(groups_of_marker(&marker), Some(both));
        assert_eq!(marker_of_groups(&BTreeSet::new()), None);
        assert_eq!(groups_of_marker("sys_platform == 'linux'"), None);
    }

    #[test]
    fn changes_name_every_package_that_is_not_the_same() {
        let wheel = |file: &str, content: &str| LockedWheel {
            name: WheelName::parse(file).unwrap(),
            size: None,
            sha256: Sha256::of(content.as_bytes()),
            url: None,
            groups: BTreeSet::new(),
        };
        let before = [
            wheel("a-1-py3-none-any.whl", "a1"),
            wheel("b-1-py3-none-any.whl", "b1"),
            wheel("c-1-py3-none-any.whl", "c1"),
            wheel("d-1-py3-none-any.whl", "d1"),
        ];
        let after = [
            wheel("a-2-py3-none-any.whl", "a2"),
            wheel("b-1-1-py3-none-any.whl", "b1 again"),
            wheel("d-1-py3-none-any.whl", "d1"),
            wheel("e-1-py3-none-any.whl", "e1"),
        ];
        assert_eq!(
            changes(&before, &after),
            ["a 1 → 2", "b 1: b-1-py3-none-any.whl → b-1-1-py3-none-any.whl", "removed c 1", "added e 1"]
        );
        assert!(changes(&before, &before).is_empty());
    }

    #[test]
    fn a_lock_with_a_wheel_of_another_package_is_refused() {
        let text = "lock-version = '1.0'\n[[packages]]\nname = 'a'\nversion = '1'\n\
                    wheels = [{path = 'wheels/b-1-py3-none-any.whl', hashes = {sha256 = \
                    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'}}]";
        let error = Lock::parse(Utf8Path::new("x.toml"), text).unwrap_err().to_string();
        assert!(error.contains("`a` 1 has the wheel `b-1-py3-none-any.whl`"), "{error}");
    }
}
