//! How programs of this project fail: a message for a person, a hint where there is one, a code for a program.

use std::fmt;

pub use crate::exit::Exit;

/// An error whose exit code is decided where it is raised.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure that ends the program with `exit`.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
