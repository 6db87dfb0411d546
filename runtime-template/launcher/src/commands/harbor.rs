//! `speaches harbor`: lets a Harbor on this machine use this runtime.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};

use super::stop;
use crate::config::Sources;
use crate::failure::{Exit, Failure};
use crate::harbor::background::Background;
use crate::harbor::files::{Done, File, Found};
use crate::harbor::home::{Flavor, Home};
use crate::own_runtime::OwnRuntime;
use crate::system::System;

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
    /// Say whether Harbor's files are those of this runtime, and whether its service runs
    Status(Which),
    /// Start the service in the background, for a Harbor that has no native mode
    Start(Which),
    /// Stop the service that `start` has started
    Stop(Which),
}

#[derive(clap::Args)]
struct Which {
    /// Harbor's home; by default `HARBOR_HOME`, what `harbor home` says, or `~/.harbor`
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Which Harbor it is: one that starts native services itself, or one that knows containers only
    #[arg(long, value_enum, default_value = "auto")]
    flavor: Choice,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Choice {
    /// Look at it.
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

/// Runs the subcommand.
///
/// # Errors
/// When there is no Harbor, its files cannot be changed, or the service does not start or stop.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if System::HERE == System::Windows {
        return Err(Failure::new(Exit::Config, "Harbor runs inside WSL on Windows")
            .hint("use a runtime for Linux there, and run this command inside it"));
    }
    let runtime = OwnRuntime::find()?;
    super::with_sources(&runtime.root, |sources| match &arguments.command {
        Command::Install { which, dry_run, replace } => {
            let home = which.find(sources)?;
            install(&home, &File::all(&home, &runtime.root)?, *dry_run, *replace)
        }
        Command::Uninstall(which) => uninstall(&which.find(sources)?, &runtime.root),
        Command::Status(which) => status(&which.find(sources)?, &runtime, sources),
        Command::Start(which) => start(&which.find(sources)?, &runtime, sources),
        Command::Stop(which) => stop_service(&which.find(sources)?, &runtime, sources),
    })
}

fn install(home: &Home, files: &[File], dry_run: bool, replace: bool) -> Result<Exit, Failure> {
    eprintln!("Harbor is in `{}` ({})", home.path.display(), describe(home.flavor));
    let mut kept = false;
    for file in files {
        let path = file.path.display();
        if dry_run {
            match file.find()? {
                Found::Same => eprintln!("`{path}` is as it would be written"),
                Found::Missing => eprintln!("`{path}` would be written"),
                Found::Older => eprintln!("`{path}` would be replaced: it is of another runtime or version"),
                Found::Theirs if replace => eprintln!("`{path}` would become `{}`", file.aside().display()),
                Found::Theirs => eprintln!("`{path}` would stay, and `{}` be written", file.beside().display()),
            }
            continue;
        }
        match file.install(replace)? {
            Done::Written => eprintln!("wrote `{path}`"),
            Done::Replaced => eprintln!("wrote `{path}`; what was there is `{}`", file.aside().display()),
            Done::Beside => {
                kept = true;
                eprintln!("`{path}` was not written by this program, or changed, and stays");
                eprintln!("wrote `{}`", file.beside().display());
            }
            _ => eprintln!("`{path}` is right already"),
        }
    }
    if kept {
        eprintln!("hint: compare the two; `speaches harbor install --replace` takes the new ones and keeps the others");
    } else if !dry_run {
        eprint!("{}", next_steps(home.flavor));
    }
    Ok(Exit::Success)
}

fn uninstall(home: &Home, root: &Path) -> Result<Exit, Failure> {
    for file in File::all(home, root)? {
        let path = file.path.display();
        match file.uninstall()? {
            Done::Removed => eprintln!("removed `{path}`"),
            Done::Restored => eprintln!("`{path}` is what it was before"),
            Done::Kept => eprintln!("`{path}` was not written by this program, or changed, and stays"),
            _ => eprintln!("`{path}` is not there"),
        }
    }
    Ok(Exit::Success)
}

fn status(home: &Home, runtime: &OwnRuntime, sources: &Sources<'_>) -> Result<Exit, Failure> {
    println!("Harbor: `{}` ({})", home.path.display(), describe(home.flavor));
    let mut complete = true;
    // Harbor itself knows whether a service runs that it has started.
    let mut runs = true;
    for file in File::all(home, &runtime.root)? {
        let found = file.find()?;
        complete &= found == Found::Same;
        let text = match found {
            Found::Same => "as this runtime has it",
            Found::Missing => "not there",
            Found::Older => "of another runtime or version",
            Found::Theirs => "changed by somebody",
        };
        println!("`{}`: {text}", file.path.display());
    }
    if home.flavor == Flavor::Stock {
        let background = Background::new(home, runtime, sources)?;
        let start = format!("`speaches harbor start` starts it on port {}", background.port);
        let last = background.last();
        runs = last.as_ref().is_some_and(|instance| instance.alive);
        match last {
            Some(instance) if runs => println!("service: {} (pid {})", instance.phase(), instance.status.pid),
            Some(instance) => println!("service: {} (pid {}); {start}", instance.phase(), instance.status.pid),
            None => println!("service: does not run; {start}"),
        }
    }
    if !complete {
        eprintln!("hint: `speaches harbor install` writes what is missing");
    }
    Ok(if complete && runs { Exit::Success } else { Exit::Unavailable })
}

fn start(home: &Home, runtime: &OwnRuntime, sources: &Sources<'_>) -> Result<Exit, Failure> {
    require_stock(home)?;
    let background = Background::new(home, runtime, sources)?;
    if let Some(instance) = background.running() {
        eprintln!("the service runs already, as pid {}", instance.status.pid);
    } else {
        let instance = background.start()?;
        eprintln!("started the service as pid {}; its log is `{}`", instance.status.pid, background.log().display());
    }
    println!("http://127.0.0.1:{}", background.port);
    Ok(Exit::Success)
}

fn stop_service(home: &Home, runtime: &OwnRuntime, sources: &Sources<'_>) -> Result<Exit, Failure> {
    require_stock(home)?;
    let background = Background::new(home, runtime, sources)?;
    match background.running() {
        Some(instance) => {
            stop::stop(&instance, false)?;
            eprintln!("stopped the service (pid {})", instance.status.pid);
        }
        None => eprintln!("no service runs on port {}", background.port),
    }
    background.forget();
    Ok(Exit::Success)
}

fn require_stock(home: &Home) -> Result<(), Failure> {
    if home.flavor == Flavor::Stock {
        return Ok(());
    }
    Err(Failure::new(Exit::Config, "this Harbor starts and stops native services itself")
        .hint("use `harbor up speaches` and `harbor down`; or say `--flavor stock` if it should not"))
}

const fn describe(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Native => "native: it starts services on this machine itself",
        Flavor::Stock => "stock: it knows containers only",
    }
}

const fn next_steps(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Native => {
            "next: `harbor up webui speaches`; where that still takes the container, first\n      \
             `harbor config set speaches.execution_preference native`\n"
        }
        Flavor::Stock => {
            "next: `speaches harbor start`, then `harbor up webui speaches speaches-native`\n      \
             (without the word `speaches-native` Harbor takes the container, as before)\n"
        }
    }
}
