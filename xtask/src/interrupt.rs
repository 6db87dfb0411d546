//! What must not outlive the work: work directories and child processes, on success, on failure and on Ctrl-C.

mod work;

use std::io::{self, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use speaches_format::exit::Exit;

use crate::progress;
use work::Held;
pub use work::{Place, WorkDirectory, bytes_given_back, remove_leftovers};

static OPEN: Mutex<Open> = Mutex::new(Open { directories: Vec::new(), children: Vec::new() });
static CREATING: RwLock<()> = RwLock::new(());
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What is going on. Whoever begins something holds the lock until it is on the list, or Ctrl-C in between would
/// leave it behind.
struct Open {
    directories: Vec<Held>,
    children: Vec<u32>,
}

fn open() -> MutexGuard<'static, Open> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
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
        progress::end();
        // Neither is given back: nobody may begin something new now.
        let _creating = CREATING.write().unwrap_or_else(PoisonError::into_inner);
        let mut open = open();
        for child in &open.children {
            kill(*child);
        }
        for held in &mut open.directories {
            if cfg!(windows) {
                held.give_up();
            }
            // Other threads may still be writing into it. Under its new name they cannot find it any more; only
            // what they were just about to do can still land in it.
            let gone = held.path.with_file_name(format!("{}{}", held.path.file_name().unwrap_or_default(), work::GONE));
            if fs_err::rename(&held.path, &gone).is_ok() {
                held.path = gone;
            }
            for _ in 0..50 {
                if held.remove().is_ok() || !held.path.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        progress::fail("interrupted: nothing half made is left, and what was fetched is kept for the next time");
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
