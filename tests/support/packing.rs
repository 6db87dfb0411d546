//! Packing a runtime with the tool.

use camino::{Utf8Path, Utf8PathBuf};

use super::{run, xtask};

pub const LINUX: &str = "x86_64-unknown-linux-gnu";
pub const WINDOWS: &str = "x86_64-pc-windows-msvc";

/// Packs a runtime and returns where the bundle is, which is all that is said on standard output.
pub fn bundle(runtime: &Utf8Path, out: &Utf8Path, more: &[&str]) -> Utf8PathBuf {
    let ended = run(xtask(&["bundle", runtime.as_str(), "--out", out.as_str()]).args(more)).expect(0);
    let path = Utf8PathBuf::from(ended.stdout.trim_end());
    assert_eq!(path.parent(), Some(out));
    assert!(path.is_file());
    path
}

/// The names in a directory, sorted.
pub fn names(directory: &Utf8Path) -> Vec<String> {
    let mut names =
        directory.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned()).collect::<Vec<_>>();
    names.sort();
    names
}
