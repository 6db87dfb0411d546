//! Compares a runtime with its `runtime.json`, for the tool and for the launcher.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::description::File;
use crate::{hex, layout, tree};

/// Files that packages write into their own directory when the service runs.
const WRITTEN_AT_RUN_TIME: [&str; 1] = ["gradio/hash_seed.txt"];
/// Bytes that are read at once.
const CHUNK: usize = 1 << 18;

/// How a runtime differs from its description; paths are relative to it, with `/`, sorted.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Other bytes, or other permissions.
    pub changed: Vec<String>,
    /// Described, but not there.
    pub missing: Vec<String>,
    /// There, but not described.
    pub extra: Vec<String>,
}

impl Differences {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.missing.is_empty() && self.extra.is_empty()
    }

    pub fn lines(&self) -> impl Iterator<Item = String> {
        let kinds = [("changed", &self.changed), ("missing", &self.missing), ("extra", &self.extra)];
        kinds.into_iter().flat_map(|(kind, paths)| paths.iter().map(move |path| format!("{kind}: {path}")))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Existence, length and permissions.
    Metadata,
    Content,
}

/// Compares every described file, on all processors, and looks for others.
pub fn compare(runtime: &Path, files: &[File], depth: Depth) -> io::Result<Differences> {
    let mut order = files.iter().collect::<Vec<_>>();
    // The largest first, so that no processor is left with one at the end.
    order.sort_unstable_by_key(|file| std::cmp::Reverse(file.size));
    let next = AtomicUsize::new(0);
    let readers = readers(&runtime.join(layout::DESCRIPTION));
    let compare_some = || -> io::Result<Vec<(&str, State)>> {
        let mut states = Vec::new();
        let mut buffer = vec![0; CHUNK];
        while let Some(file) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let state = state(&runtime.join(&file.path), file, readers, depth, &mut buffer)?;
            if state != State::Same {
                states.push((file.path.as_str(), state));
            }
        }
        Ok(states)
    };
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let states = thread::scope(|scope| {
        let workers = (0..threads).map(|_| scope.spawn(compare_some)).collect::<Vec<_>>();
        let results = workers.into_iter().map(|worker| {
            worker.join().unwrap_or_else(|_| Err(io::Error::other("a thread that compares files has ended")))
        });
        results.collect::<io::Result<Vec<_>>>()
    })?;
    let mut differences = Differences { extra: extra(runtime, files)?, ..Differences::default() };
    for (path, state) in states.into_iter().flatten() {
        let list = if state == State::Missing { &mut differences.missing } else { &mut differences.changed };
        list.push(path.to_owned());
    }
    differences.changed.extend(closed_directories(runtime, files, readers));
    differences.changed.sort_unstable();
    differences.missing.sort_unstable();
    Ok(differences)
}

/// The files without a description. Exceptions are `runtime.json`, files that packages write when the service runs, and
/// files that macOS puts into viewed directories and copies to disks of other systems.
pub fn extra(runtime: &Path, files: &[File]) -> io::Result<Vec<String>> {
    let mut described = files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>();
    described.sort_unstable();
    let is_known = |path: &str| {
        described.binary_search(&path).is_ok()
            || path == layout::DESCRIPTION
            || WRITTEN_AT_RUN_TIME.iter().any(|known| path.ends_with(known))
            || path.rsplit('/').next().is_some_and(|name| name == ".DS_Store" || name.starts_with("._"))
    };
    let there = tree::files_below(runtime)?;
    let paths = there.iter().map(|path| path.to_string_lossy().replace('\\', "/"));
    Ok(paths.filter(|path| !is_known(path)).collect())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Same,
    Changed,
    Missing,
}

fn state(path: &Path, file: &File, readers: u32, depth: Depth, buffer: &mut [u8]) -> io::Result<State> {
    let Ok(metadata) = path.symlink_metadata() else {
        return Ok(State::Missing);
    };
    let same = if file.mode == "link" {
        metadata.is_symlink()
            && hex::encode(&Sha256::digest(fs_err::read_link(path)?.to_string_lossy().as_bytes())) == file.sha256
    } else {
        metadata.is_file()
            && metadata.len() == file.size
            && mode_is(&metadata, &file.mode)
            && is_open_to(&metadata, readers, file.mode == "755")
            && (depth == Depth::Metadata || sha256_of(path, buffer)? == file.sha256)
    };
    Ok(if same { State::Same } else { State::Changed })
}

fn sha256_of(path: &Path, buffer: &mut [u8]) -> io::Result<String> {
    let mut file = fs_err::File::open(path)?;
    let mut hasher = Sha256::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hex::encode(&hasher.finalize())),
            Ok(length) => hasher.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a file is executable or not as a description says (`644` or `755`). Write permissions may differ: a runtime that an
