//! The licenses of the code in a launcher: of its crates, from their files when the launcher is built, and of Rust's
//! standard library, from the compiler that builds the launcher.

use std::collections::BTreeMap;
use std::io;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use speaches_format::layout;

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::inputs::license_file::is_license_file;
use crate::store::tree::RelativePath;

const DIRECTORY: &str = "launcher";
/// The record of the crates, below `licenses/`.
pub const RECORD: &str = "launcher/crates.toml";
/// The notices of the standard library, below `licenses/`: as rustup's compilers have them, and as others do.
pub const STANDARD_LIBRARY: [&str; 2] = ["launcher/rust-standard-library.html", "launcher/rust-standard-library.txt"];
/// The file below `licenses/` for a launcher that brings no licenses.
const UNKNOWN: &str = "launcher/UNKNOWN.txt";
/// All notices of the standard library in one file, below the directory of a compiler.
const ALL_NOTICES: &str = "share/doc/rust/COPYRIGHT-library.html";
/// Their other paths: in older compilers, on Arch and Fedora, on Debian.
const NOTICES: [&str; 4] = ["share/doc/rust", "share/licenses/rust", "share/doc/libstd-rust-dev", "share/doc/rustc"];

/// The record of the crates in a launcher.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// The crates, sorted.
    #[serde(rename = "crate")]
    pub crates: Vec<Crate>,
    /// Each text once.
    #[serde(rename = "text", default)]
    texts: Vec<Text>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Crate {
    pub name: String,
    pub version: String,
    /// Of its archive.
    pub sha256: String,
    /// An SPDX expression.
    pub license: String,
    /// Those for which it is linked: the one of the launcher. Older tools recorded all targets at once.
    pub targets: Vec<String>,
    /// The texts that lie in it, by the names of their files.
    #[serde(default)]
    texts: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Text {
    id: String,
    text: String,
}

/// A file with licenses that comes with a launcher that was built before.
#[derive(Clone, Debug)]
pub struct License {
    pub place: RelativePath,
    pub path: Utf8PathBuf,
    pub sha256: Sha256,
}

impl License {
    pub fn new(path: Utf8PathBuf, sha256: Sha256) -> Result<Self> {
        Ok(Self { place: place(&format!("{DIRECTORY}/{}", path.file_name().unwrap_or_default()))?, path, sha256 })
    }
}

/// Those of a launcher in a runtime; nothing where it lies elsewhere.
pub fn beside(launcher: &Utf8Path) -> Result<Vec<License>> {
    let Some(runtime) = launcher.parent().filter(|parent| parent.ends_with("bin")).and_then(Utf8Path::parent) else {
        return Ok(Vec::new());
    };
    let directory = runtime.join(layout::LICENSES).join(DIRECTORY);
    let names = files(&directory, is_known)?;
    let license = |path: Utf8PathBuf| License::new(path.clone(), Sha256::of_file(&path)?);
    names.into_iter().map(|name| license(directory.join(name))).collect()
}

/// Whether a file says something about what is linked into a launcher.
pub fn is_known(name: &str) -> bool {
    !UNKNOWN.ends_with(name)
}

/// The note in a runtime whose launcher was given without licenses.
pub fn unknown() -> Result<(RelativePath, &'static [u8])> {
    let text = b"The launcher bin/speaches was given with --launcher. What is linked into it, and under which licenses, is not \
                 known to the tool that made this runtime.\n";
    Ok((place(UNKNOWN)?, text))
}

/// The notices of the standard library that a compiler has in its directory, with their place in a runtime.
pub fn notices(sysroot: &Utf8Path) -> Result<Option<(RelativePath, Vec<u8>)>> {
    match fs_err::read(sysroot.join(ALL_NOTICES)) {
        Ok(bytes) => return Ok(Some((place(STANDARD_LIBRARY[0])?, bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    for directory in NOTICES {
        let texts = texts(&sysroot.join(directory))?;
        if !texts.is_empty() {
            let text = texts.iter().map(|(name, text)| format!("{name}:\n\n{text}\n")).collect::<String>();
            return Ok(Some((place(STANDARD_LIBRARY[1])?, text.into_bytes())));
        }
    }
    Ok(None)
}

/// The record of crates, whose manifests are these, with its place in a runtime. Crates of the workspace, which no
/// registry has, are under its own license.
pub fn record(manifests: &[Utf8PathBuf], lock: &Utf8Path, target: &str) -> Result<(RelativePath, Vec<u8>)> {
    let lock: Lock =
        toml::from_str(&fs_err::read_to_string(lock)?).with_context(|| format!("`{lock}` is malformed"))?;
    let mut record = Record::default();
    let mut all = BTreeMap::new();
    for manifest in manifests {
        let Package { name, version, license } = package(manifest)?;
        let locked = lock.package.iter().find(|locked| locked.name == name && locked.version == version);
        let Some(sha256) = locked.and_then(|locked| locked.checksum.clone()) else { continue };
        let found = texts(manifest.parent().context("a manifest lies in a directory")?)?;
        if found.is_empty() {
            bail!(
                Failure::new(Exit::Data, format!("the crate {name} {version} has no text of its license"))
                    .hint("use a version that has one, or remove the crate")
            );
        }
        let mut texts = BTreeMap::new();
        for (file, text) in found {
            let id = Sha256::of(text.as_bytes()).to_string()[..16].to_owned();
            all.insert(id.clone(), text);
            texts.insert(file, id);
        }
        let license = expression(license.as_deref().unwrap_or_default())
            .with_context(|| format!("the license of the crate {name} {version}"))?;
        record.crates.push(Crate { name, version, sha256, license, targets: vec![target.to_owned()], texts });
    }
    record.crates.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    record.texts = all.into_iter().map(|(id, text)| Text { id, text }).collect();
    let head = "# The crates that are linked into bin/speaches, each with its license and the texts that lie in it; below, \
                each text once.\n\n";
    Ok((place(RECORD)?, format!("{head}{}", toml::to_string_pretty(&record)?).into_bytes()))
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

fn package(manifest: &Utf8Path) -> Result<Package> {
    #[derive(Deserialize)]
    struct Manifest {
        package: toml::Table,
    }
    let malformed = || format!("`{manifest}` is malformed");
    let Manifest { package } = toml::from_str(&fs_err::read_to_string(manifest)?).with_context(malformed)?;
    // A crate of this workspace inherits the field as a table.
    let text = |key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    Ok(Package {
        name: text("name").with_context(malformed)?,
        version: text("version").unwrap_or_default(),
        license: text("license"),
    })
}

/// "a slash […] deprecated": MIT/Apache-2.0 is one or the other.
fn expression(license: &str) -> Result<String> {
    Ok(spdx::Expression::parse(&license.replace('/', " OR "))?.to_string())
}

fn place(below: &str) -> Result<RelativePath> {
    Ok(RelativePath::new(format!("{}/{below}", layout::LICENSES))?)
}

/// The texts in a directory, by the names of their files, with the line ends of Unix.
fn texts(directory: &Utf8Path) -> Result<BTreeMap<String, String>> {
    let is_text = |name: &str| !name.to_ascii_lowercase().ends_with(".html") && is_license_file(name);
    let read = |name: String| {
        let bytes = fs_err::read(directory.join(&name))?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim_end).collect::<Vec<_>>();
        Ok((name, lines.join("\n").trim_matches('\n').to_owned() + "\n"))
    };
    files(directory, is_text)?.into_iter().map(read).collect()
}

/// The names of files in a directory, sorted; none if there is no such directory.
fn files(directory: &Utf8Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let entries = match directory.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read `{directory}`")),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if wanted(entry.file_name()) && entry.path().is_file() {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort();
    Ok(names)
}
