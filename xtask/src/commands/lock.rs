//! `cargo xtask lock`: the only place where versions are resolved.
//!
//! Resolution starts from upstream's own `uv.lock`, so that a runtime has the versions that upstream tested, and
//! moves only what a Python version, a target or a missing wheel forces. `manifests/departures.toml` says why.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::base::host;
use crate::base::quantity::pluralize;
use crate::commands::miniature::{self, MINIATURES, Miniature};
use crate::inputs::model::pins::{self, Outcome};
use crate::inputs::speaches::pyproject;
use crate::inputs::speaches::source::Source;
use crate::inputs::wheel::index;
use crate::inputs::wheel::uv::Uv;
use crate::pins::lock::{self, GROUPS, Lock};
use crate::pins::manifest::{Manifests, ModelsManifest, shared};
use crate::pins::target::{Accelerator, Target};
use crate::report;
use crate::store::Store;
use crate::work::WorkDirectory;
use wheel_archive::name::{WheelName, normalize};

/// Pythons that runtimes of speaches can have.
const MINORS: [&str; 2] = ["3.10", "3.12"];

/// Resolve the wheels of every Python for a target and fill in the pins of models, and write both
#[derive(Args, Debug)]
pub struct Arguments {
    /// Target triple [default: this machine; for the sample, every target]
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Which wheels: cpu, coreml or cuda [default: the target's own]
    #[arg(long, value_name = "ACCELERATOR")]
    accelerator: Option<String>,
    /// Take speaches from a checkout or a source archive [default: fetch the pinned commit]
    #[arg(long, value_name = "PATH")]
    speaches_from: Option<Utf8PathBuf>,
    /// Lock the sample and the miniature of the tests instead
    #[arg(long, conflicts_with = "only")]
    sample: bool,
    /// Lock only the wheels, or fill in only what manifests/models.toml leaves open
    #[arg(long, value_name = "wheels|models")]
    only: Option<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Wheels,
    Models,
}

/// `manifests/departures.toml`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Departures {
    constraint: Vec<Constraint>,
    reason: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    addition: Vec<Addition>,
    #[serde(default)]
    substitute: Vec<Substitute>,
}

