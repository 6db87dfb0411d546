//! `cargo xtask ci`: runs all checks and tests, in the order in which they fail fastest.

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};
use xshell::{Shell, cmd};

use crate::base::failure::{Exit, Failure};
use crate::base::host;
use crate::inputs::wheel::uv::Uv;
use crate::pins::manifest::shared;
use crate::store::Store;

/// Run all checks and tests
#[derive(Args, Debug)]
pub struct Arguments {
    /// Runs only these steps, in their own order
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STEPS")]
    only: Vec<Step>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// `cargo fmt`
    Fmt,
    /// `typos` over the whole repository
    Spelling,
    /// `zizmor` over the workflows
    Workflows,
    /// `mkdocs` makes the site of the documents and checks the links between them
    Site,
    /// `cargo clippy`
    Clippy,
    /// `cargo doc`
    Doc,
    /// `ruff` and `mypy` over the service manager
    Python,
    /// The service manager's own tests
    Service,
    /// `cargo nextest run` where it is installed, otherwise `cargo test`
    Tests,
}

pub fn run(arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    let pythons = host::pythons(&["3.12", "3.11", "3.10"]);
    let mut steps = Steps::default();
    for step in Step::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(step) {
            continue;
        }
        match (step, pythons.first()) {
            (Step::Python | Step::Service, None) => steps.skip(*step, "there is no Python on this machine"),
            _ => steps.run(*step, || step.run(&shell, root, manifests, &pythons)),
        }
    }
    steps.finish(host::variable("SPEACHES_TEST_STRICT").as_deref() == Some("1"))
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self, shell: &Shell, root: &Utf8Path, manifests: &Utf8Path, pythons: &[Utf8PathBuf]) -> Result<()> {
        let service = root.join("runtime-template/service");
        let check = |check: &[&str], directory: &Utf8Path| {
            let uv = Uv::locate(&Store::locate()?, manifests, pythons)?;
            from_index(&uv, &shared(manifests, "checks.txt"), check, directory)
        };
        match self {
            Self::Fmt => cmd!(shell, "cargo fmt --all --check").quiet().run()?,
            Self::Spelling => check(&["typos"], root)?,
            Self::Workflows => check(&["zizmor", "--offline", "--quiet", "--persona", "pedantic", ".github"], root)?,
            Self::Site => check(&["mkdocs", "build", "--strict", "--config-file", "deploy/site/mkdocs.yml"], root)?,
            Self::Clippy => {
                cmd!(shell, "cargo clippy --workspace --all-targets --locked -- -D warnings").quiet().run()?;
            }
            Self::Doc => {
                let _warnings = shell.push_env("RUSTDOCFLAGS", "-D warnings");
                cmd!(shell, "cargo doc --workspace --no-deps --document-private-items --locked").quiet().run()?;
            }
            Self::Python => {
                for tool in [&["ruff", "check", "."][..], &["ruff", "format", "--check", "."], &["mypy", "."]] {
                    check(tool, &service)?;
                }
            }
            Self::Service => {
                let python = pythons.first().context("there is no Python")?;
                let _directory = shell.push_dir(service);
                cmd!(shell, "{python} -B -m unittest discover --quiet").quiet().run()?;
            }
            Self::Tests => test(shell)?,
        }
        Ok(())
    }
}

/// Runs a tool that comes from the package index in the version of `checks.txt`.
fn from_index(uv: &Uv, requirements: &Utf8Path, check: &[&str], directory: &Utf8Path) -> Result<()> {
    let mut command = uv.command();
    command.args(["run", "--quiet", "--no-project", "--with-requirements", requirements.as_str(), "--"]);
    command.args(check).current_dir(directory);
    let status = command.status().with_context(|| format!("cannot run `{}`", check.join(" ")))?;
    if !status.success() {
        bail!("`{}` failed: {status}", check.join(" "));
    }
    Ok(())
}

/// Runs all tests, also after a failure. Shows the output of tests that pass, because a skipped test passes, too.
fn test(shell: &Shell) -> Result<()> {
    // Many tests wait, for services and for servers that are slow on purpose.
    let processors = std::thread::available_parallelism()?.get();
    if cmd!(shell, "cargo nextest --version").quiet().ignore_stdout().ignore_stderr().run().is_ok() {
        let threads = host::variable("NEXTEST_TEST_THREADS").unwrap_or((processors + processors / 2).to_string());
        let _threads = shell.push_env("NEXTEST_TEST_THREADS", threads);
        cmd!(shell, "cargo nextest run --workspace --locked --no-fail-fast").quiet().run()?;
        // nextest runs no examples in documentation.
        cmd!(shell, "cargo test --workspace --locked --doc").quiet().run()?;
    } else {
        let threads = host::variable("RUST_TEST_THREADS").unwrap_or((processors * 2).to_string());
        let _threads = shell.push_env("RUST_TEST_THREADS", threads);
        cmd!(shell, "cargo test --workspace --locked --no-fail-fast -- --show-output").quiet().run()?;
    }
    Ok(())
}

#[derive(Default)]
struct Steps {
    failed: Vec<String>,
    skipped: Vec<String>,
}

impl Steps {
    fn run(&mut self, step: Step, check: impl FnOnce() -> Result<()>) {
        let name = step.name();
        println!("== {name}");
        let started = std::time::Instant::now();
        let result = check().with_context(|| name.clone());
        let seconds = started.elapsed().as_secs();
        match result {
            Ok(()) => println!("== {name}: passed in {seconds} s\n"),
            Err(error) => {
                println!("== {name}: FAILED after {seconds} s: {error:#}\n");
                self.failed.push(name);
            }
        }
    }

    fn skip(&mut self, step: Step, why: &str) {
        println!("== {}: NOT RUN: {why}\n", step.name());
        self.skipped.push(step.name());
    }

    fn finish(self, is_strict: bool) -> Result<()> {
        if !self.skipped.is_empty() {
            println!("not run: {}", self.skipped.join(", "));
        }
        if !self.failed.is_empty() {
            bail!(Failure::new(Exit::Internal, format!("these failed: {}", self.failed.join(", "))));
        }
        if is_strict && !self.skipped.is_empty() {
            let message = format!("these were not run: {}", self.skipped.join(", "));
            bail!(Failure::new(Exit::Internal, message).hint("SPEACHES_TEST_STRICT=1 counts that as a failure"));
        }
        println!("all checks passed");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_was_not_run_fails_where_that_is_strict() {
        let skipped = || {
            let mut steps = Steps::default();
            steps.run(Step::Fmt, || Ok(()));
            steps.skip(Step::Python, "there is no Python");
            steps
        };
        assert!(skipped().finish(false).is_ok());
        assert!(skipped().finish(true).is_err());
        let mut failed = Steps::default();
        failed.run(Step::Fmt, || bail!("not formatted"));
        assert!(failed.finish(false).is_err());
    }
}
