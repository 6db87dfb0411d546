//! The CPython of a runtime: from a pinned archive, from an archive of the user, or copied from an interpreter of this
//! machine.

pub mod archive;
pub mod bytecode;
pub mod local_interpreter;
pub mod trim;

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::base::host;
use crate::pins::manifest::{PythonArchive, PythonManifest, minor_of};
use crate::pins::target::{Target, TargetsManifest};
use crate::store::Store;
use crate::store::digests::Digests;
use crate::store::fetch::Download;
use crate::store::tree::Tree;

/// The source of a runtime's interpreter, resolved but not fetched.
#[derive(Clone, Debug)]
pub enum PythonInput {
    /// A pinned archive, to be downloaded.
    Pinned {
        version: String,
        archive: PythonArchive,
        urls: Vec<String>,
    },
    /// An archive on this machine that is not pinned.
    Archive {
        version: String,
        path: Utf8PathBuf,
        sha256: Sha256,
    },
    Interpreter(Box<local_interpreter::Interpreter>),
    /// An archive of what was copied from an interpreter: what that was known by, and the digest of the copy.
    Copied {
        version: String,
        path: Utf8PathBuf,
        identity: Sha256,
        content: Sha256,
    },
}

impl PythonInput {
    /// Decides from `--python` and `--python-from`. `wanted` is a minor version or a full one.
    pub fn resolve(
        manifest: &PythonManifest,
        wanted: &str,
        from: Option<&Utf8Path>,
        target: &Target,
        allow_unpinned: bool,
        digests: &Digests,
    ) -> Result<Self> {
        let release = manifest.release(wanted);
        let pin = release.as_ref().ok().and_then(|release| release.archives.get(&target.triple));
        let Some(from) = from else {
            let release = release?;
            let Some(archive) = pin else {
                bail!(Failure::new(
                    Exit::Config,
                    format!("no archive of CPython {} is pinned for {}", release.version, target.triple)
                ));
            };
            return Ok(Self::Pinned {
                version: release.version.clone(),
                archive: archive.clone(),
                urls: manifest.urls(archive),
            });
        };
        expect_something(from)?;
        if !archive::is_archive(from)? {
            if !target.is_host() {
                bail!(
                    Failure::new(
                        Exit::Config,
                        format!(
                            "an interpreter of this machine ({}) cannot be part of a runtime for {}",
                            host::triple(),
                            target.triple
                        )
                    )
                    .hint("leave `--python-from` out, or give it an archive for the target")
                );
            }
            let interpreter = local_interpreter::Interpreter::inspect(from)?;
            expect_minor(&interpreter.version, wanted, from)?;
            return Ok(Self::Interpreter(Box::new(interpreter)));
        }
        let sha256 = digests.of(from)?;
        let version = match (&release, pin) {
            (Ok(release), Some(archive)) if archive.sha256 == sha256 => {
                let urls = vec![from.to_string()];
                return Ok(Self::Pinned { version: release.version.clone(), archive: archive.clone(), urls });
            }
            _ if allow_unpinned => archive::version(from)?,
            (_, Some(pin)) => bail!(
                Failure::new(
                    Exit::Data,
                    format!(
                        "`{from}` is not the pinned CPython {wanted} for {}\n    pinned: sha256 {}\n    found:  sha256 {sha256}",
                        target.triple, pin.sha256
                    )
                )
                .hint("`--allow-unpinned` uses it nevertheless and records it in `runtime.json`")
            ),
            _ => bail!(
                Failure::new(Exit::Data, format!("no CPython {wanted} for {} is pinned, so `{from}` cannot be checked", target.triple))
                    .hint("`--allow-unpinned` uses it nevertheless and records it in `runtime.json`")
            ),
        };
        expect_minor(&version, wanted, from)?;
        Ok(Self::Archive { version, path: from.to_owned(), sha256 })
    }

    /// The CPython that compiles the bytecode of a runtime for another system. It is for this machine's system and of
    /// exactly the same version, because bytecode may change from one patch release to the next.
    ///
    /// For a pinned archive, it is the archive pinned for this machine, so that every machine makes the same bytecode.
    /// For an archive of the user, it is a Python of this machine. If there is none, the runtime has no bytecode.
    pub fn compiler(&self, manifest: &PythonManifest, targets: &TargetsManifest) -> Result<Option<Self>> {
        match self {
            Self::Interpreter(_) | Self::Copied { .. } => Ok(None),
            Self::Pinned { version, .. } => {
                let release = manifest.release(version)?;
                let pinned = targets.target.get(host::triple()).and(release.archives.get(host::triple()));
                Ok(pinned.map(|archive| Self::Pinned {
                    version: version.clone(),
                    archive: archive.clone(),
                    urls: manifest.urls(archive),
                }))
            }
            Self::Archive { version, .. } => {
                let minor = minor_of(version);
                let mut pythons = host::pythons(&[minor]).into_iter().chain(host::python_behind_shim(minor));
                Ok(pythons.find_map(|path| {
                    let interpreter = local_interpreter::Interpreter::inspect(&path).ok()?;
                    (interpreter.version == *version).then(|| Self::Interpreter(Box::new(interpreter)))
                }))
            }
        }
    }

