//! What the service is started with, and who said so.
//!
//! Strongest first: command line, environment, YAML, defaults. An empty environment variable counts as unset,
//! because Harbor passes the ones it does not know as empty text.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::addresses;
use crate::failure::{Exit, Failure};

/// A value and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// What was decided.
    pub value: T,
    /// Who decided.
    pub origin: Origin,
}

/// A layer of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag.
    CommandLine,
    /// The environment variable of this name.
    Environment(&'static str),
    /// This file.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "`{}`", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Everything that starting the service needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Addresses to listen on.
    pub hosts: Setting<Vec<IpAddr>>,
    /// TCP port on each of them; 0 means any free one.
    pub port: Setting<u16>,
    /// `debug`, `info`, `warning`, `error` or `critical`.
    pub log_level: Setting<String>,
    /// Where the state of the running service is kept.
    pub state_directory: Setting<PathBuf>,
    /// Whether the web page is served, if the runtime has it.
    pub user_interface: Setting<bool>,
}

/// What the command line of `serve` says.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// Address to listen on, may be given several times [default: 127.0.0.1, and Docker's bridge on Linux]
    #[arg(long, value_name = "ADDRESS")]
    pub host: Vec<IpAddr>,
    /// TCP port to listen on; 0 takes a free one [default: 34331]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// YAML file with settings [default: speaches_native.yml of the runtime]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How much is logged: debug, info, warning, error, critical [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Directory for the state of the running service [default: in the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Do not serve the web page
    #[arg(long)]
    pub no_ui: bool,
}

/// The YAML file: the Harbor contract with a block of our own. What is Harbor's or compose's is not checked.
#[derive(Debug, Default, Deserialize)]
struct Document {
    #[serde(default)]
    services: Services,
    #[serde(rename = "x-speaches")]
    own: Option<Block>,
}

#[derive(Debug, Default, Deserialize)]
struct Services {
    speaches: Option<Service>,
}

#[derive(Debug, Default, Deserialize)]
struct Service {
    #[serde(rename = "x-harbor-native")]
    native: Option<Native>,
}

#[derive(Debug, Default, Deserialize)]
struct Native {
    port: Option<u16>,
}

/// `x-speaches`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    host: Option<Vec<IpAddr>>,
    port: Option<u16>,
    log_level: Option<String>,
    state_dir: Option<PathBuf>,
    ui: Option<bool>,
}

const LOG_LEVELS: [&str; 5] = ["debug", "info", "warning", "error", "critical"];
/// Harbor's port for speaches.
const PORT: u16 = 34331;

/// Where values that are not flags come from, so that tests can put something in their place.
pub struct Sources<'a> {
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The file that is read when no flag names another.
    pub contract: PathBuf,
}

