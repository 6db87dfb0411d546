//! `cargo xtask licenses`: checks the license of every locked wheel, without making a runtime.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::base::host;
use crate::base::quantity::pluralize;
use crate::bundle::license::{self, Exceptions};
use crate::bundle::metadata;
use crate::inputs::wheel::texts::Texts;
use crate::inputs::wheel::uv::Uv;
use crate::inputs::wheel::{fill, index};
use crate::pins::lock::Lock;
use crate::pins::manifest::Manifests;
use crate::pins::target::Target;
use crate::report;
use crate::store::Store;

/// Check that every locked wheel has a license text or an entry in manifests/licenses.toml
///
/// Prints the license of each wheel, if its metadata states one, and whether the wheel contains the text. A wheel that
/// the store does not have cannot be checked, which is an error.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The locks [default: all, those of the sample too]
    #[arg(value_name = "LOCK")]
    locks: Vec<Utf8PathBuf>,
    /// Fetch the wheels that the store does not have: about 9 GB for all locks
    #[arg(long)]
    fetch: bool,
}

pub fn run(arguments: &Arguments, manifests: &Utf8Path) -> Result<()> {
    let store = Store::locate()?;
    let exceptions = Exceptions::read(manifests)?;
    let locks = locks(arguments, manifests)?;
    let mut unreachable = BTreeMap::new();
    if arguments.fetch {
        for (lock, target) in &locks {
            fetch(&store, manifests, lock, target, &mut unreachable)?;
        }
    }
    let mut wheels = BTreeMap::new();
    for (lock, target) in &locks {
        wheels.extend(lock.wheels.iter().map(|wheel| (wheel.sha256, (wheel, target))));
    }
    let wheels = wheels.into_values().collect::<Vec<_>>();
    let bar = report::for_stderr().items("Looking", "at wheels", wheels.len());
    let looked = wheels
        .par_iter()
        .map(|(wheel, target)| {
            let texts = Texts::read(&store, wheel, target.family())?;
            bar.advance(1);
            Ok((*wheel, texts))
        })
        .collect::<Result<Vec<_>>>()?;
    bar.finish();

    let mut findings = Findings::default();
    let mut lines = BTreeSet::new();
    for (wheel, texts) in &looked {
        let (name, version) = (&wheel.name.distribution, &wheel.name.version);
        let Some(texts) = texts else {
            let why = unreachable.get(&wheel.sha256).map(|why| format!(": {why}")).unwrap_or_default();
            findings.absent.insert(format!("{}{why}", wheel.name.file));
            findings.open.insert(name);
            continue;
        };
        let exception = exceptions.get(name);
        let text = match (texts.files.is_empty(), exception) {
            (false, _) => "in the wheel",
            (true, Some(_)) => {
                findings.used.insert(name);
                "none, which manifests/licenses.toml explains"
            }
            (true, None) => {
                findings.without.insert(format!("{name} {version} ({})", wheel.name.file));
                "NONE"
            }
        };
        let stated = metadata::of_metadata(&texts.metadata).or(exception.map(|exception| exception.license.clone()));
        lines.insert(format!("{name} {version}: {}, text {text}", stated.as_deref().unwrap_or("by its text only")));
    }
    super::print(&lines.into_iter().collect::<Vec<_>>().join("\n"))?;
    findings.report(&store, looked.len(), &exceptions, arguments.locks.is_empty())
}

/// Missing, unneeded and unknown licenses.
#[derive(Default)]
struct Findings<'a> {
    /// Wheels without a text and without a place in the manifest.
    without: BTreeSet<String>,
    /// Wheels that are not in the store.
    absent: BTreeSet<String>,
    open: BTreeSet<&'a str>,
    /// Entries of the manifest that some wheel needs.
    used: BTreeSet<&'a str>,
}

