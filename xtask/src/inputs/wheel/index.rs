//! Finds the wheels of a lock on the user's package index.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use serde::Deserialize;

use super::credentials::Credentials;
use super::uv::Uv;
use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::base::quantity::pluralize;
use crate::net::http;
use crate::pins::lock::LockedWheel;
use crate::pins::target::Target;
use crate::store::Store;
use crate::work::WorkDirectory;
use wheel_archive::name::WheelName;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    wheels: Vec<Candidate>,
}

/// A wheel as uv's answer has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Candidate {
    /// On the user's index, or a file of theirs.
    pub url: Option<String>,
    path: Option<String>,
    /// In bytes.
    pub size: Option<u64>,
    hashes: Hashes,
}

#[derive(Clone, Debug, Deserialize)]
struct Hashes {
    sha256: Sha256,
}

impl Candidate {
    /// Of the wheel.
    pub fn sha256(&self) -> Sha256 {
        self.hashes.sha256
    }

    /// URL or path.
    pub fn source(&self) -> Option<&str> {
        self.url.as_deref().or(self.path.as_deref())
    }

    pub fn name(&self) -> Result<WheelName> {
        let file = self.source().and_then(|source| source.rsplit('/').next()).unwrap_or_default();
        Ok(WheelName::parse(&file.replace("%2B", "+"))?)
    }
}

/// The best wheel of each distribution for a target: uv lists every one that runs on it.
pub fn best(candidates: Vec<Candidate>, minor: &str, target: &Target) -> Result<Vec<(WheelName, Candidate)>> {
    let mut best = BTreeMap::<String, (WheelName, Candidate)>::new();
    for candidate in candidates {
        let name = candidate.name()?;
        let rank = |name: &WheelName| name.rank(minor, &target.entry.platform_tags).unwrap_or((usize::MAX, u32::MAX));
        let there = best.get(&name.distribution).map(|(name, _)| rank(name));
        if there.is_none_or(|there| rank(&name) < there) {
            best.insert(name.distribution.clone(), (name, candidate));
        }
    }
    Ok(best.into_values().collect())
}

/// Asks for `name==version` requirements, which may have markers, and returns the wheels that run on a target.
pub fn ask(uv: &Uv, store: &Store, requirements: &[String], minor: &str, target: &Target) -> Result<Vec<Candidate>> {
    let work = WorkDirectory::new_in(&store.work())?;
    let list = work.path().join("requirements.in");
    fs_err::write(&list, requirements.join("\n"))?;
    compile(uv, work.path(), &list, &["--no-deps"], minor, target)
}

/// Resolves the requirements in a file and what they need in turn, as far as those in another file do not replace it.
pub fn resolve(
    uv: &Uv,
    store: &Store,
    input: &Utf8Path,
    overrides: &Utf8Path,
    minor: &str,
    target: &Target,
) -> Result<Vec<Candidate>> {
    let work = WorkDirectory::new_in(&store.work())?;
    compile(uv, work.path(), input, &["--overrides", overrides.as_str()], minor, target)
}

fn compile(
    uv: &Uv,
    work: &Utf8Path,
    input: &Utf8Path,
    flags: &[&str],
    minor: &str,
    target: &Target,
) -> Result<Vec<Candidate>> {
    let answer = work.join("pylock.toml");
    let mut command = uv.command();
    command
        .args(["pip", "compile", "--quiet", "--no-header", "--only-binary", ":all:"])
        // `UV_PYTHON` does not count here.
        .args(["--python", uv.python().as_str()])
        .args(["--format", "pylock.toml", "--python-version", minor, "--python-platform", &target.triple])
        .args(flags)
        .args(["--output-file", answer.as_str(), input.as_str()])
        // Settings of a project that the tool happens to be started in are not meant for this.
        .current_dir(work);
    // uv has no other way to be told how new a system may be.
    if let Some(version) = target.macos_floor(minor) {
        command.env("MACOSX_DEPLOYMENT_TARGET", version);
    }
    uv.run(&mut command, "find the wheels on your package index")?;
    let answer: Answer = toml::from_str(&fs_err::read_to_string(&answer)?).context("cannot parse uv's answer")?;
    let wheels = answer.packages.into_iter().flat_map(|package| package.wheels).collect::<Vec<_>>();
    tracing::debug!("the package index offers {}", pluralize(wheels.len(), "wheel"));
    for wheel in &wheels {
        tracing::debug!(
            "{} is {}",
            wheel.sha256(),
            wheel.source().map_or_else(|| "nowhere".to_owned(), http::redact_url)
        );
    }
    Ok(wheels)
}

/// The URL of each wheel that has none in its lock, matched by sha256.
pub fn locate(
    uv: &Uv,
    store: &Store,
    wheels: &[&LockedWheel],
    minor: &str,
    target: &Target,
) -> Result<BTreeMap<Sha256, String>> {
    let requirements =
        wheels.iter().map(|wheel| format!("{}=={}", wheel.name.distribution, wheel.name.version)).collect::<Vec<_>>();
    let credentials = Credentials::of(uv);
    let found = ask(uv, store, &requirements, minor, target)?
        .into_iter()
        .filter_map(|candidate| Some((candidate.sha256(), credentials.complete(candidate.source()?))))
        .collect::<BTreeMap<_, _>>();
    if let Some(missing) = wheels.iter().find(|wheel| !found.contains_key(&wheel.sha256)) {
        bail!(
            Failure::new(
                Exit::Unavailable,
                format!(
                    "your package index does not offer `{}` with the sha256 that the lock pins ({})",
                    missing.name, missing.sha256
                )
            )
            .hint("an index that builds its own wheels cannot be used; point uv at one that mirrors the originals")
        );
    }
    Ok(found)
}