/// administrator made read-only is still the same.
#[must_use]
pub fn mode_is(metadata: &std::fs::Metadata, mode: &str) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        (metadata.permissions().mode() & 0o100 != 0) == (mode == "755")
    }
    #[cfg(not(unix))]
    {
        let _ = (metadata, mode);
        true
    }
}

/// The other users who may read a runtime, as bits of a mode: those who may read its description. A runtime that was
/// installed for one user has none.
#[cfg(unix)]
fn readers(description: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    description.metadata().map_or(0, |metadata| metadata.permissions().mode() & 0o044)
}

#[cfg(not(unix))]
fn readers(_description: &Path) -> u32 {
    0
}

/// Whether these users can read a file, and run a program or enter a directory.
fn is_open_to(metadata: &std::fs::Metadata, readers: u32, is_run: bool) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let wanted = if is_run { readers | readers >> 2 } else { readers };
        metadata.permissions().mode() & wanted == wanted
    }
    #[cfg(not(unix))]
    {
        let _ = (metadata, readers, is_run);
        true
    }
}

/// The directories of described files which these users cannot go through; with `/` at the end.
fn closed_directories(runtime: &Path, files: &[File], readers: u32) -> Vec<String> {
    let parents = files.iter().flat_map(|file| Path::new(&file.path).ancestors().skip(1));
    let mut directories = parents.filter(|path| !path.as_os_str().is_empty()).collect::<Vec<_>>();
    directories.sort_unstable();
    directories.dedup();
    let closed = directories.into_iter().filter(|path| {
        runtime.join(path).metadata().is_ok_and(|metadata| metadata.is_dir() && !is_open_to(&metadata, readers, true))
    });
    closed.map(|path| format!("{}/", path.display())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str, mode: &str) -> File {
        File {
            path: path.to_owned(),
            size: if mode == "link" { 0 } else { content.len() as u64 },
            sha256: hex::encode(&Sha256::digest(content)),
            mode: mode.to_owned(),
        }
    }

    #[test]
    fn what_is_changed_missing_and_extra_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let write = |path: &str, text: &str| {
            fs_err::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs_err::write(root.join(path), text).unwrap();
        };
        for path in ["a/same", "a/changed", "a/longer", "runtime.json", "site/gradio/hash_seed.txt"] {
            write(path, "one");
        }
        let files = ["a/same", "a/changed", "a/longer", "a/gone"].map(|path| file(path, "one", "644"));
        assert_eq!(compare(root, &files[..3], Depth::Content).unwrap(), Differences::default());
        write("a/changed", "two");
        write("a/longer", "three");
        write("b/extra", "");
        write("b/.DS_Store", "");
        write("b/._extra", "");
        let found = compare(root, &files, Depth::Content).unwrap();
        let lines = found.lines().collect::<Vec<_>>();
        assert_eq!(lines, ["changed: a/changed", "changed: a/longer", "missing: a/gone", "extra: b/extra"]);
        assert_eq!(compare(root, &files, Depth::Metadata).unwrap().changed, ["a/longer"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_count() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs_err::write(root.join("program"), "").unwrap();
        fs_err::os::unix::fs::symlink("program", root.join("link")).unwrap();
        let files = [file("link", "program", "link"), file("program", "", "755")];
        assert_eq!(compare(root, &files, Depth::Content).unwrap().changed, ["program"]);
        fs_err::set_permissions(root.join("program"), std::fs::Permissions::from_mode(0o555)).unwrap();
        assert!(compare(root, &files, Depth::Content).unwrap().is_empty(), "a read-only runtime is the same");
        let mode = |path: &str, mode| {
            fs_err::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode("program", 0o500);
        assert!(
            compare(root, &files, Depth::Content).unwrap().is_empty(),
            "there is no description to compare it with"
        );
        fs_err::write(root.join(layout::DESCRIPTION), "").unwrap();
        mode(layout::DESCRIPTION, 0o600);
        assert!(compare(root, &files, Depth::Content).unwrap().is_empty(), "it is for one user");
        mode(layout::DESCRIPTION, 0o644);
        assert_eq!(compare(root, &files, Depth::Metadata).unwrap().changed, ["program"], "others cannot run it");
        mode("program", 0o755);
        fs_err::create_dir(root.join("inner")).unwrap();
        fs_err::write(root.join("inner/file"), "").unwrap();
        let inner = [&files[..], &[file("inner/file", "", "644")]].concat();
        for (of_file, of_directory, changed) in
            [(0o644, 0o755, vec![]), (0o600, 0o755, vec!["inner/file"]), (0o644, 0o700, vec!["inner/"])]
        {
            mode("inner/file", of_file);
            mode("inner", of_directory);
            assert_eq!(compare(root, &inner, Depth::Metadata).unwrap().changed, changed);
        }
        fs_err::remove_file(root.join("link")).unwrap();
        fs_err::os::unix::fs::symlink("elsewhere", root.join("link")).unwrap();
        assert_eq!(compare(root, &files, Depth::Content).unwrap().changed, ["link"]);
    }
}
