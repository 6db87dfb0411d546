//! A value and its origin.

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

use super::setting_table::Definition;

pub struct Setting {
    pub definition: &'static Definition,
    /// Its value; null where there is none.
    pub value: Value,
    pub origin: Origin,
}

/// The setting of this name, if it is there.
#[must_use]
pub fn find<'a>(settings: &'a [Setting], key: &str) -> Option<&'a Setting> {
    settings.iter().find(|setting| setting.definition.key == key)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    CommandLine(&'static str),
    Environment(&'static str),
    /// The variable of this name in this `override.env` of Harbor's.
    OverrideEnv(&'static str, PathBuf),
    File(PathBuf),
    /// The user did not set it.
    Default,
}

impl Origin {
    /// How strong it is: the weakest is 0.
    #[must_use]
    pub const fn strength(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(_) => 1,
            Self::OverrideEnv(..) => 2,
            Self::Environment(_) => 3,
            Self::CommandLine(_) => 4,
        }
    }

    #[must_use]
    pub const fn layer(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File(_) => "file",
            Self::OverrideEnv(..) => "override.env",
            Self::Environment(_) => "environment",
            Self::CommandLine(_) => "command line",
        }
    }

    /// The flag, variable or file, where there is one.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Default => None,
            Self::File(path) => Some(path.display().to_string()),
            Self::OverrideEnv(name, _) | Self::Environment(name) => Some((*name).to_owned()),
            Self::CommandLine(name) => Some(format!("--{name}")),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(name) => write!(f, "command line (--{name})"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::OverrideEnv(name, path) => write!(f, "{name} in `{}`", path.display()),
            Self::File(path) => write!(f, "`{}`", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}
