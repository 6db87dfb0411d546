//! Takes each setting from the strongest layer that has it.

use std::path::Path;

use serde_json::Value;
use speaches_format::description::RuntimeInfo;
use speaches_format::failure::{Exit, Failure};

use super::file::SettingsFile;
use super::flags::Flags;
use super::kind::Place;
use super::origin::{Origin, Setting, find};
use super::override_env::OverrideEnv;
use super::setting_table::{Definition, Flag, OPTIONS};
use super::settings::Config;
use super::sources::Sources;
use super::values::Values;
use super::{api_key, directories};

impl Config {
    pub fn resolve(flags: &Flags, sources: &Sources<'_>, info: &RuntimeInfo) -> Result<Self, Failure> {
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
            settings.push(layers.strongest(definition, info)?);
        }
        let mut warnings = Vec::new();
        api_key::read(&mut settings, &mut warnings)?;
        choose_state_directory(&mut settings, sources);
        let values = Values::of(&settings)?;
        let mut environment = file.environment;
        environment.extend(override_env.variables);
        Ok(Self { values, settings, environment, warnings })
    }
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
    fn strongest(&self, definition: &'static Definition, info: &RuntimeInfo) -> Result<Setting, Failure> {
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
            ((definition.default)(self.sources, info), Origin::Default)
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
