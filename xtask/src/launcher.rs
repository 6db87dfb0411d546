//! The launcher of a runtime: built from this workspace, or given.

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use walkdir::WalkDir;

mod build;
pub mod licences;
mod linker;

pub use build::{Builder, Compiler};
use licences::Licence;
pub use linker::Linker;

use crate::digest::Sha256;
use crate::failure::{Exit, Failure};
use crate::pip::Requirements;
use crate::store::Store;
use crate::store::digests::Digests;
use crate::store::tree::{RelativePath, Tree};
use crate::target::Target;

/// Raised whenever the same launcher gives another tree.
const VERSION: u32 = 2;
/// Where the sources of the launcher are, and what else decides its bytes.
const SOURCES: [&str; 3] = ["runtime-template/launcher", "Cargo.toml", "Cargo.lock"];

/// The launcher that a runtime gets.
#[derive(Clone, Debug)]
pub enum LauncherInput {
    /// `--launcher PATH`
    Given { path: Utf8PathBuf, sha256: Sha256, licences: Vec<Licence> },
    /// Built with cargo before, of sources that are still the same.
    Prebuilt { path: Utf8PathBuf, key: Sha256, linker: Linker, licences: Vec<Licence> },
    /// To be built with cargo. `key` covers sources, compiler with its licences, linker and target.
    Built { key: Sha256, compiler: Compiler, linker: Linker, tools: Option<Requirements> },
    /// To be built with cargo, and this machine has no way to.
    Impossible { key: Sha256, reason: String, hint: String },
}

/// Where a launcher is from that was linked by [`Linker::Host`] on Linux.
pub const NEEDS_THIS_SYSTEM: &str = "built from the workspace, for systems as new as that of the building machine";

impl LauncherInput {
    /// Decides from `--launcher`. `tools` are what is installed where nothing links for the target.
    pub fn resolve(
        root: &Utf8Path,
        given: Option<&Utf8Path>,
        target: &Target,
        digests: &Digests,
        tools: &Requirements,
    ) -> Result<Self> {
        if let Some(path) = given {
            if !path.is_file() {
                bail!(Failure::new(Exit::NoInput, format!("`--launcher {path}`: there is no such file")));
            }
            return Self::given(path.to_owned(), digests.of(path)?, licences::beside(path)?);
        }
        let sources = Self::sources(root)?;
        let linker = Linker::choose(target);
        match build::compiler(&linker.rust_target(target)) {
            Ok(compiler) => Ok(Self::Built {
                key: Sha256::of_json(&(
                    &compiler.version,
                    licences::notices(&compiler.sysroot)?.map(|(place, text)| (place, Sha256::of(&text))),
                    linker,
                    linker.rust_target(target),
                    target.launcher_macos_floor(),
                    sources,
                )),
                compiler,
                linker,
                tools: (linker == Linker::Zig && !linker::has_zig()).then(|| tools.clone()),
            }),
            Err(build::Lacks { reason, hint }) => Ok(Self::Impossible { key: sources, reason, hint }),
        }
    }

    /// A launcher with the files about its licences that come with it.
    pub fn given(path: Utf8PathBuf, executable: Sha256, licences: Vec<Licence>) -> Result<Self> {
        let sha256 = if licences.is_empty() {
            executable
        } else {
            let digests = licences.iter().map(|licence| (&licence.place, licence.sha256)).collect::<Vec<_>>();
            Sha256::of_json(&(executable, digests))
        };
        Ok(Self::Given { path, sha256, licences })
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

    /// Fails when it can be neither built nor copied, before anything is fetched for the rest.
    pub fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Impossible { reason, hint, .. } => {
                Err(Failure::new(Exit::Unavailable, format!("the launcher cannot be built: {reason}")).hint(hint))
            }
            _ => Ok(()),
        }
    }

    /// Where it is from, for people.
    pub fn origin(&self, target: &Target) -> &'static str {
        match self {
            Self::Given { .. } => "given",
            Self::Built { linker: Linker::Host, .. } | Self::Prebuilt { linker: Linker::Host, .. }
                if target.glibc_floor().is_some() =>
            {
                NEEDS_THIS_SYSTEM
            }
            _ => "built from the workspace",
        }
    }

    /// Identity: of the bytes that were given, or of what they are built from.
    pub fn key(&self) -> Sha256 {
        match self {
            Self::Given { sha256, .. } => *sha256,
            Self::Prebuilt { key, .. } | Self::Built { key, .. } | Self::Impossible { key, .. } => *key,
        }
    }

    /// The launcher as a tree of the store, built now when it was not built before.
    pub fn tree(&self, store: &Store, target: &Target, builder: &Builder<'_>) -> Result<Tree> {
        self.check()?;
        // The same given file has another name on another system.
        let key = Sha256::of_json(&(VERSION, self.key(), target.family().launcher()));
        store.make_tree("launcher", key, |writer| {
            let place = RelativePath::new(target.family().launcher())?;
            match self {
                Self::Given { path, licences, .. } | Self::Prebuilt { path, licences, .. } => {
                    writer.add(place, &mut File::open(path)?, true)?;
                    for licence in licences {
                        writer.add(licence.place.clone(), &mut File::open(&licence.path)?, false)?;
                    }
                    if licences.is_empty() {
                        let (place, mut text) = licences::unknown()?;
                        writer.add(place, &mut text, false)?;
                    }
                }
                Self::Built { compiler, linker, tools, .. } => {
                    let built = builder.build(store, target, *linker, tools.as_ref())?;
                    writer.add(place, &mut File::open(&built.executable)?, true)?;
                    let record = licences::record(&built.manifests, &builder.root.join("Cargo.lock"), &target.triple)?;
                    for (place, text) in [Some(record), licences::notices(&compiler.sysroot)?].into_iter().flatten() {
                        writer.add(place, &mut text.as_slice(), false)?;
                    }
                }
                Self::Impossible { .. } => unreachable!("it was checked"),
            }
            Ok(())
        })
    }
}
