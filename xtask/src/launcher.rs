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
    /// To be built with cargo, unless that was done. `key` covers sources, compiler, linker and target.
    Built { key: Sha256, linker: Linker, prebuilt: Option<Utf8PathBuf> },
}

/// What links a launcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Linker {
    /// That of this machine. On Linux the launcher then needs the glibc of this machine.
    Host,
    /// zig, for any system and, on Linux, for the oldest glibc that the target promises.
    Zig,
}

/// Where a launcher is from that was linked by [`Linker::Host`] on Linux.
pub const NEEDS_THIS_SYSTEM: &str = "built from the workspace, for systems as new as that of the building machine";

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
        let linker = Linker::choose(target);
        let key = Sha256::of_json(&(&compiler, linker, &target.triple, Self::sources(root)?));
        Ok(Self::Built { key, linker, prebuilt: None })
    }

    /// The digest of all that a launcher is built from.
    pub fn sources(root: &Utf8Path) -> Result<Sha256> {
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
        Ok(Sha256::of_json(&sources))
    }

    /// Where it is from, for people.
    pub fn origin(&self, target: &Target) -> &'static str {
        match self {
            Self::Given { .. } => "given",
            Self::Built { linker: Linker::Host, .. } if target.glibc_floor().is_some() => NEEDS_THIS_SYSTEM,
            Self::Built { .. } => "built from the workspace",
        }
    }

    /// Identity: of the bytes, or of what they are built from.
    pub fn key(&self) -> Sha256 {
        match self {
            Self::Given { sha256, .. } => *sha256,
            Self::Built { key, .. } => *key,
        }
    }

    /// The launcher as a tree of the store, built now when it was not built before.
    pub fn tree(&self, store: &Store, root: &Utf8Path, target: &Target, offline: bool) -> Result<Tree> {
        // The same given file has another name on another system.
        let key = Sha256::of_json(&(self.key(), target.family().launcher()));
        store.make_tree("launcher", key, |writer| {
            let executable = match self {
                Self::Given { path, .. } | Self::Built { prebuilt: Some(path), .. } => path.clone(),
                Self::Built { linker, prebuilt: None, .. } => build(root, target, *linker, offline)?,
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

impl Linker {
    /// rustc alone has no linker for another system, and that of a Linux machine links to the glibc it finds there.
    fn choose(target: &Target) -> Self {
        let foreign = target.triple != host::triple();
        let knows_zig = ["linux", "apple"].iter().any(|system| target.triple.contains(system));
        // It may be there without the zig that it is to call.
        let has_zig = || {
            let asked = Command::new("cargo-zigbuild").args(["zig", "cc", "--", "--version"]).output();
            asked.is_ok_and(|output| output.status.success())
        };
        if knows_zig && (foreign || (target.glibc_floor().is_some() && has_zig())) { Self::Zig } else { Self::Host }
    }
}

fn build(root: &Utf8Path, target: &Target, linker: Linker, offline: bool) -> Result<Utf8PathBuf> {
    let cargo = host::variable("CARGO").unwrap_or_else(|| "cargo".to_owned());
    let directory = root.join("target/launcher");
    let mut command = Command::new(&cargo);
    command.arg(match linker {
        Linker::Host => "build",
        Linker::Zig => "zigbuild",
    });
    let triple = match target.glibc_floor() {
        Some(floor) if linker == Linker::Zig => format!("{}.{floor}", target.triple),
        _ => target.triple.clone(),
    };
    command
        .args(["--quiet", "--locked", "--package", "speaches-launcher", "--bin", "speaches", "--profile", "launcher"])
        .args(["--target-dir", directory.as_str(), "--target", &triple])
        .env("CARGO_ENCODED_RUSTFLAGS", remapped(root).join("\u{1f}"))
        .env_remove("RUSTFLAGS")
        .args(offline.then_some("--offline"))
        // What went wrong is in the message; a trace of cargo-zigbuild tells nobody more.
        .env("RUST_BACKTRACE", "0")
        .current_dir(root);
    let output = interrupt::output(&mut command, b"").with_context(|| format!("cannot run `{cargo}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let failure = Failure::new(Exit::Unavailable, format!("the launcher cannot be built:\n{}", said.trim_end()));
        bail!(match linker {
            Linker::Host => failure,
            Linker::Zig => failure.hint(
                "cargo-zigbuild and zig link for other systems (`cargo install cargo-zigbuild`, `pip install ziglang`); \
                 or give a prebuilt launcher with `--launcher`"
            ),
        });
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
