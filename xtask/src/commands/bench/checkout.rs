//! What git knows about a directory with source.

use std::process::{Command, Stdio};

use camino::Utf8Path;

/// The commit of a checkout; nothing when it is none. (A source archive that lies in somebody's checkout has no commit.)
pub fn commit(directory: &Utf8Path) -> Option<String> {
    if directory.join(".git").exists() { git(directory, &["rev-parse", "HEAD"]) } else { None }
}

/// Whether files of its commit were changed.
pub fn is_changed(directory: &Utf8Path) -> bool {
    let changes = git(directory, &["status", "--porcelain", "--untracked-files=no"]);
    changes.is_some_and(|changes| !changes.is_empty())
}

fn git(directory: &Utf8Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    let output = command.arg("-C").arg(directory).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
