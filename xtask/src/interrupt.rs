//! What must not outlive the work: work directories and child processes, on success, on failure and on Ctrl-C.

use std::io::{self, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use speaches_launcher::exit::Exit;

static OPEN: Mutex<Open> = Mutex::new(Open { directories: Vec::new(), children: Vec::new() });
static CREATING: RwLock<()> = RwLock::new(());
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Names of work directories begin so; whoever finds an old one may delete it.
pub const PREFIX: &str = ".work-";

/// What is going on. Whoever begins something holds the lock until it is on the list, or Ctrl-C in between would
/// leave it behind.
struct Open {
    directories: Vec<Utf8PathBuf>,
    children: Vec<u32>,
}

fn open() -> MutexGuard<'static, Open> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory for something half made. It is removed when dropped, and when the user presses Ctrl-C.
#[derive(Debug)]
pub struct WorkDirectory {
    path: Utf8PathBuf,
}

impl WorkDirectory {
    /// Makes a new directory inside `parent`, which is made too when it is not there.
    pub fn new_in(parent: &Utf8Path) -> Result<Self> {
        fs_err::create_dir_all(parent)?;
        let mut open = open();
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(parent)
            .with_context(|| format!("cannot make a work directory in `{parent}`"))?;
        let path = Utf8PathBuf::from_path_buf(directory.keep())
            .map_err(|path| anyhow::anyhow!("`{}` is not valid UTF-8", path.display()))?;
        open.directories.push(path.clone());
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        let mut open = open();
        let _ = fs_err::remove_dir_all(&self.path);
        open.directories.retain(|directory| *directory != self.path);
    }
}

/// Makes a directory inside a work directory, with all that lead to it.
///
/// After Ctrl-C this waits for the end instead: it would bring back the work directory that was just removed.
pub fn create_inside(directory: &Utf8Path) -> io::Result<()> {
    undivided(|| fs_err::create_dir_all(directory))
}

/// Does something that Ctrl-C has to wait for, since half of it would be worse than none.
pub fn undivided<T>(work: impl FnOnce() -> T) -> T {
    let _creating = CREATING.read().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// Runs a command to its end with this on its standard input. On Ctrl-C it is ended, too.
pub fn output(command: &mut Command, input: &[u8]) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = {
        let mut open = open();
        let child = command.spawn()?;
        open.children.push(child.id());
        child
    };
    let id = child.id();
    let result = feed(&mut child, input).and_then(|()| child.wait_with_output());
    open().children.retain(|known| *known != id);
    result
}

fn feed(child: &mut Child, input: &[u8]) -> io::Result<()> {
    let Some(mut stdin) = child.stdin.take() else { return Ok(()) };
    match stdin.write_all(input) {
        // It ended before it had read all; how it ended says more than this.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Makes Ctrl-C end the children and remove the work directories before the program ends.
///
/// # Errors
/// When the system refuses a signal handler.
pub fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        // Neither is given back: nobody may begin something new now.
        let _creating = CREATING.write().unwrap_or_else(PoisonError::into_inner);
        let open = open();
        for child in &open.children {
            kill(*child);
        }
        for path in &open.directories {
            // Other threads may still be writing into it. Under its new name they cannot find it any more; only
            // what they were just about to do can still land in it.
            let gone = path.with_file_name(format!("{}.gone", path.file_name().unwrap_or(PREFIX)));
            let _ = fs_err::rename(path, &gone);
            for _ in 0..50 {
                if fs_err::remove_dir_all(&gone).is_ok() || !gone.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        eprintln!("\ninterrupted: nothing half made is left, and what was fetched is kept for the next time");
        std::process::exit(Exit::Interrupted.code().into());
    })
    .context("cannot handle Ctrl-C")
}

#[cfg(unix)]
fn kill(child: u32) {
    use rustix::process::{Pid, Signal, kill_process, test_kill_process};
    let Some(pid) = i32::try_from(child).ok().and_then(Pid::from_raw) else { return };
    let _ = kill_process(pid, Signal::KILL);
    // Until it is really gone it may make a directory again. The thread that waits for it will see its end.
    for _ in 0..200 {
        if test_kill_process(pid).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(not(unix))]
fn kill(_child: u32) {
    // The console sends Ctrl-C to all of its processes.
}

/// Waits for the end when Ctrl-C was pressed, so that errors that it caused are not reported as failures.
pub fn settle() {
    if INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_secs(60));
    }
}
