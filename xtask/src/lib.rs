//! Provisions relocatable speaches runtimes. `ARCHITECTURE.md` says what each folder is for.

mod base;
pub mod bench_api;
mod bundle;
mod commands;
mod inputs;
mod net;
mod pins;
mod plan;
mod provision;
mod report;
mod runtime;
mod store;
mod vendor;
mod work;

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Parser, Subcommand};

use base::failure::{self, Exit};

/// Makes native, relocatable runtimes of speaches, the OpenAI-compatible speech server
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Use other pins than those in manifests/
    #[arg(long, global = true, value_name = "DIR", hide = true)]
    manifests: Option<Utf8PathBuf>,
    /// Also print requests, cache hits, commands and durations
    #[arg(long, short, global = true)]
    verbose: bool,
}

#[derive(Subcommand)]
enum Command {
    Quickstart(commands::quickstart::Arguments),
    Provision(commands::provision::Arguments),
    #[command(hide = true)]
    Fetch(commands::fetch::Arguments),
    Vendor(commands::vendor::Arguments),
    Port(commands::port::Arguments),
    Lock(commands::lock::Arguments),
    Licenses(commands::licenses::Arguments),
    Bundle(commands::bundle::Arguments),
    Verify(commands::verify::Arguments),
    Reproduce(commands::reproduce::Arguments),
    Smoke(commands::smoke::Arguments),
    #[command(subcommand)]
    Cache(commands::cache::Command),
    Bench(commands::bench::Arguments),
    Ci(commands::ci::Arguments),
}

pub fn main() -> ExitCode {
    program(run)
}

/// A program from its command line to its exit code.
pub fn program<C: Parser>(run: impl FnOnce(&C) -> anyhow::Result<()>) -> ExitCode {
    let cli = match C::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() };
        }
    };
    match work::install().and_then(|()| run(&cli)) {
        Ok(()) => Exit::Success.into(),
        Err(error) => {
            work::park_until_exit();
            report::fail(&failure::describe(&error));
            failure::exit_of(&error).into()
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    report::trace::begin(cli.verbose);
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the root");
    let manifests = cli.manifests.clone().unwrap_or_else(|| root.join("manifests"));
    match &cli.command {
        Command::Quickstart(arguments) => commands::quickstart::run(arguments, root, &manifests),
        Command::Provision(arguments) => commands::provision::run(arguments, root, &manifests),
        Command::Fetch(arguments) => commands::fetch::run(arguments),
        Command::Vendor(arguments) => commands::vendor::run(arguments, root, &manifests),
        Command::Port(arguments) => commands::port::run(arguments),
        Command::Lock(arguments) => commands::lock::run(arguments, root, &manifests),
        Command::Licenses(arguments) => commands::licenses::run(arguments, &manifests),
        Command::Bundle(arguments) => commands::bundle::run(arguments, &manifests),
        Command::Verify(arguments) => commands::verify::run(arguments, &manifests),
        Command::Reproduce(arguments) => commands::reproduce::run(arguments, root, &manifests),
        Command::Smoke(arguments) => commands::smoke::run(arguments),
        Command::Cache(command) => commands::cache::run(command),
        Command::Bench(arguments) => commands::bench::run(arguments, root, &manifests),
        Command::Ci(arguments) => commands::ci::run(arguments, root, &manifests),
    }
}
