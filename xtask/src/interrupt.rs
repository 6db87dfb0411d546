//! Work directories that disappear with the work: on success, on failure and on Ctrl-C.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use speaches_launcher::exit::Exit;

static OPEN: Mutex<Vec<Utf8PathBuf>> = Mutex::new(Vec::new());
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Names of work directories begin so; whoever finds an old one may delete it.
pub const PREFIX: &str = ".work-";

/// A directory for something half made. It is removed when dropped, and when the user presses Ctrl-C.
#[derive(Debug)]
pub struct WorkDirectory {
    path: Utf8PathBuf,
}

impl WorkDirectory {
    /// Makes a new directory inside `parent`, which is made too when it is not there.
    pub fn new_in(parent: &Utf8Path) -> Result<Self> {
        fs_err::create_dir_all(parent)?;
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(parent)
            .with_context(|| format!("cannot make a work directory in `{parent}`"))?;
        let path = Utf8PathBuf::from_path_buf(directory.keep())
            .map_err(|path| anyhow::anyhow!("`{}` is not valid UTF-8", path.display()))?;
        lock().push(path.clone());
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        let _ = fs_err::remove_dir_all(&self.path);
        lock().retain(|open| *open != self.path);
    }
}

fn lock() -> std::sync::MutexGuard<'static, Vec<Utf8PathBuf>> {
    OPEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Makes Ctrl-C remove the open work directories before the program ends.
///
/// # Errors
/// When the system refuses a signal handler.
pub fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        for path in lock().iter() {
            // Other threads may still be writing into it. Under its new name they cannot find it any
            // more, so nothing appears in it again while it is being removed.
            let gone = path.with_file_name(format!("{}.gone", path.file_name().unwrap_or(PREFIX)));
            let _ = fs_err::rename(path, &gone);
            let _ = fs_err::remove_dir_all(&gone);
        }
        eprintln!("\ninterrupted: nothing half made is left, and what was fetched whole is kept");
        std::process::exit(Exit::Interrupted.code().into());
    })
    .context("cannot handle Ctrl-C")
}

/// Waits for the end when Ctrl-C was pressed, so that errors that it caused are not reported as failures.
pub fn settle() {
    if INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_secs(60));
    }
}
