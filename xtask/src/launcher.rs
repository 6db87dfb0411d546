//! The launcher of a runtime: built from this workspace, or given.

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use speaches_format::input::Origin;

mod build;
mod linker;
pub mod sources;

pub use build::Builder;
pub use linker::Linker;

use crate::digest::Sha256;
use crate::failure::{Exit, Failure};
use crate::requirements::Requirements;
use crate::store::Store;
use crate::store::digests::Digests;
use crate::store::tree::{RelativePath, Tree};
use crate::target::Target;

/// The launcher that a runtime gets.
#[derive(Clone, Debug)]
pub enum LauncherInput {
    /// `--launcher PATH`
    Given { path: Utf8PathBuf, sha256: Sha256 },
    /// Built with cargo before, of sources that are still the same.
    Prebuilt { path: Utf8PathBuf, key: Sha256, linker: Linker },
    /// To be built with cargo. `key` covers sources, compiler, linker and target.
    Built { key: Sha256, linker: Linker, tools: Option<Requirements> },
    /// To be built with cargo, and this machine has no way to.
    Impossible { key: Sha256, reason: String, hint: String },
}

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
            return Ok(Self::Given { path: path.to_owned(), sha256: digests.of(path)? });
        }
        let sources = sources::digest(root)?;
        let linker = Linker::choose(target);
        match build::compiler(&linker.rust_target(target)) {
            Ok(compiler) => Ok(Self::Built {
                key: Sha256::of_json(&(
                    &compiler,
                    linker,
                    linker.rust_target(target),
                    target.launcher_macos_floor(),
                    sources,
                )),
                linker,
                tools: (linker == Linker::Zig && !linker::has_zig()).then(|| tools.clone()),
            }),
            Err(build::Lacks { reason, hint }) => Ok(Self::Impossible { key: sources, reason, hint }),
        }
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

    /// Where it is from.
    pub fn origin(&self, target: &Target) -> Origin {
        match self {
            Self::Given { .. } => Origin::Given,
            Self::Built { linker, .. } | Self::Prebuilt { linker, .. } => {
                Origin::Built { needs_this_system: *linker == Linker::Host && target.glibc_floor().is_some() }
            }
            Self::Impossible { .. } => Origin::Built { needs_this_system: false },
        }
    }

    /// What has to be installed before it can be linked.
    pub fn tools(&self) -> Option<&Requirements> {
        match self {
            Self::Built { tools, .. } => tools.as_ref(),
            Self::Given { .. } | Self::Prebuilt { .. } | Self::Impossible { .. } => None,
        }
    }

    /// Identity: of the bytes, or of what they are built from.
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
        let key = Sha256::of_json(&(self.key(), target.family().launcher()));
        store.make_tree("launcher", key, |writer| {
            let executable = match self {
                Self::Given { path, .. } | Self::Prebuilt { path, .. } => path.clone(),
                Self::Built { linker, tools, .. } => builder.build(store, target, *linker, tools.as_ref())?,
                Self::Impossible { .. } => unreachable!("it was checked"),
            };
            let place = RelativePath::new(target.family().launcher())?;
            writer.add(place, &mut File::open(&executable)?, true)?;
            Ok(())
        })
    }
}
