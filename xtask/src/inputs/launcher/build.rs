//! Builds a launcher with cargo.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::Linker;
use crate::base::failure::{Exit, Failure};
use crate::base::host;
use crate::base::program;
use crate::pins::requirements::Requirements;
use crate::pins::target::Target;
use crate::store::Store;
use crate::work;

const PREBUILT: &str = "or give a prebuilt launcher with `--launcher`";

pub struct Builder<'a> {
    pub root: &'a Utf8Path,
    /// Whether the network must not be used.
    pub offline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Small and fast: what people keep.
    Launcher,
    /// At once, beside what this tool was compiled of: what people try.
    Dev,
}

pub(super) struct Built {
    pub(super) executable: Utf8PathBuf,
    /// The manifests of the crates that are linked into it.
    pub(super) manifests: Vec<Utf8PathBuf>,
}

impl Builder<'_> {
    pub(super) fn build(
        &self,
        store: &Store,
        target: &Target,
        linker: Linker,
        profile: Profile,
        tools: Option<&Requirements>,
    ) -> Result<Built> {
        let rust_target = linker.rust_target(target);
        let (mut command, triple) = match (linker, target.glibc_floor()) {
            (Linker::Host, _) => (cargo("build"), rust_target.clone()),
            (Linker::Zig, Some(floor)) => (self.zigbuild(store, tools)?, format!("{rust_target}.{floor}")),
            (Linker::Zig, None) => (self.zigbuild(store, tools)?, rust_target.clone()),
        };
        command
            .args(["--quiet", "--locked", "--package", "speaches-launcher", "--bin", "speaches"])
            .args(["--target", &triple, "--message-format", "json-render-diagnostics"])
            .env("CARGO_ENCODED_RUSTFLAGS", remapped(self.root).join("\u{1f}"))
            .env_remove("RUSTFLAGS")
            .args(self.offline.then_some("--offline"))
            // zig would ask for the newest macOS that it knows.
            .envs(target.launcher_macos_floor().map(|version| ("MACOSX_DEPLOYMENT_TARGET", version)))
            // The message says what failed; a backtrace of cargo-zigbuild adds nothing.
            .env("RUST_BACKTRACE", "0")
            .current_dir(self.root);
        match profile {
            Profile::Launcher => {
                let directory = self.root.join("target/launcher");
                command.args(["--profile", "launcher", "--target-dir", directory.as_str()]);
            }
            // The macros that this tool was compiled with are there.
            Profile::Dev => drop(command.args(["--profile", "dev"])),
        }
        let output = work::output(&mut command, b"").context("cannot run cargo")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let text = format!("the launcher cannot be built for {rust_target}:\n{}", said.trim_end());
            bail!(Failure::new(Exit::Unavailable, text).hint(format!("fix the errors that cargo reports, {PREBUILT}")));
        }
        linked(&String::from_utf8_lossy(&output.stdout), &rust_target)
    }

    /// cargo-zigbuild with a zig that it finds: those of PATH, unless these tools are to be installed.
    fn zigbuild(&self, store: &Store, tools: Option<&Requirements>) -> Result<Command> {
        let Some(tools) = tools else { return Ok(cargo("zigbuild")) };
        if self.offline && !tools.are_installed(store) {
            let text = format!("linking the launcher needs {}, and `--offline` forbids downloading them", tools.name());
            bail!(Failure::new(Exit::Unavailable, text).hint(format!("run it once without `--offline`, {PREBUILT}")));
        }
        let hint = format!("`cargo install cargo-zigbuild` and put zig on the PATH, {PREBUILT}");
        let need = "linking the launcher for another system needs zig";
        let directory = tools.install(store, &host::pythons(&[]), need, &hint)?;
        let executable = |path: &str| directory.join(path).with_extension(std::env::consts::EXE_EXTENSION);
        let mut command = Command::new(executable("bin/cargo-zigbuild"));
        command.arg("zigbuild").env("CARGO_ZIGBUILD_ZIG_PATH", executable("ziglang/zig"));
        Ok(command)
    }
}

/// A message of cargo about an artifact.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: Utf8PathBuf,
    #[serde(default)]
    filenames: Vec<Utf8PathBuf>,
    executable: Option<Utf8PathBuf>,
}

/// The program, and the manifests of all crates that were built for the target. cargo builds build scripts, macros and
/// their dependencies for this machine, in another directory: a program contains nothing of them.
fn linked(messages: &str, rust_target: &str) -> Result<Built> {
    let mut manifests = BTreeSet::new();
    let mut executable = None;
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Message = serde_json::from_str(line).context("this tool does not understand cargo's output")?;
        let is_linked = |file: &Utf8PathBuf| file.components().any(|part| part.as_str() == rust_target);
        if message.reason == "compiler-artifact" && message.filenames.iter().any(is_linked) {
            manifests.insert(message.manifest_path);
            executable = message.executable.or(executable);
        }
    }
    let executable = executable.context("cargo's output does not name the launcher")?;
    Ok(Built { executable, manifests: manifests.into_iter().collect() })
}

fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(host::variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    command.arg(subcommand);
    command
}

/// Why nothing can be built for a target.
pub(super) struct MissingCompiler {
    pub(super) reason: String,
    pub(super) hint: String,
}

#[derive(Clone, Debug)]
pub struct Compiler {
    pub version: String,
    pub sysroot: Utf8PathBuf,
}

/// The compiler, if it can compile for a target, by the name that rustc has for it.
pub(super) fn compiler(rust_target: &str) -> Result<Compiler, MissingCompiler> {
    let without =
        |reason: String| MissingCompiler { reason, hint: format!("install Rust (https://rustup.rs), {PREBUILT}") };
    let version = rustc(&["-vV"]).map_err(without)?;
    let asked = rustc(&["--print", "sysroot", "--print", "target-libdir", "--target", rust_target]).map_err(without)?;
    let mut lines = asked.lines().map(Utf8Path::new);
    if let (Some(sysroot), Some(libraries)) = (lines.next(), lines.next())
        && libraries.is_dir()
    {
        return Ok(Compiler { version, sysroot: sysroot.to_owned() });
    }
    Err(MissingCompiler {
        reason: format!("this Rust has no standard library for {rust_target}"),
        hint: format!("`rustup target add {rust_target}`, {PREBUILT}"),
    })
}

/// The output of rustc, or the reason why there is none.
fn rustc(arguments: &[&str]) -> Result<String, String> {
    let compiler = host::variable("RUSTC").unwrap_or_else(|| "rustc".to_owned());
    match program::output(Command::new(&compiler).args(arguments)) {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("`{compiler} {}` failed: {}", arguments.join(" "), said.trim_end()))
        }
        Err(error) => Err(format!("cannot run `{compiler}`: {error}")),
    }
}

/// Flags that keep the directories of this machine out of the binary.
fn remapped(root: &Utf8Path) -> Vec<String> {
    let mut flags = vec![format!("--remap-path-prefix={root}=/speaches-native")];
    let home = host::variable("CARGO_HOME")
        .or_else(|| host::variable("HOME").map(|home| format!("{home}/.cargo")))
        .or_else(|| host::variable("USERPROFILE").map(|home| format!("{home}\\.cargo")));
    flags.extend(home.map(|home| format!("--remap-path-prefix={home}=/cargo")));
    flags
}