    pub fn version(&self) -> &str {
        match self {
            Self::Pinned { version, .. } | Self::Archive { version, .. } | Self::Copied { version, .. } => version,
            Self::Interpreter(interpreter) => &interpreter.version,
        }
    }

    /// Minor version, such as `3.12`.
    pub fn minor(&self) -> &str {
        minor_of(self.version())
    }

    /// The name of its tree in the store.
    pub fn key(&self) -> Sha256 {
        // The trimming is part of what makes the tree.
        let source = match self {
            Self::Pinned { archive, .. } => archive.sha256,
            Self::Archive { sha256, .. } => *sha256,
            Self::Interpreter(interpreter) => interpreter.identity,
            Self::Copied { identity, .. } => *identity,
        };
        Sha256::of_json(&(trim::VERSION, source))
    }

    /// The archive to fetch, if any.
    pub fn download(&self) -> Option<Download> {
        let Self::Pinned { version, archive, urls } = self else { return None };
        Some(Download { label: format!("CPython {version}"), urls: urls.clone(), size: None, sha256: archive.sha256 })
    }

    /// Fetches nothing: unpacks or copies what is there into the store.
    pub fn tree(&self, store: &Store) -> Result<Tree> {
        store.make_tree("python", self.key(), |writer| match self {
            Self::Pinned { archive, .. } => {
                archive::unpack(&store.file(archive.sha256), self.minor(), trim::left_out, writer)
            }
            Self::Archive { path, .. } => archive::unpack(path, self.minor(), trim::left_out, writer),
            Self::Interpreter(interpreter) => interpreter.copy(writer),
            Self::Copied { path, content, .. } => {
                archive::unpack(path, self.minor(), |_| false, writer)?;
                if writer.sha256() != *content {
                    bail!(Failure::new(
                        Exit::Data,
                        format!("`{path}` does not hold the copy of CPython that it should")
                    ));
                }
                Ok(())
            }
        })
    }

    /// All of an archive that was fetched before, pip included, for machines that have no Python of their own.
    pub fn whole_tree(&self, store: &Store) -> Result<Option<Tree>> {
        let (path, sha256) = match self {
            Self::Pinned { archive, .. } => (store.file(archive.sha256), archive.sha256),
            Self::Archive { path, sha256, .. } => (path.clone(), *sha256),
            Self::Interpreter(_) | Self::Copied { .. } => return Ok(None),
        };
        if !path.is_file() {
            return Ok(None);
        }
        let fill = |writer: &mut _| archive::unpack(&path, self.minor(), |_| false, writer);
        store.make_tree("python-whole", sha256, fill).map(Some)
    }
}

/// The version of the CPython at a path, whichever of the two kinds it is.
pub fn version_at(path: &Utf8Path) -> Result<String> {
    expect_something(path)?;
    if path.is_file() && archive::is_archive(path)? {
        archive::version(path)
    } else {
        Ok(local_interpreter::Interpreter::inspect(path)?.version)
    }
}

fn expect_something(path: &Utf8Path) -> Result<()> {
    if !path.exists() {
        bail!(Failure::new(Exit::NoInput, format!("`--python-from {path}`: this path does not exist")).hint(
            "`--python-from` takes an archive of python-build-standalone, or an interpreter such as the \
                       output of `command -v python3`"
        ));
    }
    if path.is_dir() {
        bail!(
            Failure::new(Exit::Usage, format!("`--python-from {path}` is a directory"))
                .hint("name the interpreter in it, such as `bin/python3`, or an archive")
        );
    }
    Ok(())
}

fn expect_minor(version: &str, wanted: &str, from: &Utf8Path) -> Result<()> {
    if minor_of(version) != minor_of(wanted) {
        bail!(
            Failure::new(Exit::Config, format!("`{from}` is CPython {version}, but the runtime needs Python {wanted}"))
                .hint(format!("choose this version with `--python {}`, or name another CPython", minor_of(version)))
        );
    }
    Ok(())
}
