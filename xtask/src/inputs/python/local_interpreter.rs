//! Copies the CPython of this machine, for machines that cannot reach the pinned archives.
//!
//! The copy holds the installation: executable, shared libpython, standard library and extension modules.
//! The strings that the C compiler put into those binaries stay as they are; the launcher sees to it that the
//! loader finds the copied libpython first, and CPython finds its library beside its executable.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use serde::{Deserialize, Serialize};
use speaches_format::layout::Family;
use walkdir::WalkDir;

use super::trim;
use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::base::host;
use crate::base::program;
use crate::pins::manifest::minor_of;
use crate::store::tree::{RelativePath, TreeWriter};

const DESCRIBE: &str = include_str!("local_interpreter.py");

/// Run by CPython at its start, where the distribution's own `site` looks for packages elsewhere.
const SITE_CUSTOMIZE: &str = r#""""Adds site-packages, where this CPython was made not to look by the distribution it is from."""

import os
import site

site.addsitedir(os.path.join(os.path.dirname(os.__file__), "site-packages"))
"#;

/// A CPython of this machine, looked at.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// As the user named it.
    pub path: Utf8PathBuf,
    pub version: String,
    /// Of what it says about itself, and of names, sizes and times of its files.
    pub identity: Sha256,
    described: Described,
    files: Vec<Source>,
}

/// The output of `local_interpreter.py`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Described {
    implementation: String,
    version: String,
    build: String,
    free_threaded: bool,
    framework: String,
    executable: Utf8PathBuf,
    base_prefix: Utf8PathBuf,
    standard_library: Utf8PathBuf,
    pure_library: Utf8PathBuf,
    extensions: Utf8PathBuf,
    library: Utf8PathBuf,
    finds_site_packages: bool,
    build_variables: std::collections::BTreeMap<String, String>,
}

/// A file of the installation and its place in the runtime's `python/`.
#[derive(Clone, Debug, Serialize)]
struct Source {
    to: RelativePath,
    from: Utf8PathBuf,
    executable: bool,
    size: u64,
    modified_nanoseconds: u128,
}

impl Interpreter {
    /// Its own report of its executable, which is never a shim.
    pub fn executable(&self) -> &Utf8Path {
        &self.described.executable
    }

    /// Runs an interpreter and finds out what belongs to it.
    pub fn inspect(path: &Utf8Path) -> Result<Self> {
        let describe = |path: &Utf8Path| {
            let mut command = Command::new(path);
            command.args(["-I", "-B", "-c", DESCRIBE]).stdin(std::process::Stdio::null());
            program::output(&mut command).map_err(|error| {
                Failure::new(Exit::Data, format!("`{path}` cannot be run as a Python interpreter: {error}"))
                    .hint("`--python-from` takes an archive of python-build-standalone, or an interpreter")
            })
        };
        let mut output = describe(path)?;
        if !output.status.success()
            && let Some(interpreter) = host::behind_shim(path)
        {
            output = describe(&interpreter)?;
        }
        let refuse = |why: String| {
            Failure::new(Exit::Config, format!("the interpreter `{path}` cannot be copied into a runtime: {why}"))
                .hint("leave `--python-from` out to use the pinned CPython, or name an ordinary CPython")
        };
        if !output.status.success() {
            bail!(refuse(format!("it ended with {}\n{}", output.status, String::from_utf8_lossy(&output.stderr))));
        }
        let described: Described =
            serde_json::from_slice(&output.stdout).map_err(|_| refuse("it does not answer like Python".to_owned()))?;
        if described.implementation != "cpython" {
            bail!(refuse(format!("it is {}, not CPython", described.implementation)));
        }
        if described.free_threaded {
            bail!(refuse("it is a free-threaded build, for which there are no wheels".to_owned()));
        }
        if !described.framework.is_empty() {
            let reason =
                "it is a macOS framework build, which cannot be moved; `uv python install` installs another kind";
            bail!(refuse(reason.to_owned()));
        }
        let files = list(&described)?;
        let minor = minor_of(&described.version).to_owned();
        let os = format!("{}/os.py", Family::of(host::triple()).standard_library(&minor));
        if !files.iter().any(|file| file.to.as_str() == os) {
            bail!(refuse(format!("its standard library is not in `{}`", described.pure_library)));
        }
        Ok(Self {
            path: path.to_owned(),
            version: described.version.clone(),
            identity: Sha256::of_json(&(&described, &files)),
            described,
            files,
        })
    }

