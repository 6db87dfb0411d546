//! Harbor's own settings: those in its `.env`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use speaches_format::failure::Failure;

use super::home::Home;
use crate::config::Sources;
use crate::config::override_env;

/// A Harbor makes its `.env` of the second one when it runs for the first time.
const PLACES: [&str; 2] = [".env", "profiles/default.env"];
/// Whether a Harbor with a native mode starts the service or the container: the first that says something decides.
const PREFERENCES: [&str; 2] = ["HARBOR_SPEACHES_EXECUTION_PREFERENCE", "HARBOR_EXECUTION_PREFERENCE"];

#[derive(Default)]
pub struct Settings {
    /// The path of the file, if it exists.
    path: Option<PathBuf>,
    said: BTreeMap<String, String>,
}

impl Settings {
    /// Reads its `.env`, or what that will be.
    pub fn read(home: &Home) -> Result<Self, Failure> {
        match PLACES.iter().map(|place| home.path.join(place)).find(|path| path.is_file()) {
            Some(path) => Ok(Self { said: override_env::read_leniently(&path)?, path: Some(path) }),
            None => Ok(Self::default()),
        }
    }

    /// A setting as docker compose finds it: the environment is stronger than the file.
    #[must_use]
    pub fn get(&self, name: &str, sources: &Sources<'_>) -> Option<String> {
        sources.variable(name).or_else(|| self.said.get(name).cloned())
    }

    /// The place of a setting, for messages.
    #[must_use]
    pub fn place(&self, name: &str, sources: &Sources<'_>) -> String {
        match &self.path {
            Some(path) if sources.variable(name).is_none() => format!("{name} in `{}`", path.display()),
            _ => format!("the environment variable {name}"),
        }
    }

    /// The prefix of the names of Harbor's containers.
    #[must_use]
    pub fn container_prefix(&self, sources: &Sources<'_>) -> String {
        self.get("HARBOR_CONTAINER_PREFIX", sources).unwrap_or_else(|| "harbor".to_owned())
    }

    /// Whether a Harbor with a native mode starts the service itself. It looks into its file only; where that says
    /// nothing, the system decides.
    #[must_use]
    pub fn prefers_native(&self, by_default: bool) -> bool {
        let says = |name: &&str| match self.said.get(*name).map(String::as_str) {
            Some("native") => Some(true),
            Some("container") => Some(false),
            _ => None,
        };
        PREFERENCES.iter().find_map(says).unwrap_or(by_default)
    }

    /// The services that `harbor up` starts by default.
    #[must_use]
    pub fn default_services(&self) -> Vec<String> {
        let list = self.said.get("HARBOR_SERVICES_DEFAULT").map_or("", String::as_str);
        list.split([';', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harbor::home::Flavor;

    fn read(text: &str, place: &str) -> Settings {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(place);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
        Settings::read(&Home { path: directory.path().to_owned(), flavor: Flavor::Stock }).unwrap()
    }

    #[test]
    fn the_preference_for_the_service_is_stronger_than_that_for_all_and_that_than_the_system() {
        for (text, by_default, native) in [
            ("", false, false),
            ("", true, true),
            ("HARBOR_EXECUTION_PREFERENCE=native\n", false, true),
            ("HARBOR_EXECUTION_PREFERENCE=native\nHARBOR_SPEACHES_EXECUTION_PREFERENCE=\"container\"\n", true, false),
            ("HARBOR_SPEACHES_EXECUTION_PREFERENCE=\"native\"\n", false, true),
            ("HARBOR_SPEACHES_EXECUTION_PREFERENCE=\"\"\n", true, true),
        ] {
            assert_eq!(read(text, ".env").prefers_native(by_default), native, "{text}");
        }
    }

    #[test]
    fn a_line_that_is_no_assignment_is_skipped_as_harbor_does() {
        let settings = read("HARBOR_A=1\n<<<<<<< HEAD\nfoo bar\nb-c=2\nexport HARBOR_SERVICES_DEFAULT=webui\n", ".env");
        assert_eq!(settings.default_services(), ["webui"]);
        assert_eq!(settings.said.len(), 2);
    }

    #[test]
    fn a_harbor_that_never_ran_has_the_settings_of_its_default_profile() {
        let settings = read("HARBOR_SERVICES_DEFAULT=\"webui;llamacpp\"\n", "profiles/default.env");
        assert_eq!(settings.default_services(), ["webui", "llamacpp"]);
        assert!(read("", ".env").default_services().is_empty());
    }
}
