//! Leftover work directories of killed processes.

use std::fs::TryLockError;
use std::io;
use std::time::{Duration, SystemTime};

use camino::Utf8Path;
use fs_err::OpenOptions;
use walkdir::WalkDir;

use super::held::{GONE, Held, LOCK, PREFIX, RANDOM};

/// No run takes so long: where locks tell nothing, older directories are left over.
const OLD: Duration = Duration::from_secs(24 * 3600);

/// Whether all that is named as a work directory in some place must be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Own,
    /// It is the user's, who may have directories with any name. Only those with a lock in them are touched.
    OfTheUser,
}

/// Removes leftovers of killed runs from a directory, and returns their size in bytes. Leftovers that cannot be removed
/// stay.
pub fn remove_leftovers(directory: &Utf8Path, whose: Place) -> u64 {
    let mut freed = 0;
    for entry in directory.read_dir_utf8().into_iter().flatten().flatten() {
        if !is_name(entry.file_name()) || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Some(mut left) = left_over(entry.path(), whose) else { continue };
        let size = bytes_given_back(&left.path);
        if left.remove().is_ok() {
            freed += size;
        }
    }
    freed
}

/// How many bytes the disk gives back when a file or directory is deleted: files that are linked elsewhere stay.
pub fn bytes_given_back(path: &Utf8Path) -> u64 {
    let files = WalkDir::new(path).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    files.filter_map(|entry| entry.metadata().ok()).filter(|file| !is_linked(file)).map(|file| file.len()).sum()
}

#[cfg(unix)]
fn is_linked(file: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(file) > 1
}

#[cfg(not(unix))]
fn is_linked(_file: &std::fs::Metadata) -> bool {
    false
}

fn is_name(name: &str) -> bool {
    let random = name.strip_prefix(PREFIX).map(|rest| rest.strip_suffix(GONE).unwrap_or(rest));
    random.is_some_and(|random| random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// A work directory, if no process works in it any more.
fn left_over(path: &Utf8Path, whose: Place) -> Option<Held> {
    let is_old = || {
        let modified = path.symlink_metadata().and_then(|metadata| metadata.modified()).ok()?;
        SystemTime::now().duration_since(modified).ok().filter(|age| *age > OLD)
    };
    let path = path.to_owned();
    let lock = match OpenOptions::new().write(true).open(path.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // It was killed before it made the lock. If it is only about to: it sees that its directory is gone, and
            // makes another. Nothing but an empty directory can be deleted so.
            if fs_err::remove_dir(&path).is_ok() || whose == Place::OfTheUser {
                return None;
            }
            // A process locks its work directory before it puts anything in it. So a child of a killed process made
            // this one: the child went on for a while after the directory was removed.
            return Some(Held { path, lock: None });
        }
        Err(_) => return None,
    };
    match lock.file().try_lock() {
        Ok(()) => Some(Held { path, lock: Some(lock) }),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(_)) => is_old().map(|_| Held { path: path.clone(), lock: Some(lock) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::WorkDirectory;

    #[test]
    fn only_names_of_work_directories_are_taken_for_some() {
        for name in [".work-a1B2c3", ".work-a1B2c3.gone"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["work-a1B2c3", ".work-", ".work-in-progress", ".work-a1B2c", ".work-a1B2c3.lock", ".work-a.b.c."] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_directory_belongs_to_the_process_with_its_lock() {
        let scratch = tempfile::tempdir().unwrap();
        let parent = Utf8Path::from_path(scratch.path()).unwrap();
        let mine = WorkDirectory::new_in(parent).unwrap();
        fs_err::write(mine.path().join("made"), "half").unwrap();
        // As if two other processes had been killed, one before it made its lock and one later; and directories of the
        // user that only look like ours.
        fs_err::create_dir(parent.join(".work-aaaaaa")).unwrap();
        fs_err::create_dir_all(parent.join(".work-bbbbbb/made")).unwrap();
        fs_err::write(parent.join(".work-bbbbbb/made/file"), "half").unwrap();
        fs_err::write(parent.join(".work-bbbbbb").join(LOCK), "").unwrap();
        fs_err::create_dir_all(parent.join(".work-backup/thesis")).unwrap();
        fs_err::create_dir_all(parent.join(".work-stuff1/thesis")).unwrap();
        assert_eq!(remove_leftovers(parent, Place::OfTheUser), 4);
        assert!(mine.path().join("made").exists());
        drop(mine);
        let mut left = parent.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned());
        assert_eq!(left.by_ref().filter(|name| name.starts_with(".work-")).count(), 2, "the user's own");
    }
}
