//! What the service is started with, and who said so.
//!
//! Strongest first: command line, environment, Harbor's `override.env`, YAML, defaults. An empty environment variable
//! counts as unset, because Harbor passes the ones it does not know as empty text.

mod api_key;
pub mod directories;
pub mod document;
pub mod file;
pub mod flags;
pub mod kind;
pub mod options;
mod origin;
pub mod override_env;
mod service_options;
#[cfg(test)]
pub(crate) mod tests;
mod values;
pub mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use speaches_format::description::Head;
use speaches_format::failure::{Exit, Failure};
use speaches_format::system::System;

use file::SettingsFile;
pub use flags::Flags;
use kind::Place;
use options::{Definition, Flag, OPTIONS};
pub use origin::{Origin, Setting};
use override_env::OverrideEnv;
pub use service_options::ServiceOptions;
pub use values::Values;

/// Everything that starting the service needs to know.
pub struct Config {
    /// The values, typed.
    pub values: Values,
    /// The same values with who said so, in the order of the table.
    pub settings: Vec<Setting>,
    /// Variables for upstream's own settings, from the YAML file and from `override.env`. The real environment is
    /// stronger than they are.
    pub environment: BTreeMap<String, String>,
    /// What the user should know and what does not stop the service.
    pub warnings: Vec<String>,
}

/// Where values that are not flags come from, so that tests can put something in their place.
pub struct Sources<'a> {
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The YAML file that is read when no flag names another.
    pub contract: PathBuf,
    /// What a relative path is relative to: the working directory.
    pub directory: PathBuf,
    /// Where directories of the user are.
    pub system: System,
}

impl Sources<'_> {
    /// A variable that is set and not empty.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|text| !text.is_empty())
    }

    /// The user's home directory.
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

impl Config {
    /// Puts the layers together.
    ///
    /// # Errors
    /// When a layer says something that cannot be; the message names the layer.
    pub fn resolve(flags: &Flags, sources: &Sources<'_>, head: &Head) -> Result<Self, Failure> {
        let home = sources.home();
        let file = match &flags.config {
            Some(path) => SettingsFile::read(&sources.directory.join(path), home.as_deref())?,
            None if sources.contract.is_file() => SettingsFile::read(&sources.contract, home.as_deref())?,
            None => SettingsFile::default(),
        };
        let harbor_home = sources.path("HARBOR_HOME");
        let override_env = match OverrideEnv::find(harbor_home.as_deref(), home.as_deref()) {
            Some(path) => OverrideEnv::read(&path)?,
            None => OverrideEnv::default(),
        };
        let layers = Layers { flags, sources, file: &file, override_env: &override_env, home: home.as_deref() };
        let mut settings = Vec::with_capacity(OPTIONS.len());
        for definition in OPTIONS {
            settings.push(layers.strongest(definition, head)?);
        }
        let mut warnings = Vec::new();
        api_key::read(&mut settings, &mut warnings)?;
        choose_state_directory(&mut settings, sources);
        let values = Values::of(&settings)?;
        let mut environment = file.environment;
        environment.extend(override_env.variables);
        Ok(Self { values, settings, environment, warnings })
    }

    /// A setting with who said so.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        find(&self.settings, key)
    }

    /// Whether nobody said anything about a setting.
    #[must_use]
    pub fn is_default(&self, key: &str) -> bool {
        self.setting(key).is_none_or(|setting| matches!(setting.origin, Origin::Default))
    }

    /// For messages: who said what a setting is.
    #[must_use]
    pub fn origin(&self, key: &str) -> String {
        self.setting(key).map_or_else(String::new, |setting| setting.origin.to_string())
    }
}

fn find<'a>(settings: &'a [Setting], key: &str) -> Option<&'a Setting> {
    settings.iter().find(|setting| setting.definition.key == key)
}

/// Several services side by side would overwrite each other's state, so each port has a directory of its own.
fn choose_state_directory(settings: &mut [Setting], sources: &Sources<'_>) {
    let port = find(settings, "port").and_then(|setting| setting.value.as_u64()).unwrap_or_default();
    let name = if port == 0 { format!("pid-{}", std::process::id()) } else { port.to_string() };
    for setting in settings.iter_mut().filter(|setting| setting.definition.key == "state_dir") {
        if setting.value.is_null() {
            setting.value = serde_json::json!(directories::state_root(sources).join(&name));
        }
    }
}

struct Layers<'a> {
    flags: &'a Flags,
    sources: &'a Sources<'a>,
    file: &'a SettingsFile,
    override_env: &'a OverrideEnv,
    home: Option<&'a Path>,
}

impl Layers<'_> {
    fn strongest(&self, definition: &'static Definition, head: &Head) -> Result<Setting, Failure> {
        let (value, origin) = if let Some(text) = self.flags.values.get(definition.key) {
            let (Flag::Value(name, _) | Flag::Switch(name, _)) = definition.flag else {
                return Err(Failure::new(Exit::Internal, format!("`{}` has no flag", definition.key)));
            };
            (
                self.parse(definition, text, definition.key, Exit::Usage, &format!("`--{name}`"))?,
                Origin::CommandLine(name),
            )
        } else if let Some((name, text)) = self.first(definition, |name| self.sources.variable(name)) {
            let said = format!("the environment variable {name}");
            (self.parse(definition, &text, name, Exit::Config, &said)?, Origin::Environment(name))
        } else if let Some((name, text)) = self.first(definition, |name| self.override_env.variables.get(name).cloned())
        {
            let path = self.override_env.path.clone();
            let said = format!("{name} in `{}`", path.display());
            (self.parse(definition, &text, name, Exit::Config, &said)?, Origin::OverrideEnv(name, path))
        } else if let Some(value) = self.file.get(definition.key) {
            (value.clone(), Origin::File(self.file.path().to_owned()))
        } else {
            ((definition.default)(self.sources, head), Origin::Default)
        };
        Ok(Setting { definition, value, origin })
    }

    fn first(
        &self,
        definition: &Definition,
        look_up: impl Fn(&str) -> Option<String>,
    ) -> Option<(&'static str, String)> {
        definition.variables.iter().find_map(|name| Some((*name, look_up(name)?)))
    }

    fn parse(&self, definition: &Definition, text: &str, name: &str, exit: Exit, said: &str) -> Result<Value, Failure> {
        let place = Place { home: self.home, directory: &self.sources.directory };
        definition
            .kind
            .parse(text, name, place)
            .map_err(|expected| Failure::new(exit, format!("{said} is `{text}`, which is not {expected}")))
    }
}
