//! Harbor's `override.env`: variables for one service, which `harbor env speaches NAME VALUE` writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};

/// What the file says.
#[derive(Debug, Default)]
pub struct OverrideEnv {
    /// Where it is.
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
        let text = fs_err::read_to_string(path)
            .map_err(|error| Failure::new(Exit::NoInput, format!("Harbor's settings cannot be read: {error}")))?;
        let mut variables = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, value)) = line.split_once('=').filter(|(name, _)| is_name(name.trim())) else {
                // N.B. the line may hold a secret, so it is not shown.
                let said = format!("`{}`, line {}: this is no `NAME=VALUE`", path.display(), index + 1);
                return Err(Failure::new(Exit::Data, said).hint("Harbor writes this file: `harbor env speaches`"));
            };
            let value = unquote(value.trim());
            if !value.is_empty() {
                variables.insert(name.trim().to_owned(), value.to_owned());
            }
        }
        Ok(Self { path: path.to_owned(), variables })
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Without quotes around it, or without the comment behind it.
fn unquote(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some((inner, _)) = text.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inner;
        }
    }
    text.split_once(" #").map_or(text, |(value, _)| value.trim_end())
}
