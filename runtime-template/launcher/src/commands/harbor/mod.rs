//! `speaches harbor`: lets a Harbor on this machine use this runtime.

mod down;
mod harbor_args;
mod install;
mod service;
mod status;
mod up;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use speaches_format::failure::{Exit, Failure};
use speaches_format::system::System;

use crate::config::Sources;
use crate::harbor::background::Background;
use crate::harbor::files::File;
use crate::harbor::home::{Flavor, Home};
use crate::own_runtime::OwnRuntime;
use harbor_args::HarborArgs;

/// Let Harbor (av/harbor) use this runtime beside its containers
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the files that make Harbor use this runtime
    Install {
        #[command(flatten)]
        which: Which,
        /// Show what would be written, and write nothing
        #[arg(long)]
        dry_run: bool,
        /// Replace files that this program did not write; `uninstall` brings them back
        #[arg(long)]
        replace: bool,
    },
    /// Remove these files
    Uninstall(Which),
    /// Start the service and Harbor: `harbor up SERVICES speaches`, with this runtime in place of the container
    Up {
        #[command(flatten)]
        args: HarborArgs,
        #[command(flatten)]
        which: Which,
    },
    /// Stop Harbor, then the service: `harbor down SERVICES`
    Down {
        #[command(flatten)]
        args: HarborArgs,
        #[command(flatten)]
        which: Which,
    },
    /// Show whether Harbor's files match this runtime, and the state of each part between Open WebUI and the service
    Status(Which),
    /// Start the service in the background, for a Harbor that has no native mode
    Start(Which),
    /// Stop the service that `start` started
    Stop(Which),
}

impl Command {
    const fn which(&self) -> &Which {
        match self {
            Self::Install { which, .. } | Self::Up { which, .. } | Self::Down { which, .. } => which,
            Self::Uninstall(which) | Self::Status(which) | Self::Start(which) | Self::Stop(which) => which,
        }
    }
}

#[derive(clap::Args)]
struct Which {
    /// Harbor's home; by default `HARBOR_HOME`, the output of `harbor home`, or `~/.harbor`
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Kind of Harbor: one that starts native services itself, or one that supports containers only
    #[arg(long, value_enum, default_value = "auto")]
    flavor: Choice,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Choice {
    /// Detect it.
    #[default]
    Auto,
    Native,
    Stock,
}

impl Which {
    fn find(&self, sources: &Sources<'_>) -> Result<Home, Failure> {
        let flavor = match self.flavor {
            Choice::Auto => None,
            Choice::Native => Some(Flavor::Native),
            Choice::Stock => Some(Flavor::Stock),
        };
        Home::find(self.home.as_deref(), flavor, sources)
    }
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if System::HERE == System::Windows {
        return Err(Failure::new(Exit::Config, "Harbor runs inside WSL on Windows")
            .hint("use a runtime for Linux there, and run this command inside it"));
    }
    let runtime = OwnRuntime::find()?;
    super::with_sources(&runtime.root, |sources| {
        let home = arguments.command.which().find(sources)?;
        let background = || Background::new(&home, &runtime, sources);
        match &arguments.command {
            Command::Install { dry_run, replace, .. } => {
                install::install(&home, &File::all(&home, &runtime.root)?, *dry_run, *replace)
            }
            Command::Uninstall(_) => {
                let exit = install::uninstall(&home, &runtime.root)?;
                if home.flavor == Flavor::Stock {
                    service::remove_log(&background()?)?;
                }
                Ok(exit)
            }
            Command::Up { args, .. } => up::up(&background()?, args, &runtime),
            Command::Down { args, .. } => down::down(&background()?, args),
            Command::Status(_) => status::status(&home, &background()?, &runtime),
            Command::Start(_) => service::start(&home, &background()?),
            Command::Stop(_) => service::stop(&home, &background()?),
        }
    })
}
