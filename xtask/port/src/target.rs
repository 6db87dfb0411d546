//! The minor version of CPython that the source is rewritten for.

use std::fmt;

/// A CPython minor version that source can be rewritten for.
///
/// There are few values and one constructor, since every rule of this crate was written against a list of
/// what that minor lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    minor: u8,
}

/// A version that [`Target::parse`] does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("source cannot be ported to Python `{0}`\nhint: choose 3.10 or 3.11")]
pub struct UnknownTarget(String);

impl Target {
    /// Python 3.10.
    pub const PYTHON_3_10: Self = Self { minor: 10 };
    /// Python 3.11.
    pub const PYTHON_3_11: Self = Self { minor: 11 };

    /// Reads `3.10` or `3.11`.
    ///
    /// # Errors
    /// Any other text is an [`UnknownTarget`].
    pub fn parse(text: &str) -> Result<Self, UnknownTarget> {
        match text {
            "3.10" => Ok(Self::PYTHON_3_10),
            "3.11" => Ok(Self::PYTHON_3_11),
            _ => Err(UnknownTarget(text.to_owned())),
        }
    }

    /// The first number of the version: 3.
    #[must_use]
    pub fn major(self) -> u8 {
        3
    }

    /// The second number of the version: 10 for Python 3.10.
    #[must_use]
    pub fn minor(self) -> u8 {
        self.minor
    }

    /// Whether something that appeared in Python 3.`since` exists at this version.
    pub(crate) fn has(self, since: u8) -> bool {
        since <= self.minor
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "3.{}", self.minor)
    }
}
