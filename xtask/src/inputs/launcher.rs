//! The launcher of a runtime: built with cargo, built before for a vendor directory, or given with `--launcher`.

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use speaches_format::input::Origin;

mod build;
pub mod licenses;
mod linker;
pub mod sources;

pub use build::{Builder, Compiler, Profile};
use licenses::License;
pub use linker::Linker;

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::pins::requirements::Requirements;
use crate::pins::target::Target;
use crate::store::Store;
use crate::store::digests::Digests;
use crate::store::tree::{RelativePath, Tree};

/// Raise this when your change makes another tree from the same launcher.
const VERSION: u32 = 3;

#[derive(Clone, Debug)]
pub enum LauncherInput {
    /// `--launcher PATH`
    Given { path: Utf8PathBuf, sha256: Sha256, licenses: Vec<License> },
    /// Built with cargo before, of sources that are still the same.
    Prebuilt { path: Utf8PathBuf, key: Sha256, linker: Linker, licenses: Vec<License> },
    /// To be built with cargo. `key` covers sources, compiler with its licenses, linker and target.
    Built { key: Sha256, compiler: Compiler, linker: Linker, profile: Profile, tools: Option<Requirements> },
    /// To be built with cargo, and this machine has no way to.
    Impossible { key: Sha256, reason: String, hint: String },
}

impl LauncherInput {
    /// Decides from `--launcher`. `profile` is the profile of a build; `tools` are the programs to install if this
    /// machine cannot link for the target.
    pub fn resolve(
        root: &Utf8Path,
        given: Option<&Utf8Path>,
        target: &Target,
        digests: &Digests,
        profile: Profile,
        tools: &Requirements,
    ) -> Result<Self> {
        if let Some(path) = given {
            if !path.is_file() {
                bail!(Failure::new(Exit::NoInput, format!("`--launcher {path}`: there is no such file")));
            }
            return Self::given(path.to_owned(), digests.of(path)?, licenses::beside(path)?);
        }
        let sources = sources::digest(root)?;
        let linker = Linker::choose(target);
        match build::compiler(&linker.rust_target(target)) {
            Ok(compiler) => Ok(Self::Built {
                key: Sha256::of_json(&(
                    &compiler.version,
                    licenses::notices(&compiler.sysroot)?.map(|(place, text)| (place, Sha256::of(&text))),
                    linker,
                    linker.rust_target(target),
                    target.launcher_macos_floor(),
                    (profile, sources),
                )),
                compiler,
                linker,
                profile,
                tools: (linker == Linker::Zig && !linker::has_zig()).then(|| tools.clone()),
            }),
            Err(build::MissingCompiler { reason, hint }) => Ok(Self::Impossible { key: sources, reason, hint }),
        }
    }

    /// A launcher with the files about its licenses that come with it.
    pub fn given(path: Utf8PathBuf, executable: Sha256, licenses: Vec<License>) -> Result<Self> {
        let sha256 = if licenses.is_empty() {
            executable
        } else {
            let digests = licenses.iter().map(|license| (&license.place, license.sha256)).collect::<Vec<_>>();
            Sha256::of_json(&(executable, digests))
        };
        Ok(Self::Given { path, sha256, licenses })
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

    pub fn origin(&self, target: &Target) -> Origin {
        match self {
            Self::Given { .. } => Origin::Given,
            Self::Built { linker, .. } | Self::Prebuilt { linker, .. } => {
                Origin::Built { needs_this_system: *linker == Linker::Host && target.glibc_floor().is_some() }
            }
            Self::Impossible { .. } => Origin::Built { needs_this_system: false },
        }
    }

    /// The programs to install before it can be linked.
    pub fn tools(&self) -> Option<&Requirements> {
        match self {
            Self::Built { tools, .. } => tools.as_ref(),
            Self::Given { .. } | Self::Prebuilt { .. } | Self::Impossible { .. } => None,
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
                Self::Given { path, licenses, .. } | Self::Prebuilt { path, licenses, .. } => {
                    writer.add(place, &mut File::open(path)?, true)?;
                    for license in licenses {
                        writer.add(license.place.clone(), &mut File::open(&license.path)?, false)?;
                    }
                    if licenses.is_empty() {
                        let (place, mut text) = licenses::unknown()?;
                        writer.add(place, &mut text, false)?;
                    }
                }
                Self::Built { compiler, linker, profile, tools, .. } => {
                    let built = builder.build(store, target, *linker, *profile, tools.as_ref())?;
                    writer.add(place, &mut File::open(&built.executable)?, true)?;
                    let record = licenses::record(&built.manifests, &builder.root.join("Cargo.lock"), &target.triple)?;
                    for (place, text) in [Some(record), licenses::notices(&compiler.sysroot)?].into_iter().flatten() {
                        writer.add(place, &mut text.as_slice(), false)?;
                    }
                }
                Self::Impossible { .. } => unreachable!("it was checked"),
            }
            Ok(())
        })
    }
}
