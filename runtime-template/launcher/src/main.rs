//! `speaches`: starts the speech server of the runtime that it lies in. It decides (configuration, checks, sockets,
//! environment) and then becomes the Python service manager.

mod accelerators;
mod addresses;
mod child;
mod commands;
mod config;
#[cfg(windows)]
mod console;
mod environment;
mod harbor;
mod hub;
mod instance;
#[cfg(windows)]
mod job;
#[cfg(unix)]
mod listeners;
mod listening;
mod login_service;
mod machine;
mod manager;
mod models;
#[cfg(unix)]
mod open_files;
mod own_runtime;
mod policy;
#[cfg(unix)]
mod port_holder;
mod private_directory;
mod process;
mod service_settings;
mod whole_file;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use config::Flags;
use machine::nvidia;
use speaches_format::failure::Exit;

/// The OpenAI-compatible speech server speaches, running natively
#[derive(Parser)]
#[command(name = "speaches", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server in the foreground until you stop it
    Serve(Flags),
    Service(commands::service::Arguments),
    Status(commands::status::Arguments),
    Stop(commands::stop::Arguments),
    Config(commands::config::Arguments),
    Models(commands::models::Arguments),
    Doctor(commands::doctor::Arguments),
    Tune(commands::tune::Arguments),
    Verify(commands::verify::Arguments),
    Version(commands::version::Arguments),
    Harbor(commands::harbor::Arguments),
    Completions(commands::completions::Arguments),
    /// Asks the NVIDIA driver in this process, for another one that may not die of it
    #[command(name = nvidia::SUBCOMMAND, hide = true)]
    NvidiaDriver,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() };
        }
    };
    let result = match &cli.command {
        Command::Serve(flags) => commands::serve::run(flags),
        Command::Service(arguments) => commands::service::run(arguments),
        Command::Status(arguments) => commands::status::run(arguments),
        Command::Stop(arguments) => commands::stop::run(arguments),
        Command::Config(arguments) => commands::config::run(arguments),
        Command::Models(arguments) => commands::models::run(arguments),
        Command::Doctor(arguments) => commands::doctor::run(arguments),
        Command::Tune(arguments) => commands::tune::run(arguments),
        Command::Verify(arguments) => commands::verify::run(arguments),
        Command::Version(arguments) => commands::version::run(arguments),
        Command::Harbor(arguments) => commands::harbor::run(arguments),
        Command::Completions(arguments) => commands::completions::run(arguments, Cli::command()),
        Command::NvidiaDriver => commands::nvidia_driver::run(),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("error: {failure}");
            if let Some(hint) = failure.advice() {
                eprintln!("hint: {hint}");
            }
            failure.exit.into()
        }
    }
}
