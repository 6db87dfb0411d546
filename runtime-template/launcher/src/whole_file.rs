//! Files that other programs read while this one writes them.

use std::io;
use std::path::Path;

/// Writes a file and its directories. Half of it is never there: it is renamed when it is whole. `mode` counts on Unix.
///
/// # Errors
/// What the system says; then the file is as it was.
pub fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let scratch = path.with_extension(format!("{}.part", std::process::id()));
    let written = (|| {
        fs_err::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        fs_err::write(&scratch, text)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs_err::set_permissions(&scratch, std::fs::Permissions::from_mode(mode))?;
        }
        #[cfg(not(unix))]
        let _ = mode;
        fs_err::rename(&scratch, path)
    })();
    if written.is_err() {
        // It is a file of this process, and the error that counts is known.
        let _ = fs_err::remove_file(&scratch);
    }
    written
}
