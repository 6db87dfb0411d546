//! Assembles a runtime in a work directory from trees of the store, and renames it to its place. `store::publish` does
//! that for files and trees of the store.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use speaches_format::description::{Description, File, RuntimeInfo};
use speaches_format::layout;
use speaches_format::system::System;

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::report::Bar;
use crate::runtime::names;
use crate::store::tree::{Entry, RelativePath, Tree};
use crate::work::{self, WorkDirectory};

/// The contents of a runtime, by path.
#[derive(Default)]
pub struct Contents {
    files: BTreeMap<RelativePath, Placed>,
}

/// A file and its source. N.B. `placing::Placed` is a whole tree.
struct Placed {
    entry: Entry,
    source: Utf8PathBuf,
    /// The input that the file is from, for the error when two inputs have a file for the same place.
    owner: String,
}

impl Contents {
    /// Adds every file of a tree for which `place` names a place.
    ///
    /// Two inputs may have a file for the same place only if the files are equal.
    pub fn add(
        &mut self,
        owner: &str,
        tree: &Tree,
        place: impl Fn(&RelativePath) -> Option<RelativePath>,
    ) -> Result<()> {
        for (path, entry) in &tree.entries {
            let Some(place) = place(path) else { continue };
            let placed =
                Placed { entry: entry.clone(), source: tree.content.join(path.as_str()), owner: owner.to_owned() };
            match self.files.entry(place) {
                MapEntry::Vacant(vacant) => drop(vacant.insert(placed)),
                MapEntry::Occupied(there) if there.get().entry == placed.entry => {}
                MapEntry::Occupied(there) => bail!(Failure::new(
                    Exit::Data,
                    format!(
                        "`{}` and `{owner}` both have a file `{}`, and they differ",
                        there.get().owner,
                        there.key().as_str()
                    )
                )),
            }
        }
        Ok(())
    }

    /// Refuses what the file systems of a target cannot hold.
    pub fn check_names(&self, target: &str) -> Result<()> {
        names::check(System::of(target), self.files.iter().map(|(path, placed)| (path.as_str(), placed.owner.as_str())))
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Fills a directory and describes it in `runtime.json`.
    pub fn write(&self, directory: &Utf8Path, info: RuntimeInfo, bar: &dyn Bar) -> Result<()> {
        self.fill(directory, bar)?;
        let files = self.files.iter().map(|(path, placed)| describe(path, &placed.entry)).collect();
        fs_err::write(directory.join(layout::DESCRIPTION), Description { info, files }.to_text()?)?;
        Ok(())
    }

    pub fn fill(&self, directory: &Utf8Path, bar: &dyn Bar) -> Result<()> {
        let mut parents = self
            .files
            .keys()
            .filter_map(|path| path.as_str().rsplit_once('/').map(|(parent, _)| parent))
            .collect::<Vec<_>>();
        parents.dedup();
        for parent in parents {
            work::create_inside(&directory.join(parent))?;
        }
        let link_mode = LinkMode::default();
        self.files.par_iter().try_for_each(|(path, placed)| -> Result<()> {
            let target = directory.join(path.as_str());
            match &placed.entry {
                // A program that shared its permissions with the store would stop working when a user changed them
                // in the store.
                Entry::File { .. } if is_program(path) => drop(fs_err::copy(&placed.source, &target)?),
                Entry::File { .. } => link_mode.link_or_copy(&placed.source, &target)?,
                Entry::Link { to } => link(to, &target)?,
            }
            bar.advance(1);
            Ok(())
        })
    }
}

/// Whether users or other programs execute a file, rather than read it.
fn is_program(path: &RelativePath) -> bool {
    ["bin/", "python/bin/"].iter().any(|directory| path.as_str().starts_with(directory))
        || path.as_str().ends_with(".exe")
}

/// Shares the bytes with the store where the file system can, since a runtime has gigabytes of them: as a clone,
/// which later changes do not reach, else as a hard link, else as a copy.
#[derive(Default)]
pub struct LinkMode {
    /// An attempt to clone makes the file and deletes it again, which costs more than all the rest.
    no_clones: AtomicBool,
}

impl LinkMode {
    /// Puts a file that will never be changed in a new place.
    pub fn link_or_copy(&self, source: &Utf8Path, target: &Utf8Path) -> Result<()> {
        if !self.no_clones.load(Ordering::Relaxed) {
            if reflink_copy::reflink(source, target).is_ok() {
                return Ok(());
            }
            self.no_clones.store(true, Ordering::Relaxed);
        }
        // A file can have only so many links, so that each may still have to be copied.
        if fs_err::hard_link(source, target).is_err() {
            fs_err::copy(source, target)?;
        }
        Ok(())
    }
}

#[cfg(unix)]
fn link(to: &str, target: &Utf8Path) -> Result<()> {
    fs_err::os::unix::fs::symlink(to, target)?;
    Ok(())
}

#[cfg(not(unix))]
fn link(to: &str, target: &Utf8Path) -> Result<()> {
    bail!(Failure::new(Exit::Config, format!("`{target}` is a link to `{to}`, which this system cannot create")))
}

fn describe(path: &RelativePath, entry: &Entry) -> File {
    let (size, sha256, mode) = match entry {
        Entry::File { size, sha256, executable } => (*size, *sha256, if *executable { "755" } else { "644" }),
        Entry::Link { to } => (0, Sha256::of(to.as_bytes()), "link"),
    };
    File { path: path.as_str().to_owned(), size, sha256: sha256.to_string(), mode: mode.to_owned() }
}

/// Refuses an output that holds something else than a runtime.
pub fn check_output(output: &Utf8Path) -> Result<()> {
    let hint = "choose another place with `--out`, or remove it yourself";
    expect_replaceable(output, layout::DESCRIPTION, "not a runtime", hint)
}

/// Refuses a place that holds anything but an older directory of the same kind, which has a file named `mark`.
pub fn expect_replaceable(output: &Utf8Path, mark: &str, what: &str, hint: &str) -> Result<()> {
    if output.is_dir() && (output.join(mark).is_file() || output.read_dir_utf8()?.next().is_none()) {
        return Ok(());
    }
    // N.B. `exists` follows links, and a dangling one is in the way all the same.
    if output.symlink_metadata().is_ok() {
        let text = format!("`{output}` exists and is {what}, so it was not changed");
        bail!(Failure::new(Exit::CannotCreate, text).hint(hint));
    }
    Ok(())
}

/// Puts a finished stage in the place of its output. A runtime that was there before is put into the work directory.
pub fn publish(stage: &Utf8Path, output: &Utf8Path, work: &WorkDirectory) -> Result<()> {
    check_output(output)?;
    replace(stage, output, work)
}

/// Puts a finished directory in its place. A directory that was there before goes into the work directory.
pub fn replace(stage: &Utf8Path, output: &Utf8Path, work: &WorkDirectory) -> Result<()> {
    if !output.exists() {
        fs_err::rename(stage, output)?;
        return Ok(());
    }
    if exchange(stage, output) {
        return Ok(());
    }
    let old = work.path().join("old");
    work::uninterruptible(|| {
        fs_err::rename(output, &old)?;
        fs_err::rename(stage, output).inspect_err(|_| drop(fs_err::rename(&old, output)))
    })?;
    Ok(())
}

/// Swaps two directories in one step, where the system can: then there is no moment without a runtime.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange(one: &Utf8Path, other: &Utf8Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one.as_std_path(), CWD, other.as_std_path(), RenameFlags::EXCHANGE).is_ok()
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange(_one: &Utf8Path, _other: &Utf8Path) -> bool {
    false
}
