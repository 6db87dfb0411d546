//! Lists the files below a directory.

use std::path::{Path, PathBuf};

/// Every file below a directory, relative to it, sorted; symbolic links to files are files.
pub fn files_below(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        for entry in fs_err::read_dir(directory.join(&relative))? {
            let entry = entry?;
            let path = relative.join(entry.file_name());
            if entry.file_type()?.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    files.sort_unstable();
    Ok(files)
}
