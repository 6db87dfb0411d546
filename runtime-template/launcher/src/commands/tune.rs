//! `speaches tune`: find out again what computes best, without a service.

use std::io::ErrorKind;

use speaches_format::failure::{Exit, Failure};

use crate::accelerators::{Accelerators, Driver};
use crate::config::{Config, Flags, Sources, service_directories};
use crate::listening::Listening;
use crate::machine::findings::CRASH_FILE;
use crate::manager::{Manager, become_command};
use crate::own_runtime::OwnRuntime;
use crate::private_directory;

/// Measure the fastest way to compute speech on this machine, and enable the GPU again after a crash
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    flags: Flags,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand. On Unix this process becomes the one that measures.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let runtime = OwnRuntime::find()?;
    super::with_sources(&runtime.root, |sources| tune(arguments, &runtime, sources))
}

fn tune(arguments: &Arguments, runtime: &OwnRuntime, sources: &Sources<'_>) -> Result<Exit, Failure> {
    let config = Config::resolve(&arguments.flags, sources, &runtime.info)?;
    forget_crash(&config, sources)?;
    let accelerators = Accelerators::find(runtime, &config, sources, Driver::AskIfNeeded);
    accelerators.decided()?;
    private_directory::make(&config.values.service.state_dir)?;
    private_directory::make(&config.values.hf_cache)?;
    let mut manager = Manager::prepare(runtime, &config, sources)?;
    manager.compute(&accelerators)?;
    let command = if arguments.json { &["tune", "--json"][..] } else { &["tune"] };
    Err(become_command(manager.command(command, &Listening::as_configured(&config))?))
}

fn forget_crash(config: &Config, sources: &Sources<'_>) -> Result<(), Failure> {
    let path = service_directories::machine(config, sources).join(CRASH_FILE);
    match fs_err::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Failure::new(Exit::InputOutput, format!("the GPU stays disabled: {error}"))
                .hint(format!("remove `{}` yourself", path.display())))
        }
        result => {
            if result.is_ok() {
                eprintln!("the GPU is enabled again: removed the record of the crash in `{}`", path.display());
            }
            Ok(())
        }
    }
}
