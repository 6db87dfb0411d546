//! What is run at login.

use std::collections::BTreeMap;
use std::path::Path;

use speaches_format::failure::{Exit, Failure};

use crate::config::setting_table::OPTIONS;
use crate::config::{Config, Flags, Sources};
use crate::own_runtime::{self, OwnRuntime};

/// Variables that decide how `serve` works beside those of the settings. A supervisor starts programs with an
/// environment of its own, so each that is set here is written into its file.
const VARIABLES: [&str; 14] = [
    "ALL_PROXY",
    "HARBOR_HOME",
    "HF_ENDPOINT",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// `speaches serve` with everything that it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Absolute path of the launcher.
    pub program: String,
    /// Its arguments, `serve` first.
    pub arguments: Vec<String>,
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
}

impl Job {
    /// The job that does at login what `serve` with these flags does in this shell.
    ///
    /// # Errors
    /// [`Exit::Config`] when a part of it would be lost, [`Exit::Usage`] when an argument cannot be written into a file.
    pub fn new(runtime: &OwnRuntime, flags: &Flags, config: &Config, sources: &Sources<'_>) -> Result<Self, Failure> {
        let program = text_of(&own_runtime::launcher(&runtime.root))?;
        let mut arguments = vec!["serve".to_owned()];
        arguments.extend(flags.arguments(sources));
        let state = &config.values.service.state_dir;
        if !flags.values.contains_key("state_dir") {
            // So that `service status` and `uninstall` find this service, and no other one.
            arguments.extend(["--state-dir".to_owned(), text_of(state)?]);
        }
        let of_settings = OPTIONS.iter().filter(|option| !option.secret).flat_map(|option| option.variables);
        let mut variables = BTreeMap::new();
        for name in of_settings.chain(&VARIABLES) {
            if let Some(value) = sources.variable(name) {
                variables.insert((*name).to_owned(), value);
            }
        }
        let job = Self { program, arguments, variables };
        job.check()?;
        Ok(job)
    }

    /// Files of supervisors have one line per argument, or are XML, which has no control characters.
    fn check(&self) -> Result<(), Failure> {
        let texts = self.arguments.iter().chain([&self.program]).chain(self.variables.values());
        match texts.into_iter().find(|text| text.chars().any(char::is_control)) {
            None => Ok(()),
            Some(text) => Err(Failure::new(
                Exit::Usage,
                format!("{text:?} has a control character, so a service at login cannot have it"),
            )),
        }
    }
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        Failure::new(Exit::Config, format!("`{}` is not UTF-8, so a service at login cannot have it", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_refused() {
        let job =
            Job { program: "/p".into(), arguments: vec!["a\nExecStart=/evil".into()], variables: BTreeMap::new() };
        assert_eq!(job.check().unwrap_err().exit, Exit::Usage);
    }
}