/// A wheel that upstream knows nothing of, taken without what it asks for in turn.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Addition {
    /// `name==version`
    requirement: String,
    targets: Vec<String>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Constraint {
    requirement: String,
    /// The targets that it holds for; none means all.
    #[serde(default)]
    targets: Vec<String>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Substitute {
    target: String,
    accelerator: Accelerator,
    /// Names, or beginnings of names with a `*`, of packages that only the original needs.
    drop: Vec<String>,
    wheel: Vec<SubstituteWheel>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubstituteWheel {
    python: String,
    name: String,
    url: String,
    sha256: Sha256,
}

/// A wheel on its way into a lock.
struct Resolved {
    name: WheelName,
    size: Option<u64>,
    sha256: Sha256,
    url: Option<String>,
    groups: BTreeSet<String>,
    reason: Option<String>,
}

struct Resolver<'a> {
    uv: Uv,
    store: &'a Store,
    departures: Departures,
}

pub fn run(arguments: &Arguments, root: &Utf8Path, manifest_directory: &Utf8Path) -> Result<()> {
    let store = Store::locate()?;
    let target = arguments.target.as_deref();
    if arguments.sample {
        if let Some(target) = target {
            Manifests::load(manifest_directory)?.targets.target(target)?;
        }
        return MINIATURES
            .iter()
            .try_for_each(|one| lock_miniature(one, target, root, &manifest_directory.join(one.kind), &store));
    }
    let manifests = Manifests::load(manifest_directory)?;
    // Before anything is asked for or written.
    let target = manifests.targets.target(target.unwrap_or(host::triple()))?;
    let accelerator = target.accelerator(arguments.accelerator.as_deref())?;
    if arguments.only != Some(Part::Wheels) {
        lock_models(manifest_directory, &manifests.models)?;
    }
    if arguments.only == Some(Part::Models) {
        return Ok(());
    }
    let resolver = Resolver::new(&store, manifest_directory)?;
    let source = match &arguments.speaches_from {
        Some(from) => Source::read(from, &manifests.speaches, false)?,
        None => Source::fetch(&manifests.speaches)?,
    };
    let groups = GROUPS.into_iter().filter(|group| !target.entry.unavailable.contains_key(*group)).collect::<Vec<_>>();
    let exported = resolver.resolve(&source, &target, accelerator, &groups)?;
    for minor in MINORS {
        let wheels = resolver.select(&exported, &source, minor, &target, accelerator)?;
        write(&manifests.locks, minor, &target, accelerator, &groups, wheels)?;
    }
    Ok(())
}

/// Pins the miniature as it is in this repository, and locks it for one target or all.
fn lock_miniature(
    miniature: &Miniature,
    wanted: Option<&str>,
    root: &Utf8Path,
    directory: &Utf8Path,
    store: &Store,
) -> Result<()> {
    miniature::pin(miniature, root, directory)?;
    let manifests = Manifests::load(directory)?;
    let resolver = Resolver::new(store, directory)?;
    let (input, overrides) = (root.join(miniature.requirements), root.join(miniature.overrides));
    for triple in manifests.targets.target.keys() {
        if wanted.is_some_and(|wanted| wanted != triple) {
            continue;
        }
        let target = manifests.targets.target(triple)?;
        for minor in &manifests.speaches.pythons_of_this_machine {
            let wheels = resolver.newest(&input, &overrides, minor, &target)?;
            write(&manifests.locks, minor, &target, target.accelerator(None)?, &[], wheels)?;
        }
    }
    Ok(())
}

/// Requirements with markers, by the groups that are in.
type Exported = BTreeMap<Vec<String>, String>;

impl<'a> Resolver<'a> {
    fn new(store: &'a Store, manifests: &Utf8Path) -> Result<Self> {
        let departures = toml::from_str(&fs_err::read_to_string(shared(manifests, "departures.toml"))?)
            .context("`departures.toml` is malformed")?;
        Ok(Self { uv: Uv::locate(store, manifests, &host::pythons(&["3.12"]))?, store, departures })
    }

    /// Resolves once for every Python and exports what each set of groups needs.
    fn resolve(&self, source: &Source, target: &Target, accelerator: Accelerator, groups: &[&str]) -> Result<Exported> {
        let step = report::for_stderr().step("Resolving", "what speaches needs");
        let project = WorkDirectory::new_in(&self.store.work())?;
        let (edited, _) = pyproject::edit(source.text("pyproject.toml")?, accelerator)?;
        fs_err::write(project.path().join("pyproject.toml"), self.constrained(&edited, target)?)?;
        fs_err::write(project.path().join("uv.lock"), source.text("uv.lock")?)?;
        let mut command = self.uv.command();
        command.args(["lock", "--quiet"]).current_dir(project.path());
        self.uv.run(&mut command, "resolve the requirements of speaches")?;

        let mut exported = Exported::new();
        for subset in subsets(groups) {
            let mut command = self.uv.command();
            command
                .args(["export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes"])
                .args(["--no-header", "--no-annotate", "--format", "requirements.txt", "--output-file", "list.txt"])
                .args(subset.iter().flat_map(|group| ["--extra", group]))
                .current_dir(project.path());
            self.uv.run(&mut command, "export the requirements of speaches")?;
            let list = fs_err::read_to_string(project.path().join("list.txt"))?;
            exported.insert(subset.into_iter().map(str::to_owned).collect(), list);
        }
        step.finish();
        Ok(exported)
    }

    /// The bounds that hold for a target.
    fn constraints(&self, target: &Target) -> impl Iterator<Item = &Constraint> {
        let triple = target.triple.clone();
        self.departures.constraint.iter().filter(move |one| one.targets.is_empty() || one.targets.contains(&triple))
    }

    fn additions(&self, target: &Target) -> impl Iterator<Item = &Addition> {
        let triple = target.triple.clone();
        self.departures.addition.iter().filter(move |one| one.targets.contains(&triple))
    }

    fn constrained(&self, pyproject: &str, target: &Target) -> Result<String> {
        let mut document: toml_edit::DocumentMut = pyproject.parse()?;
        let constraints = document["tool"]["uv"]["constraint-dependencies"]
            .or_insert(toml_edit::value(toml_edit::Array::new()))
            .as_array_mut()
            .context("`constraint-dependencies` is not a list")?;
        for constraint in self.constraints(target) {
            constraints.push(constraint.requirement.as_str());
        }
        Ok(document.to_string())
    }

    /// The wheels for one Python and target, each with the groups that need it.
    fn select(
        &self,
        exported: &Exported,
        source: &Source,
        minor: &str,
        target: &Target,
        accelerator: Accelerator,
    ) -> Result<Vec<Resolved>> {
        let substitute =
            self.departures.substitute.iter().find(|one| one.target == target.triple && one.accelerator == accelerator);
        let substituted = |name: &str| {
            substitute.and_then(|one| one.wheel.iter().find(|wheel| wheel.python == minor && wheel.name == name))
        };
        let dropped = |name: &str| {
            substitute.is_some_and(|one| {
                one.drop.iter().any(|pattern| match pattern.strip_suffix('*') {
                    Some(start) => name.starts_with(start),
                    None => pattern == name,
                })
            })
        };
        let step = report::for_stderr().step("Choosing", &format!("wheels for {} and Python {minor}", target.triple));
        let upstream = upstream_versions(source)?;
        let mut found = BTreeMap::<String, Resolved>::new();
        let mut base = BTreeSet::new();
        for (groups, list) in exported {
            let mut requirements = self.additions(target).map(|one| one.requirement.clone()).collect::<Vec<_>>();
            let mut stand_ins = Vec::new();
            for line in list.lines().filter(|line| !line.is_empty()) {
                let name = normalize(line.split(['=', ' ', ';']).next().unwrap_or_default());
                match substituted(&name) {
                    Some(wheel) => stand_ins.push(wheel.clone()),
                    None if dropped(&name) => {}
                    None => requirements.push(line.to_owned()),
                }
            }
            let candidates = index::ask(&self.uv, self.store, &requirements, minor, target)?;
            let mut wheels = index::best(candidates, minor, target)?
                .into_iter()
                .map(|(name, candidate)| (name, candidate.size, candidate.sha256(), None))
                .collect::<Vec<_>>();
            for wheel in stand_ins {
                let file = wheel.url.rsplit('/').next().unwrap_or_default().replace("%2B", "+");
                wheels.push((WheelName::parse(&file)?, None, wheel.sha256, Some(wheel.url)));
            }
            for (name, size, sha256, url) in wheels {
                if groups.is_empty() {
                    base.insert(name.distribution.clone());
                }
                let resolved = found.entry(name.distribution.clone()).or_insert_with(|| Resolved {
                    reason: self.reason(&name, upstream.get(&name.distribution), minor, target, url.is_some()),
                    name,
                    size,
                    sha256,
                    url,
                    groups: BTreeSet::new(),
                });
                // Otherwise a package that several groups need would be written for each of them.
                if let [group] = groups.as_slice() {
                    resolved.groups.insert(group.clone());
                }
            }
        }
        step.finish();
        found
            .into_values()
            .map(|mut resolved| {
                if base.contains(&resolved.name.distribution) {
                    resolved.groups.clear();
                } else if resolved.groups.is_empty() {
                    bail!("`{}` is needed only by several optional parts together", resolved.name);
                }
                Ok(resolved)
            })
            .collect()
    }

    /// Why a package is not at upstream's version, if it is not.
    fn reason(
        &self,
        name: &WheelName,
        upstream: Option<&BTreeSet<String>>,
        minor: &str,
        target: &Target,
        substituted: bool,
    ) -> Option<String> {
        if !substituted && upstream.is_some_and(|versions| versions.contains(&name.version)) {
            return None;
        }
        let before =
            upstream.map_or("nothing".to_owned(), |versions| versions.iter().cloned().collect::<Vec<_>>().join(", "));
        let is_about = |requirement: &str| {
            normalize(requirement.split(['<', '>', '=', '!']).next().unwrap_or_default()) == name.distribution
        };
        let constraint = self.constraints(target).find(|one| is_about(&one.requirement));
        let addition = self.additions(target).find(|one| is_about(&one.requirement));
        let why = if substituted {
            "the wheel for the processor".to_owned()
        } else if let Some(constraint) = constraint {
            constraint.reason.clone()
        } else if let Some(addition) = addition {
            addition.reason.clone()
        } else {
            let table = format!("python-{}", minor.replace('.', "-"));
            self.departures
                .reason
                .get(&table)
                .and_then(|reasons| reasons.get(&name.distribution))
                .cloned()
                .unwrap_or_else(|| format!("something else that Python {minor} or this target needs asks for it"))
        };
        Some(format!("upstream has {before}: {why}"))
    }

    /// Resolves requirements of this repository, without upstream's lock.
    fn newest(&self, input: &Utf8Path, overrides: &Utf8Path, minor: &str, target: &Target) -> Result<Vec<Resolved>> {
        let step = report::for_stderr().step("Choosing", &format!("wheels for {} and Python {minor}", target.triple));
        let mut found = index::resolve(&self.uv, self.store, input, overrides, minor, target)?;
        let additions = self.additions(target).map(|one| one.requirement.clone()).collect::<Vec<_>>();
        if !additions.is_empty() {
            found.extend(index::ask(&self.uv, self.store, &additions, minor, target)?);
        }
        step.finish();
        let wheels = index::best(found, minor, target)?;
        Ok(wheels
            .into_iter()
            .map(|(name, candidate)| Resolved {
                name,
                size: candidate.size,
                sha256: candidate.sha256(),
                url: None,
                groups: BTreeSet::new(),
                reason: None,
            })
            .collect())
    }
}

fn subsets<'a>(groups: &[&'a str]) -> Vec<Vec<&'a str>> {
    (0..1_usize << groups.len())
        .map(|bits| {
            groups.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1).map(|(_, group)| *group).collect()
        })
        .collect()
}

