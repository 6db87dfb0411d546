//! Checks that the disk has space for a download before it begins.

use anyhow::{Result, bail};
use camino::Utf8Path;

use crate::base::failure::{Exit, Failure};
use crate::base::quantity::human_size;

/// Fails when the disk of a directory has no space for so many more bytes. Passes when the free space is unknown.
pub fn check(directory: &Utf8Path, bytes: u64, what: &str) -> Result<()> {
    let Some(free) = free(directory) else { return Ok(()) };
    if bytes <= free {
        return Ok(());
    }
    bail!(
        Failure::new(
            Exit::InputOutput,
            format!(
                "not enough space for {what} in `{directory}`: {} to download, {} free, {} missing",
                human_size(bytes),
                human_size(free),
                human_size(bytes - free)
            )
        )
        .hint("free some space, or put the store elsewhere with `SPEACHES_STORE`. Downloads are kept")
    );
}

/// The free space for this user on the file system of a directory, which need not exist yet. In bytes.
#[cfg(unix)]
fn free(directory: &Utf8Path) -> Option<u64> {
    let there = directory.ancestors().find(|ancestor| ancestor.exists())?;
    let answer = rustix::fs::statvfs(there.as_std_path()).ok()?;
    // Some network and FUSE file systems know nothing about themselves.
    if answer.f_blocks == 0 { None } else { answer.f_bavail.checked_mul(answer.f_frsize) }
}

#[cfg(not(unix))]
fn free(_directory: &Utf8Path) -> Option<u64> {
    None
}
