//! Directories below a place where every user may write.

use std::path::Path;

#[cfg(unix)]
use speaches_format::failure::Exit;
use speaches_format::failure::Failure;

/// Makes the state directory if it lies in a directory for temporary files, where another user may have put one of this
/// name: it has to belong to this user alone. Elsewhere the service makes it.
///
/// # Errors
/// [`Exit::CannotCreate`] when it cannot be made or belongs to another user.
#[cfg(unix)]
pub fn make(directory: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
    let temporary = std::env::temp_dir();
    let Some(top) = directory.strip_prefix(&temporary).ok().and_then(|inside| inside.iter().next()) else {
        return Ok(());
    };
    let top = temporary.join(top);
    let uid = nix::unistd::Uid::effective().as_raw();
    if top.file_name().is_none_or(|name| name.to_string_lossy() != format!("speaches-{uid}")) {
        return Ok(());
    }
    let refuse = |reason: String| {
        Failure::new(Exit::CannotCreate, format!("the state cannot be kept in `{}`: {reason}", top.display()))
            .hint("set HOME, or name a directory with `--state-dir`")
    };
    let mut builder = std::fs::DirBuilder::new();
    if let Err(error) = builder.mode(0o700).create(&top)
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(refuse(error.to_string()));
    }
    let metadata = top.symlink_metadata().map_err(|error| refuse(error.to_string()))?;
    if !metadata.is_dir() || metadata.uid() != uid {
        return Err(refuse("it belongs to another user".to_owned()));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(refuse("other users can read or write it; `chmod 700` prevents that".to_owned()));
    }
    Ok(())
}

/// On Windows the directory for temporary files is the user's own.
#[cfg(not(unix))]
pub fn make(_directory: &Path) -> Result<(), Failure> {
    Ok(())
}