    pub fn copy(&self, writer: &mut TreeWriter) -> Result<()> {
        for source in &self.files {
            let name = source.from.file_name().unwrap_or_default();
            if let Some(text) = self.described.build_variables.get(name) {
                writer.add(source.to.clone(), &mut text.as_bytes(), false)?;
            } else {
                writer
                    .add(source.to.clone(), &mut File::open(&source.from)?, source.executable)
                    .with_context(|| format!("cannot copy `{}`", source.from))?;
            }
        }
        if !self.described.finds_site_packages {
            let library = Family::of(host::triple()).standard_library(minor_of(&self.version));
            writer.add(
                RelativePath::new(format!("{library}/sitecustomize.py"))?,
                &mut SITE_CUSTOMIZE.as_bytes(),
                false,
            )?;
        }
        if Family::of(host::triple()) == Family::Unix {
            let interpreter = format!("python{}", minor_of(&self.version));
            for name in ["bin/python3", "bin/python"] {
                writer.link(RelativePath::new(name)?, &interpreter)?;
            }
        }
        Ok(())
    }
}

fn list(described: &Described) -> Result<Vec<Source>> {
    let minor = minor_of(&described.version);
    let family = Family::of(host::triple());
    let library = family.standard_library(minor);
    let mut files = Vec::new();
    let mut add = |from: &Utf8Path, to: String, executable: bool| -> Result<()> {
        if trim::left_out(&to) {
            return Ok(());
        }
        let metadata = fs_err::metadata(from)?;
        files.push(Source {
            to: RelativePath::new(to)?,
            from: from.to_owned(),
            executable,
            size: metadata.len(),
            modified_nanoseconds: metadata
                .modified()?
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default()
                .as_nanos(),
        });
        Ok(())
    };
    match family {
        Family::Unix => {
            add(&described.executable, format!("bin/python{minor}"), true)?;
            // Debian's is linked statically, and has the library in a package that programs need which embed Python.
            if let Some(name) = described.library.file_name().filter(|_| described.library.is_file()) {
                add(&described.library, format!("lib/{name}"), true)?;
            }
        }
        Family::Windows => {
            for entry in described.base_prefix.read_dir_utf8()? {
                let entry = entry?;
                let name = entry.file_name();
                if entry.file_type()?.is_file() && [".exe", ".dll", ".txt"].iter().any(|end| name.ends_with(end)) {
                    add(entry.path(), name.to_owned(), true)?;
                }
            }
            walk(&described.base_prefix.join("DLLs"), "DLLs", &mut add)?;
        }
    }
    walk(&described.pure_library, &library, &mut add)?;
    if described.standard_library != described.pure_library {
        walk(&described.standard_library, &library, &mut add)?;
    }
    // Some distributions keep their extension modules elsewhere.
    if !described.extensions.as_str().is_empty()
        && !described.extensions.starts_with(&described.pure_library)
        && described.extensions.is_dir()
    {
        walk(&described.extensions, &format!("{library}/lib-dynload"), &mut add)?;
    }
    // The site customization of a distribution is about that distribution.
    files.retain(|file| !file.to.as_str().ends_with("/sitecustomize.py"));
    files.sort_by(|a, b| a.to.cmp(&b.to));
    files.dedup_by(|a, b| a.to == b.to);
    Ok(files)
}

/// Files below a directory, links followed: a runtime has no use for the links of a distribution.
fn walk(directory: &Utf8Path, to: &str, add: &mut dyn FnMut(&Utf8Path, String, bool) -> Result<()>) -> Result<()> {
    let entries = WalkDir::new(directory).follow_links(true).into_iter().filter_entry(|entry| {
        // Directories are tested as if they held something, so that whole packages are not even read.
        let below = entry.path().strip_prefix(directory).unwrap_or(entry.path());
        !(entry.file_type().is_dir() && entry.depth() > 0)
            || below.to_str().is_some_and(|below| !trim::left_out(&format!("{to}/{}/x", below.replace('\\', "/"))))
    });
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            // A dangling link of the distribution is nothing that a program could use either.
            Err(error) if error.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) => continue,
            Err(error) => return Err(error.into()),
        };
        if !entry.file_type().is_file() {
            continue;
        }
        let from =
            Utf8Path::from_path(entry.path()).with_context(|| format!("`{}` is not UTF-8", entry.path().display()))?;
        let below = from.strip_prefix(directory)?.as_str().replace('\\', "/");
        let executable = [".so", ".dylib", ".pyd", ".dll"].iter().any(|end| below.ends_with(end));
        add(from, format!("{to}/{below}"), executable)?;
    }
    Ok(())
}
