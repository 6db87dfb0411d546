//! All settings, as they were resolved.

use std::collections::BTreeMap;

use super::origin::{self, Origin, Setting};
use super::values::Values;

/// Everything that starting the service needs to know.
pub struct Config {
    pub values: Values,
    /// The same values with their origins, in the order of the table.
    pub settings: Vec<Setting>,
    /// Variables for upstream's own settings, from the YAML file and from `override.env`. The real environment is
    /// stronger than they are.
    pub environment: BTreeMap<String, String>,
    /// Problems that do not stop the service.
    pub warnings: Vec<String>,
}

impl Config {
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        origin::find(&self.settings, key)
    }

    /// Whether the user left a setting at its default.
    #[must_use]
    pub fn is_default(&self, key: &str) -> bool {
        self.setting(key).is_none_or(|setting| matches!(setting.origin, Origin::Default))
    }

    /// The origin of a setting, for messages.
    #[must_use]
    pub fn origin(&self, key: &str) -> String {
        self.setting(key).map_or_else(String::new, |setting| setting.origin.to_string())
    }
}
