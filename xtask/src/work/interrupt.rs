//! On Ctrl-C the tool removes incomplete output, then ends.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use speaches_format::exit::Exit;

use super::child::kill;
use super::held::GONE;
use super::open::{CREATING, open};
use crate::report;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C end the children and remove the work directories before the program ends.
pub fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        report::end();
        // Neither lock is released: no thread may begin something new now.
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
            let gone = held.path.with_file_name(format!("{}{}", held.path.file_name().unwrap_or_default(), GONE));
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
        report::fail("interrupted: incomplete output was removed, and downloads are kept");
        std::process::exit(Exit::Interrupted.code().into());
    })
    .context("cannot handle Ctrl-C")
}

/// Parks this thread after Ctrl-C, so that the tool does not report errors that Ctrl-C caused.
pub fn park_until_exit() {
    if INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_secs(60));
    }
}
