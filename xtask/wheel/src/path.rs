//! Paths that stay inside the directory they are joined to.

use serde::{Deserialize, Serialize};

/// A relative path with `/` that stays inside the directory it is joined to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelativePath(String);

/// A path that does not stay inside, or that not every system can have.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not a path inside a directory that every system can have", .0.escape_debug())]
pub struct Escapes(String);

/// The longest name on every file system here, in bytes: `NAME_MAX` of Linux, and as many UTF-16 units on the others.
const LONGEST_PART: usize = 255;
/// The longest path on every system here, in bytes: `PATH_MAX` of macOS is the least.
const LONGEST: usize = 1024;

impl TryFrom<String> for RelativePath {
    type Error = Escapes;

    fn try_from(path: String) -> Result<Self, Escapes> {
        let plain = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.len() <= LONGEST_PART
                && !part.contains(['\\', ':'])
                && !part.contains(char::is_control)
                && !part.ends_with(['.', ' '])
        };
        if path.len() <= LONGEST && path.split('/').all(plain) { Ok(Self(path)) } else { Err(Escapes(path)) }
    }
}

impl From<RelativePath> for String {
    fn from(path: RelativePath) -> Self {
        path.0
    }
}

impl RelativePath {
    /// Checks a path.
    pub fn new(path: impl Into<String>) -> Result<Self, Escapes> {
        Self::try_from(path.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same path below a directory of the runtime.
    pub fn below(&self, directory: &str) -> Self {
        if directory.is_empty() { self.clone() } else { Self(format!("{directory}/{}", self.0)) }
    }
}

/// A text as file systems without case compare it: to some of them `ſ` is an `s`.
pub fn fold(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::RelativePath;

    #[test]
    fn a_path_that_leaves_its_directory_is_refused() {
        for good in ["a", "a/b.py", "a b/c-d+e", "ä/ß.py", &"n".repeat(255)] {
            assert!(RelativePath::new(good).is_ok(), "{good}");
        }
        for bad in
            ["", "/a", "a//b", "../a", "a/../../b", "a/.", "C:/a", "a\\b", "a/b.", "a/b ", "a\0", "a\nb", "a\u{85}"]
        {
            assert!(RelativePath::new(bad).is_err(), "{bad}");
        }
        for long in ["n".repeat(256), "n/".repeat(512) + "nn"] {
            assert!(RelativePath::new(long).is_err());
        }
    }

    #[test]
    fn a_message_shows_what_cannot_be_seen() {
        let message = RelativePath::new("a\u{1b}[2Jb").unwrap_err().to_string();
        assert!(message.contains("`a\\u{1b}[2Jb`"), "{message}");
    }
}
