//! The open work of this process, for Ctrl-C to end.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use camino::Utf8Path;

use super::held::Held;

static OPEN: Mutex<Open> = Mutex::new(Open { directories: Vec::new(), children: Vec::new() });
/// Held for writing when this process ends.
pub static CREATING: RwLock<()> = RwLock::new(());

/// The work directories and child processes of this process. A caller that creates one holds the lock until it is on
/// the list; otherwise Ctrl-C in between would leave it behind.
pub struct Open {
    pub directories: Vec<Held>,
    pub children: Vec<u32>,
}

pub fn open() -> MutexGuard<'static, Open> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a directory inside a work directory, with all that lead to it.
///
/// After Ctrl-C this waits for the end instead: it would bring back the work directory that was just removed.
pub fn create_inside(directory: &Utf8Path) -> io::Result<()> {
    uninterruptible(|| fs_err::create_dir_all(directory))
}

/// Runs `work` to its end before Ctrl-C ends the process, since half of it would be worse than none.
pub fn uninterruptible<T>(work: impl FnOnce() -> T) -> T {
    let _creating = CREATING.read().unwrap_or_else(PoisonError::into_inner);
    work()
}