/// The versions that upstream's `uv.lock` has of each package.
fn upstream_versions(source: &Source) -> Result<BTreeMap<String, BTreeSet<String>>> {
    #[derive(Deserialize)]
    struct Document {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let document: Document = toml::from_str(source.text("uv.lock")?).context("`uv.lock` of speaches is malformed")?;
    let mut versions = BTreeMap::<_, BTreeSet<_>>::new();
    for package in document.package {
        versions.entry(normalize(&package.name)).or_default().insert(package.version);
    }
    Ok(versions)
}

/// Writes a lock, unless a wheel in it could not run where it is for.
fn write(
    directory: &Utf8Path,
    minor: &str,
    target: &Target,
    accelerator: Accelerator,
    groups: &[&str],
    mut wheels: Vec<Resolved>,
) -> Result<()> {
    wheels.sort_by(|a, b| a.name.distribution.cmp(&b.name.distribution));
    for wheel in &wheels {
        if !wheel.name.fits(minor, &target.entry.platform_tags) {
            bail!(Failure::new(
                Exit::Data,
                format!("uv chose `{}`, which does not run on {} with Python {minor}", wheel.name, target.triple)
            ));
        }
    }
    let quoted = groups.iter().map(|group| format!("\"{group}\"")).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "# Made by `cargo xtask lock`: every wheel of speaches for {} ({accelerator}) with Python {minor}.\n\
         # Where these are on a package index is found out when they are fetched.\n\
         lock-version = \"1.0\"\ncreated-by = \"speaches-native\"\nrequires-python = \"=={minor}.*\"\n",
        target.triple
    );
    if !groups.is_empty() {
        text.push_str(&format!("dependency-groups = [{quoted}]\ndefault-groups = [{quoted}]\n"));
    }
    for wheel in &wheels {
        text.push('\n');
        if let Some(reason) = &wheel.reason {
            text.push_str(&format!("# {reason}\n"));
        }
        text.push_str(&format!(
            "[[packages]]\nname = \"{}\"\nversion = \"{}\"\n",
            wheel.name.distribution, wheel.name.version
        ));
        if let Some(marker) = lock::marker_of_groups(&wheel.groups) {
            text.push_str(&format!("marker = \"{marker}\"\n"));
        }
        let place = match &wheel.url {
            Some(url) => format!("url = \"{url}\""),
            None => format!("path = \"wheels/{}\"", wheel.name.file),
        };
        let size = wheel.size.map(|size| format!(", size = {size}")).unwrap_or_default();
        text.push_str(&format!("wheels = [{{ {place}{size}, hashes = {{ sha256 = \"{}\" }} }}]\n", wheel.sha256));
    }
    fs_err::create_dir_all(directory)?;
    let path = directory.join(lock::file_name(minor, &target.triple, accelerator));
    let before = fs_err::read_to_string(&path).ok();
    fs_err::write(&path, &text)?;
    report(&path, before.as_deref(), &text)
}

