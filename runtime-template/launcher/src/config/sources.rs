//! The sources of values that are not flags.

use std::path::PathBuf;

use speaches_format::system::System;

/// The sources of values that are not flags; tests replace them.
pub struct Sources<'a> {
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The YAML file that is read when no flag names another.
    pub contract: PathBuf,
    /// The base of relative paths.
    pub directory: PathBuf,
    /// Decides where the directories of the user are.
    pub system: System,
}

impl Sources<'_> {
    /// A variable that is set and not empty.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|text| !text.is_empty())
    }

    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        let profile = || self.variable("USERPROFILE").filter(|_| self.system == System::Windows);
        self.variable("HOME").or_else(profile).map(PathBuf::from)
    }

    /// A variable that names a path, which becomes absolute.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let text = self.variable(name)?;
        self.home().filter(|_| text == "~" || text.starts_with("~/")).map_or_else(
            || Some(self.directory.join(&text)),
            |home| Some(home.join(text.trim_start_matches('~').trim_start_matches('/'))),
        )
    }
}