impl Findings<'_> {
    /// Reports all findings. The exit code is that of a missing license rather than of an unreachable wheel.
    fn report(&self, store: &Store, wheels: usize, exceptions: &Exceptions, all: bool) -> Result<()> {
        let needless = exceptions.components().filter(|it| all && !self.used.contains(it) && !self.open.contains(it));
        let needless = needless.collect::<Vec<_>>();
        let mut said = Vec::new();
        if !self.without.is_empty() {
            said.push(format!(
                "these have no license text, so runtimes with them cannot be bundled:{}",
                list(self.without.iter().map(String::as_str))
            ));
        }
        if !needless.is_empty() {
            let list = list(needless.iter().copied());
            said.push(format!("manifests/{} has these entries, but no wheel needs them:{list}", license::MANIFEST));
        }
        if !self.absent.is_empty() {
            said.push(format!(
                "{} of {wheels} wheels are not in the store `{}`, so they were not checked:{}",
                self.absent.len(),
                store.root(),
                list(self.absent.iter().map(String::as_str))
            ));
        }
        let (exit, hint) = match (self.without.is_empty(), needless.is_empty(), self.absent.is_empty()) {
            (false, _, _) => (Exit::Data, license::LICENSE_HINT),
            (_, false, _) => (Exit::Data, "remove these entries"),
            (_, _, false) => (Exit::Unavailable, "`--fetch` downloads those that this machine can reach"),
            _ => {
                let manifest = license::MANIFEST;
                eprintln!("{wheels} wheels: each has the text of its license, or an entry in manifests/{manifest}");
                return Ok(());
            }
        };
        bail!(Failure::new(exit, said.join("\n")).hint(hint))
    }
}

fn list<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(|line| format!("\n    {line}")).collect()
}

/// The locks that are asked for, each with its target.
fn locks(arguments: &Arguments, manifests: &Utf8Path) -> Result<Vec<(Lock, Target)>> {
    let targets = Manifests::load(manifests)?.targets;
    let mut paths = arguments.locks.clone();
    if paths.is_empty() {
        for directory in ["locks", "sample/locks"] {
            for entry in manifests.join(directory).read_dir_utf8()? {
                paths.push(entry?.into_path());
            }
        }
        paths.sort();
    }
    let read = |path: &Utf8PathBuf| {
        let name = path.file_name().unwrap_or_default();
        // As `lock::file_name` makes it.
        let triple = targets.target.keys().find(|triple| name.contains(&format!("-{triple}-")));
        let Some(triple) = triple else {
            bail!(Failure::new(Exit::Data, format!("`{path}` is not the lock of a target in `targets.toml`")));
        };
        Ok((Lock::read(path)?, targets.target(triple)?))
    };
    paths.iter().map(read).collect()
}

/// Gets the wheels of a lock, and records unreachable ones with the reason.
fn fetch(
    store: &Store,
    manifests: &Utf8Path,
    lock: &Lock,
    target: &Target,
    unreachable: &mut BTreeMap<Sha256, String>,
) -> Result<()> {
    let wheels = |count| pluralize(count, "wheel");
    let missing = fill::missing(store, &lock.wheels, target);
    let (elsewhere, on_index): (Vec<_>, Vec<_>) = missing.into_iter().partition(|wheel| wheel.url.is_some());
    if !on_index.is_empty() {
        let uv = Uv::locate(store, manifests, &host::pythons(&[]))?;
        let urls = index::locate(&uv, store, &on_index, lock.minor(), target)?;
        let downloads = on_index.into_iter().map(|wheel| fill::download(wheel, &urls)).collect::<Vec<_>>();
        store.fetch_all(&downloads, wheels, report::for_stderr())?;
    }
    for wheel in elsewhere {
        if unreachable.contains_key(&wheel.sha256) {
            continue;
        }
        let download = fill::download(wheel, &BTreeMap::new());
        match store.fetch_all(&[download], wheels, report::for_stderr()) {
            Err(error) if crate::base::failure::exit_of(&error) == Exit::Unavailable => {
                unreachable.insert(wheel.sha256, error.to_string());
            }
            result => result?,
        }
    }
    Ok(())
}