/// Says what is different in a lock. One that cannot be read counts as none.
fn report(path: &Utf8Path, before: Option<&str>, after: &str) -> Result<()> {
    let new = Lock::parse(path, after)?;
    let old = before.and_then(|before| Lock::parse(path, before).ok());
    let changes = old.as_ref().map(|old| lock::changes(&old.wheels, &new.wheels));
    let text = match changes {
        _ if before == Some(after) => format!("{path}: unchanged"),
        None => format!("{path}: new, {}", pluralize(new.wheels.len(), "wheel")),
        Some(none) if none.is_empty() => format!("{path}: the same wheels, with other sizes, addresses or comments"),
        Some(changes) => format!("{path}:\n    {}", changes.join("\n    ")),
    };
    Ok(super::print(&text)?)
}

/// Fills in what `models.toml` leaves open, and says what that is.
fn lock_models(directory: &Utf8Path, manifest: &ModelsManifest) -> Result<()> {
    let path = directory.join("models.toml");
    let step = report::for_stderr().step("Asking", "the hub about models");
    let outcome = pins::fill(&path, manifest)?;
    step.finish();
    match outcome {
        Outcome::Complete => super::print(&format!("{path}: unchanged, everything is pinned"))?,
        Outcome::Filled(changes) => super::print(&format!("{path}:\n    {}", changes.join("\n    ")))?,
        Outcome::OutOfReach(failure) => report::say(&format!("note: `{path}` was not changed: {failure}")),
    }
    Ok(())
}