impl Sources<'_> {
    fn environment<T>(
        &self,
        names: &[&'static str],
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<Setting<T>>, Failure> {
        for &name in names {
            let Some(text) = (self.variable)(name).filter(|text| !text.is_empty()) else { continue };
            let value = parse(&text).map_err(|expected| {
                Failure::new(
                    Exit::Config,
                    format!("the environment variable {name} is `{text}`, which is not {expected}"),
                )
            })?;
            return Ok(Some(Setting { value, origin: Origin::Environment(name) }));
        }
        Ok(None)
    }
}

impl Config {
    /// Puts the layers together.
    ///
    /// # Errors
    /// When a layer says something that cannot be; the message names the layer.
    pub fn resolve(flags: &Flags, sources: &Sources<'_>) -> Result<Self, Failure> {
        let (path, document) = match &flags.config {
            Some(path) => (path.clone(), read(path)?),
            None if sources.contract.is_file() => (sources.contract.clone(), read(&sources.contract)?),
            None => (sources.contract.clone(), Document::default()),
        };
        let native_port = document.services.speaches.and_then(|service| service.native).and_then(|native| native.port);
        let own = document.own.unwrap_or_default();

        let hosts = sources.environment(&["HARBOR_SPEACHES_HOST", "UVICORN_HOST"], |text| {
            text.split(',')
                .map(|host| host.trim().parse::<IpAddr>().map_err(|_| "an IP address".to_owned()))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let port = sources.environment(&["HARBOR_SPEACHES_HOST_PORT", "UVICORN_PORT"], |text| {
            text.parse::<u16>().map_err(|_| "a TCP port (0 to 65535)".to_owned())
        })?;
        let level = sources.environment(&["LOG_LEVEL"], |text| Ok::<_, String>(text.to_ascii_lowercase()))?;
        let state = sources.environment(&["SPEACHES_STATE_DIR"], |text| Ok::<_, String>(expand(text, sources)))?;
        let ui = sources.environment(&["ENABLE_UI"], |text| match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err("`true` or `false`".to_owned()),
        })?;

        let layered = Layers { file: path };
        let config = Self {
            hosts: layered.strongest(
                (!flags.host.is_empty()).then(|| flags.host.clone()),
                hosts,
                own.host,
                addresses::defaults,
            ),
            port: layered.strongest(flags.port, port, own.port.or(native_port), || PORT),
            log_level: layered.strongest(flags.log_level.clone(), level, own.log_level, || "info".to_owned()),
            state_directory: layered
                .strongest(flags.state_dir.clone(), state, own.state_dir, || default_state_directory(sources)),
            user_interface: layered.strongest(flags.no_ui.then_some(false), ui, own.ui, || true),
        };
        if !LOG_LEVELS.contains(&config.log_level.value.as_str()) {
            return Err(Failure::new(
                Exit::Config,
                format!("there is no log level `{}` ({})", config.log_level.value, config.log_level.origin),
            )
            .hint(format!("there are {}", LOG_LEVELS.join(", "))));
        }
        Ok(config)
    }
}

struct Layers {
    file: PathBuf,
}

impl Layers {
    fn strongest<T>(
        &self,
        flag: Option<T>,
        environment: Option<Setting<T>>,
        file: Option<T>,
        default: impl Fn() -> T,
    ) -> Setting<T> {
        if let Some(value) = flag {
            return Setting { value, origin: Origin::CommandLine };
        }
        if let Some(setting) = environment {
            return setting;
        }
        match file {
            Some(value) => Setting { value, origin: Origin::File(self.file.clone()) },
            None => Setting { value: default(), origin: Origin::Default },
        }
    }
}

fn read(path: &Path) -> Result<Document, Failure> {
    let text = fs_err::read_to_string(path)
        .map_err(|error| Failure::new(Exit::NoInput, format!("the settings cannot be read: {error}")))?;
    serde_saphyr::from_str(&text).map_err(|error| {
        Failure::new(Exit::Data, format!("the settings in `{}` cannot be used: {error}", path.display()))
            .hint("settings of speaches go below `x-speaches`: host, port, log_level, state_dir, ui")
    })
}

/// `~` at the beginning of a path, which reaches us raw when no shell saw it.
fn expand(text: &str, sources: &Sources<'_>) -> PathBuf {
    match (text.strip_prefix("~/"), (sources.variable)("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(text),
    }
}

fn default_state_directory(sources: &Sources<'_>) -> PathBuf {
    let variable = |name: &str| (sources.variable)(name).filter(|text| !text.is_empty());
    if let Some(state) = variable("XDG_STATE_HOME") {
        return Path::new(&state).join("speaches");
    }
    if let Some(local) = variable("LOCALAPPDATA").filter(|_| cfg!(windows)) {
        return Path::new(&local).join("speaches");
    }
    match variable("HOME") {
        Some(home) if cfg!(target_os = "macos") => Path::new(&home).join("Library/Application Support/speaches"),
        Some(home) => Path::new(&home).join(".local/state/speaches"),
        // A service manager may start programs without any environment.
        None => std::env::temp_dir().join("speaches"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: &Flags, environment: &[(&str, &str)], yaml: &str) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let contract = directory.path().join("speaches_native.yml");
        fs_err::write(&contract, yaml).unwrap();
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Config::resolve(flags, &Sources { variable: &variable, contract }).map_err(|failure| failure.to_string())
    }

    #[test]
    fn stronger_layers_win_and_name_themselves() {
        let yaml = "x-speaches:\n  port: 3\n  host: ['10.0.0.3']\n";
        let port = |flags: &Flags, environment: &[(&str, &str)], yaml: &str| {
            let setting = resolve(flags, environment, yaml).unwrap().port;
            (setting.value, setting.origin.to_string().split(' ').next().unwrap().to_owned())
        };
        let flag = Flags { port: Some(1), ..Flags::default() };
        let none = Flags::default();
        assert_eq!(port(&flag, &[("UVICORN_PORT", "2")], yaml), (1, "command".into()));
        assert_eq!(port(&none, &[("UVICORN_PORT", "2")], yaml), (2, "environment".into()));
        assert_eq!(port(&none, &[("UVICORN_PORT", "")], yaml).0, 3);
        assert_eq!(port(&none, &[], "services: {speaches: {x-harbor-native: {port: 4}}}").0, 4);
        assert_eq!(port(&none, &[], "{}"), (34331, "default".into()));
        assert_eq!(port(&none, &[("HARBOR_SPEACHES_HOST_PORT", "5"), ("UVICORN_PORT", "2")], yaml).0, 5);
        let hosts = resolve(&none, &[("HARBOR_SPEACHES_HOST", "0.0.0.0")], yaml).unwrap().hosts;
        assert_eq!(hosts.value, ["0.0.0.0".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        let none = Flags::default();
        for (environment, yaml, said) in [
            (&[("UVICORN_PORT", "eighty")][..], "{}", "UVICORN_PORT is `eighty`"),
            (&[("LOG_LEVEL", "loud")], "{}", "no log level `loud`"),
            (&[], "x-speaches:\n  prot: 1\n", "unknown field `prot`"),
            (&[], "x-speaches:\n  port: many\n", "line 2"),
            (&[], "x-speaches: [\n", "cannot be used"),
        ] {
            let error = resolve(&none, environment, yaml).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn the_contract_itself_is_a_valid_file() {
        let contract = include_str!("../../../speaches_native.yml");
        assert_eq!(resolve(&Flags::default(), &[], contract).unwrap().port.value, 34331);
    }
}
