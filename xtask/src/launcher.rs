//! The launcher of a runtime: built from this workspace, or given.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use walkdir::WalkDir;

use crate::digest::Sha256;
use crate::failure::{Exit, Failure};
use crate::store::Store;
use crate::store::digests::Digests;
use crate::store::tree::{RelativePath, Tree};
use crate::target::Target;
use crate::{host, interrupt};

/// Where the sources of the launcher are, and what else decides its bytes.
const SOURCES: [&str; 3] = ["runtime-template/launcher", "Cargo.toml", "Cargo.lock"];

/// The launcher that a runtime gets.
#[derive(Clone, Debug)]
pub enum LauncherInput {
    /// `--launcher PATH`
    Given { path: Utf8PathBuf, sha256: Sha256 },
    /// To be built with cargo. `key` covers sources, compiler and target.
    Built { key: Sha256 },
}

impl LauncherInput {
    /// Decides from `--launcher`, and says at once when it could not be built.
    pub fn resolve(root: &Utf8Path, given: Option<&Utf8Path>, target: &Target, digests: &Digests) -> Result<Self> {
        if let Some(path) = given {
            if !path.is_file() {
                bail!(Failure::new(Exit::NoInput, format!("`--launcher {path}`: there is no such file")));
            }
            return Ok(Self::Given { path: path.to_owned(), sha256: digests.of(path)? });
        }
        let compiler = rustc(&["-vV"])?;
        if target.triple != host::triple() {
            let libraries = Utf8PathBuf::from(rustc(&["--print", "target-libdir", "--target", &target.triple])?.trim());
            if !libraries.is_dir() {
                bail!(
                    Failure::new(
                        Exit::Unavailable,
                        format!("the launcher cannot be built for {}: this Rust has no standard library for it", target.triple)
                    )
                    .hint(format!("`rustup target add {}` (and `cargo install cargo-zigbuild` for a linker), or give a prebuilt one with `--launcher`", target.triple))
                );
            }
        }
        let mut sources = Vec::new();
        for source in SOURCES {
            for entry in WalkDir::new(root.join(source)).sort_by_file_name() {
                let entry = entry?;
                if entry.file_type().is_file() {
                    let path = Utf8Path::from_path(entry.path()).context("a path that is not UTF-8")?;
                    sources.push((path.strip_prefix(root)?.to_owned(), Sha256::of_file(path)?));
                }
            }
        }
        Ok(Self::Built { key: Sha256::of_json(&(&compiler, &target.triple, sources)) })
    }

    /// Identity: of the bytes, or of what they are built from.
    pub fn key(&self) -> Sha256 {
        match self {
            Self::Given { sha256, .. } => *sha256,
            Self::Built { key } => *key,
        }
    }

    /// The launcher as a tree of the store, built now when it was not built before.
    pub fn tree(&self, store: &Store, root: &Utf8Path, target: &Target) -> Result<Tree> {
        store.make_tree("launcher", self.key(), |writer| {
            let executable = match self {
                Self::Given { path, .. } => path.clone(),
                Self::Built { .. } => build(root, target)?,
            };
            let place = RelativePath::new(target.family().launcher())?;
            writer.add(place, &mut File::open(&executable)?, true)?;
            Ok(())
        })
    }
}

fn rustc(arguments: &[&str]) -> Result<String> {
    let compiler = host::variable("RUSTC").unwrap_or_else(|| "rustc".to_owned());
    let output =
        Command::new(&compiler).args(arguments).output().with_context(|| format!("cannot run `{compiler}`"))?;
    if !output.status.success() {
        bail!(Failure::new(
            Exit::Unavailable,
            format!(
                "`{compiler} {}` failed:\n{}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim_end()
            )
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn build(root: &Utf8Path, target: &Target) -> Result<Utf8PathBuf> {
    let cargo = host::variable("CARGO").unwrap_or_else(|| "cargo".to_owned());
    let cross = target.triple != host::triple();
    let directory = root.join("target/launcher");
    let mut command = Command::new(&cargo);
    if cross && ["linux", "apple"].iter().any(|system| target.triple.contains(system)) {
        // rustc alone has no linker for another system; zig has one for all of them.
        command.arg("zigbuild");
    } else {
        command.arg("build");
    }
    command
        .args(["--quiet", "--locked", "--package", "speaches-launcher", "--bin", "speaches", "--profile", "launcher"])
        .args(["--target-dir", directory.as_str(), "--target", &target.triple])
        .env("CARGO_ENCODED_RUSTFLAGS", remapped(root).join("\u{1f}"))
        .env_remove("RUSTFLAGS")
        .current_dir(root);
    let output = interrupt::output(&mut command, b"").with_context(|| format!("cannot run `{cargo}`"))?;
    if !output.status.success() {
        bail!(Failure::new(
            Exit::Unavailable,
            format!("the launcher cannot be built:\n{}", String::from_utf8_lossy(&output.stderr).trim_end())
        ));
    }
    let name = target.family().launcher().trim_start_matches("bin/");
    Ok(directory.join(&target.triple).join("launcher").join(name))
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
