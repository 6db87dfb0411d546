//! Scans the binaries of a runtime. Each must be for the target's processor and for the oldest system that the target
//! promises, load from the runtime and the system only, and be one that the system runs at all.
//!
//! The scan changes no binary: wheels and CPython stay as their publishers made and signed them. It skips files that no
//! loader loads: static libraries, object files and debug symbols.

mod accepted;
mod chain;
mod elf;
mod finding;
mod image;
mod kind;
mod library;
mod macho;
mod pattern;
mod pe;
mod platform;
mod problem;
mod signature;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use anyhow::Result;
use camino::Utf8Path;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use speaches_format::description::{Description, RuntimeInfo};
use speaches_format::input::{self, Input, Origin};
use speaches_format::layout::{self, Family};

pub use accepted::Accepted;
pub use finding::Finding;
use image::{Damaged, Format, Image, Source};
pub use kind::Kind;
use library::Libraries;
pub use platform::{Platform, Version};
use problem::Problem;

#[derive(Debug, Default)]
pub struct Report {
    pub binaries: usize,
    /// The newest glibc or macOS that one of them asks for.
    pub newest: Option<Version>,
    pub findings: Vec<Finding>,
    /// How much of that is taken all the same.
    pub accepted: usize,
    /// The broken features.
    pub limits: BTreeSet<String>,
    /// The same about parts that the user gave in place of pinned ones, and answers for.
    pub notes: Vec<Finding>,
}

enum Contents {
    Elf(elf::Elf),
    MachO(macho::MachO),
    Pe(pe::Pe),
    Foreign(Format),
    NoSlice,
    Damaged(String),
}

/// Scans every binary that `runtime.json` names.
///
/// # Errors
///
/// Only when a file cannot be opened. Faults of a binary are findings.
pub fn scan(runtime: &Utf8Path, description: &Description, platform: &Platform, accepted: &Accepted) -> Result<Report> {
    let read = |path: &str| -> Result<Option<Contents>> {
        let source = Source::open(&runtime.join(path))?;
        Ok(look(&source.whole(), platform))
    };
    let files = description.files.par_iter().filter(|file| file.mode != "link");
    let binaries = files
        .filter_map(|file| match read(&file.path) {
            Ok(contents) => contents.map(|contents| Ok((file.path.as_str(), contents))),
            Err(error) => Some(Err(error)),
        })
        .collect::<Result<Vec<_>>>()?;
    let mut libraries = Libraries::new(description.files.iter().map(|file| file.path.as_str()));
    let mut report = Report { binaries: binaries.len(), ..Report::default() };
    for (path, contents) in &binaries {
        let (name, floor) = match contents {
            Contents::Elf(found) => (&found.name, found.glibc),
            Contents::MachO(found) => (&found.name, found.floor),
            _ => (&None, None),
        };
        if let Some(name) = name {
            libraries.add_name(name.clone());
        }
        if !is_given(path, &description.info) {
            report.newest = report.newest.max(floor);
        }
    }
    let site_packages = site_packages(&description.info);
    for chain in &accepted.chain {
        let missing = chain::check(chain, &description.info, &site_packages, &binaries, &libraries);
        report.findings.extend(missing);
    }
    for (path, contents) in &binaries {
        for problem in check(contents, path, platform, &libraries) {
            let entry = path.strip_prefix(&site_packages).and_then(|path| accepted.entry(path, &problem));
            let kind = problem.kind();
            let finding = Finding { path: (*path).to_owned(), problem };
            if let Some(entry) = entry {
                report.accepted += 1;
                report.limits.extend(entry.limit.clone());
            } else if is_given(path, &description.info)
                || (kind == Kind::PythonLibrary && python_is_given(&description.info))
            {
                report.notes.push(finding);
            } else {
                report.findings.push(finding);
            }
        }
    }
    Ok(report)
}

/// Reads a file, if it is a binary that a system would load.
fn look(image: &Image<'_>, platform: &Platform) -> Option<Contents> {
    let start = image.bytes(0, image.size().min(8)).ok()?;
    let contents = match (Format::of(start)?, platform.format) {
        (Format::Elf, Format::Elf) => elf::read(image).map(|found| found.loadable.then_some(Contents::Elf(found))),
        (Format::MachO, Format::MachO) => macho(image, platform),
        (Format::Universal, Format::MachO) => match macho::slice(image, platform) {
            Ok(Some(slice)) => macho(&slice, platform),
            Ok(None) => Ok(Some(Contents::NoSlice)),
            Err(damaged) => Err(damaged),
        },
        (Format::Pe, Format::Pe) => pe::read(image).map(|found| Some(Contents::Pe(found))),
        (foreign, _) => Ok(Some(Contents::Foreign(foreign))),
    };
    contents.unwrap_or_else(|Damaged(why)| Some(Contents::Damaged(why)))
}

fn macho(image: &Image<'_>, platform: &Platform) -> Result<Option<Contents>, Damaged> {
    macho::read(image, platform).map(|found| found.loadable.then_some(Contents::MachO(found)))
}

fn check(contents: &Contents, path: &str, platform: &Platform, libraries: &Libraries<'_>) -> Vec<Problem> {
    match contents {
        Contents::Elf(found) => elf::check(found, path, platform, libraries),
        Contents::MachO(found) => macho::check(found, path, platform, libraries),
        Contents::Pe(found) => pe::check(found, path, platform, libraries),
        Contents::Foreign(format) => vec![Problem::Format { format: *format, wanted: platform.format }],
        Contents::NoSlice => vec![Problem::NoSlice { wanted: platform.architecture }],
        Contents::Damaged(why) => vec![Problem::Damaged(why.clone())],
    }
}

/// Whether a file is of an input that the user gave in place of a pinned one (an interpreter or an archive with
/// `--python-from`, a program with `--launcher`), or a launcher that this machine could only build for systems like it.
fn is_given(path: &str, info: &RuntimeInfo) -> bool {
    let family = Family::of(&info.target);
    if path == family.launcher() {
        let needs_this_system = |input: &Input| matches!(input.origin, Origin::Built { needs_this_system: true });
        return is_unpinned(input::Kind::Launcher, info) || info.inputs.iter().any(needs_this_system);
    }
    let of_python = path.starts_with(&format!("{}/", layout::PYTHON)) && !path.starts_with(&site_packages(info));
    of_python && python_is_given(info)
}

fn python_is_given(info: &RuntimeInfo) -> bool {
    is_unpinned(input::Kind::Python, info) || info.python.copied
}

fn is_unpinned(kind: input::Kind, info: &RuntimeInfo) -> bool {
    info.inputs.iter().any(|input| input.kind == kind && !input.pinned)
}

/// The directory of installed packages, with `/` at its end.
fn site_packages(info: &RuntimeInfo) -> String {
    format!("{}/{}/", layout::PYTHON, Family::of(&info.target).site_packages(&info.python.minor))
}
