//! Gives the rules a fingerprint, so that what was rewritten by older ones is not taken for current.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=src");
    let mut files = Vec::new();
    collect(Path::new("src"), &mut files);
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.to_string_lossy().replace('\\', "/").hash(&mut hasher);
        let text = String::from_utf8_lossy(&read(&file)).replace("\r\n", "\n");
        text.hash(&mut hasher);
    }
    println!("cargo:rustc-env=DOWNLEVEL_RULES={:016x}", hasher.finish());
}

#[expect(clippy::disallowed_methods, reason = "fs-err would be a dependency for messages that nobody sees")]
fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "fs-err would be a dependency for messages that nobody sees")]
fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
