//! `speaches serve`: decide, prepare, become the service.

use speaches_format::failure::{Exit, Failure};

use crate::accelerators::{Accelerators, Driver};
use crate::config::{Config, Flags, Sources, directories, service_directories};
use crate::instance::Instance;
use crate::listening::Listening;
use crate::manager::{Manager, become_command};
use crate::own_runtime::OwnRuntime;
use crate::private_directory;

/// Starts the service. On Unix this process becomes it, so that the pid stays; success never returns there.
pub fn run(flags: &Flags) -> Result<Exit, Failure> {
    let runtime = OwnRuntime::find()?;
    super::with_sources(&runtime.root, |sources| serve(flags, &runtime, sources))
}

fn serve(flags: &Flags, runtime: &OwnRuntime, sources: &Sources<'_>) -> Result<Exit, Failure> {
    let mut config = Config::resolve(flags, sources, &runtime.info)?;
    if let Some(warning) = exposure(&config) {
        config.warnings.push(warning);
    }
    config.warnings.extend(service_directories::warning(&config, sources));
    // Before the models, which take longer.
    #[cfg(unix)]
    let listeners =
        crate::listeners::Listeners::open(&config.values.host, config.values.port, !config.is_default("host"))?;
    // Before anything is written, and while clients can wait at the port: a driver may take its time.
    let accelerators = Accelerators::find(runtime, &config, sources, Driver::AskIfNeeded);
    accelerators.decided()?;
    if config.values.port == 0 && config.is_default("state_dir") {
        Instance::forget_ended(&directories::state_root(sources));
    }
    private_directory::make(&config.values.service.state_dir)?;
    private_directory::make(&config.values.hf_cache)?;
    let mut manager = Manager::prepare(runtime, &config, sources)?;
    for line in chosen(&config) {
        manager.note(line);
    }
    manager.compute(&accelerators)?;
    #[cfg(unix)]
    let listening = {
        for warning in &listeners.warnings {
            manager.note(format!("warning: {warning}"));
        }
        let descriptors = listeners.inherit()?;
        Listening { addresses: listeners.addresses.clone(), port: listeners.port, descriptors }
    };
    #[cfg(not(unix))]
    let listening = Listening::as_configured(&config);
    Err(become_command(manager.command(&["serve"], &listening)?))
}

/// The settings that people look for first, and where each comes from.
fn chosen(config: &Config) -> Vec<String> {
    let (values, origin) = (&config.values, |key| config.origin(key));
    vec![
        format!("port {} ({})", values.port, origin("port")),
        format!(
            "speech: `{}` ({}), voice `{}` ({})",
            values.service.tts_model,
            origin("tts_model"),
            values.service.voice,
            origin("voice")
        ),
        format!("transcription: `{}` ({})", values.service.stt_model, origin("stt_model")),
    ]
}

/// The warning for a service that the whole network can use.
#[must_use]
pub fn exposure(config: &Config) -> Option<String> {
    let everywhere = config.values.host.iter().find(|host| host.is_unspecified())?;
    config
        .values
        .api_key
        .is_none()
        .then(|| format!("anyone on the network can use this service: it listens on {everywhere} and has no API key"))
}
