//! Harbor's `override.env`: variables for one service, which `harbor env speaches NAME VALUE` writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use speaches_format::failure::{Exit, Failure};

#[derive(Debug, Default)]
pub struct OverrideEnv {
    pub path: PathBuf,
    /// Variables that are not empty.
    pub variables: BTreeMap<String, String>,
}

impl OverrideEnv {
    /// Finds the file: of the Harbor that `HARBOR_HOME` names, else of the one in the user's home.
    #[must_use]
    pub fn find(harbor_home: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
        let harbor = harbor_home.map(Path::to_owned).or_else(|| home.map(|home| home.join(".harbor")))?;
        // Releases have services/, older checkouts do not.
        let places = ["services/speaches/override.env", "speaches/override.env"];
        places.iter().map(|place| harbor.join(place)).find(|path| path.is_file())
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`Exit::Data`] with the line that is no `NAME=VALUE`, [`Exit::NoInput`] when it cannot be read.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs_err::read_to_string(path).map_err(|error| cannot_read(&error))?;
        let mut variables = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            match Line::parse(line) {
                Line::Empty => {}
                Line::Assignment(name, value) => insert(&mut variables, name, value),
                Line::Other => {
                    // N.B. the line may hold a secret, so it is not shown.
                    let said = format!("`{}`, line {}: this is not `NAME=VALUE`", path.display(), index + 1);
                    return Err(Failure::new(Exit::Data, said).hint("Harbor writes this file: `harbor env speaches`"));
                }
            }
        }
        Ok(Self { path: path.to_owned(), variables })
    }
}

/// The variables of Harbor's `.env` that are not empty. As for Harbor itself, a line that is something else is none of them.
///
/// # Errors
/// [`Exit::NoInput`] when it cannot be read.
pub fn read_leniently(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let bytes = fs_err::read(path).map_err(|error| cannot_read(&error))?;
    let mut variables = BTreeMap::new();
    for line in String::from_utf8_lossy(&bytes).lines() {
        if let Line::Assignment(name, value) = Line::parse(line) {
            insert(&mut variables, name, value);
        }
    }
    Ok(variables)
}

enum Line<'a> {
    /// Nothing, or a comment.
    Empty,
    Assignment(&'a str, &'a str),
    Other,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            return Self::Empty;
        }
        match line.split_once('=') {
            Some((name, value)) if is_name(name.trim()) => Self::Assignment(name.trim(), unquote(value.trim())),
            _ => Self::Other,
        }
    }
}

fn insert(variables: &mut BTreeMap<String, String>, name: &str, value: &str) {
    if !value.is_empty() {
        variables.insert(name.to_owned(), value.to_owned());
    }
}

fn cannot_read(error: &std::io::Error) -> Failure {
    Failure::new(Exit::NoInput, format!("Harbor's settings cannot be read: {error}"))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Without quotes around it, or without the comment behind it. Harbor puts quotes around a value and leaves those in it as
/// they are, so the last quote is the one with nothing but a comment behind it.
fn unquote(text: &str) -> &str {
    for quote in ['"', '\''] {
        let Some(inner) = text.strip_prefix(quote) else { continue };
        let is_last = |rest: &str| rest.is_empty() || rest.starts_with('#');
        let mut ends = inner.match_indices(quote).map(|(end, _)| end);
        if let Some(end) = ends.find(|end| is_last(inner[end + 1..].trim_start())) {
            return &inner[..end];
        }
    }
    text.split_once(" #").map_or(text, |(value, _)| value.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_comments_around_a_value_are_not_part_of_it() {
        for (text, value) in [
            (r#""a b""#, "a b"),
            (r#""a" # "b""#, "a"),
            (r#""a # b""#, "a # b"),
            ("'a' #b", "a"),
            // As `harbor env speaches ALLOW_ORIGINS '["http://a", "http://b"]'` writes it.
            (r#""["http://a", "http://b"]""#, r#"["http://a", "http://b"]"#),
            ("a #b", "a"),
            ("a#b", "a#b"),
            (r#""a"#, r#""a"#),
            ("", ""),
        ] {
            assert_eq!(unquote(text), value, "{text}");
        }
    }
}
