//! How the tool fails: a message for a person, a hint where there is one, and an exit code for a program.

use std::fmt::Write as _;
use std::io;

pub use speaches_format::failure::{Exit, Failure};

/// The exit code of an error: that of the first [`Failure`] in its chain, else what its I/O error says.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(failure) = error.chain().find_map(|cause| cause.downcast_ref::<Failure>()) {
        return failure.exit;
    }
    match io_kind(error) {
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => Exit::CannotCreate,
        Some(io::ErrorKind::NotFound) => Exit::NoInput,
        Some(_) => Exit::InputOutput,
        None => Exit::Internal,
    }
}

/// The text that a user gets to see for an error.
pub fn describe(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        let _ = write!(text, "\n  caused by: {cause}");
    }
    let hint = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Failure>())
        .and_then(|failure| failure.advice().map(str::to_owned))
        .or_else(|| io_hint(error));
    if let Some(hint) = hint {
        let _ = write!(text, "\nhint: {hint}");
    }
    text
}

fn io_kind(error: &anyhow::Error) -> Option<io::ErrorKind> {
    error.chain().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind)
}

fn io_hint(error: &anyhow::Error) -> Option<String> {
    let hint = match io_kind(error)? {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full; free some space, or put the store elsewhere with `SPEACHES_STORE` and the runtime \
             elsewhere with `--out`. Downloads are kept"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a place you can write to with `--out` for the runtime or `SPEACHES_STORE` for the store"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
