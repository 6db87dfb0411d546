//! `cargo xtask ci`: everything that has to hold before a change lands, in the order in which it fails fastest.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use xshell::{Shell, cmd};

use crate::failure::{Exit, Failure};
use crate::host;
use crate::store::Store;
use crate::wheel::uv::Uv;

/// Run all checks and tests
#[derive(Args, Debug)]
pub struct Arguments {}

/// Runs the subcommand.
pub fn run(_arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    let mut steps = Steps::default();
    steps.run("formatting", || Ok(cmd!(shell, "cargo fmt --all --check").quiet().run()?));
    steps.run("lints", || {
        Ok(cmd!(shell, "cargo clippy --workspace --all-targets --locked -- -D warnings").quiet().run()?)
    });
    steps.run("documentation", || {
        let _warnings = shell.push_env("RUSTDOCFLAGS", "-D warnings");
        Ok(cmd!(shell, "cargo doc --workspace --no-deps --document-private-items --locked").quiet().run()?)
    });
    let pythons = host::pythons(&["3.12", "3.11", "3.10"]);
    match pythons.first() {
        Some(python) => {
            let _directory = shell.push_dir(root.join("runtime-template/service"));
            steps.run("lints and types of the service manager", || {
                lint_python(&pythons, manifests, &shell.current_dir())
            });
            steps.run("service manager", || {
                Ok(cmd!(shell, "{python} -B -m unittest discover --quiet").quiet().run()?)
            });
        }
        None => steps.skip("service manager", "there is no Python on this machine"),
    }
    // What a test says that it could not try has to be seen, so that it is not taken for a success; and so has every
    // failure, since the next run is a quarter of an hour away.
    steps.run("tests", || {
        Ok(cmd!(shell, "cargo test --workspace --locked --no-fail-fast -- --show-output").quiet().run()?)
    });
    steps.finish()
}

/// Runs ruff and mypy, which come from the package index in the versions of `checks.txt`.
fn lint_python(pythons: &[Utf8PathBuf], manifests: &Utf8Path, service: &Path) -> Result<()> {
    let uv = Uv::locate(&Store::locate()?, manifests, pythons)?;
    let requirements = manifests.join("checks.txt");
    for check in [&["ruff", "check"][..], &["ruff", "format", "--check"], &["mypy"]] {
        let mut command = uv.command();
        command.args(["run", "--quiet", "--no-project", "--with-requirements", requirements.as_str(), "--"]);
        command.args(check).arg(".").current_dir(service);
        let status = command.status().with_context(|| format!("cannot run `{}`", check.join(" ")))?;
        if !status.success() {
            bail!("`{}` has found something: {status}", check.join(" "));
        }
    }
    Ok(())
}

#[derive(Default)]
struct Steps {
    failed: Vec<String>,
    skipped: Vec<String>,
}

impl Steps {
    fn run(&mut self, name: &str, check: impl FnOnce() -> Result<()>) {
        println!("== {name}");
        let started = std::time::Instant::now();
        let result = check().with_context(|| name.to_owned());
        let seconds = started.elapsed().as_secs();
        match result {
            Ok(()) => println!("== {name}: passed in {seconds} s\n"),
            Err(error) => {
                println!("== {name}: FAILED after {seconds} s: {error:#}\n");
                self.failed.push(name.to_owned());
            }
        }
    }

    fn skip(&mut self, name: &str, why: &str) {
        println!("== {name}: NOT RUN: {why}\n");
        self.skipped.push(name.to_owned());
    }

    fn finish(self) -> Result<()> {
        if !self.skipped.is_empty() {
            println!("not run: {}", self.skipped.join(", "));
        }
        if !self.failed.is_empty() {
            bail!(Failure::new(Exit::Internal, format!("these failed: {}", self.failed.join(", "))));
        }
        println!("all checks passed");
        Ok(())
    }
}
