//! Reads or fetches the source of speaches, and compares it with the pin.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use flate2::read::MultiGzDecoder;
use fs_err::File;
use walkdir::WalkDir;

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::base::git;
use crate::net::http;
use crate::pins::manifest::{PinnedFile, SpeachesManifest};
use crate::report;
use crate::store::fetch::{self, document};

/// The parts of the source that a runtime takes. Of an unpinned source the tool looks at nothing else. A
/// pinned source may have no other file in these places.
const TAKEN: [&str; 5] = ["src/speaches/", "realtime-console/dist/", "pyproject.toml", "model_aliases.json", "LICENSE"];

const NAMED: usize = 5;

/// The source of speaches, in memory: it is two megabytes.
#[derive(Clone)]
pub struct Source {
    /// Content by path, with `/`.
    pub files: BTreeMap<String, Vec<u8>>,
    pub pinned: bool,
    /// git's id of the tree of `files`.
    pub tree: String,
    pub sha256: Sha256,
}

impl Source {
    /// Reads a checkout or a source archive and compares it with the pin.
    pub fn read(from: &Utf8Path, manifest: &SpeachesManifest, allow_unpinned: bool) -> Result<Self> {
        if !from.exists() {
            bail!(
                Failure::new(Exit::NoInput, format!("`--speaches-from {from}`: this path does not exist"))
                    .hint("name a checkout or a source archive of speaches")
            );
        }
        let files = if from.is_dir() { read_directory(from, manifest)? } else { read_archive(from)? };
        Self::check(files, from.as_str(), manifest, allow_unpinned)
    }

    /// The pinned source from its forge. Its archives have no stable bytes, so what is in them is checked.
    pub fn fetch(manifest: &SpeachesManifest) -> Result<Self> {
        /// In bytes; the archive of speaches has two megabytes.
        const LARGEST_ARCHIVE: u64 = 256 << 20;
        let (mut failures, mut wrong, mut untrusted) = (Vec::new(), None, false);
        for url in &manifest.archives {
            let url = url.replace("{commit}", &manifest.commit);
            let files = document::read(&url, LARGEST_ARCHIVE, "the source of speaches")
                .and_then(|archive| unpack(archive.as_slice()));
            match files.map(|files| Self::check(files, &url, manifest, false)) {
                Ok(Ok(source)) => {
                    if let Some(wrong) = wrong {
                        report::say(&format!("warning: {wrong}"));
                    }
                    return Ok(source);
                }
                // Another source may have the pinned tree all the same.
                Ok(Err(error)) => wrong = wrong.or(Some(error)),
                Err(error) => {
                    untrusted |= http::is_tls_error(&error);
                    failures.push(format!("{}: {error:#}", http::redact_url(&url)));
                }
            }
        }
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        let hint = if untrusted {
            fetch::UNTRUSTED
        } else {
            "check the network, or give a checkout or archive with `--speaches-from`"
        };
        bail!(
            Failure::new(Exit::Unavailable, format!("cannot fetch speaches:\n    {}", failures.join("\n    ")))
                .hint(hint)
        );
    }

    /// Compares files with the pin. `origin` says where they are from.
    pub fn check(
        files: BTreeMap<String, Vec<u8>>,
        origin: &str,
        manifest: &SpeachesManifest,
        allow_unpinned: bool,
    ) -> Result<Self> {
        let name = files
            .get("pyproject.toml")
            .and_then(|text| toml::from_str::<toml::Table>(std::str::from_utf8(text).ok()?).ok())
            .and_then(|table| Some(table.get("project")?.get("name")?.as_str()?.to_owned()));
        if name.as_deref() != Some("speaches") || !files.contains_key("src/speaches/main.py") {
            bail!(
                Failure::new(Exit::Data, format!("`{origin}` is not a speaches tree: no `pyproject.toml` of a project named `speaches` with `src/speaches/main.py`"))
                    .hint(match &manifest.directory {
                        Some(directory) => format!("leave `--speaches-from` out: these pins are those of `{directory}`"),
                        None => format!("clone {} and check out {}", manifest.repository, manifest.commit),
                    })
            );
        }
        let differences = differences(&files, &manifest.files);
        if differences.is_empty() {
            let tree = git_tree(&files, &manifest.files);
            if tree != manifest.tree {
                bail!(Failure::new(
                    Exit::Data,
                    format!("`speaches.files` lists the tree {tree}, but `speaches.toml` pins {}", manifest.tree)
                ));
            }
            return Ok(Self { files, pinned: true, tree, sha256: manifest.files_sha256 });
        }
        if !allow_unpinned {
            let more = differences.len().saturating_sub(NAMED);
            let mut named = differences.iter().take(NAMED).map(|one| format!("\n    {one}")).collect::<String>();
            if more > 0 {
                named.push_str(&format!("\n    and {more} more"));
            }
            bail!(
                Failure::new(
                    Exit::Data,
                    format!("`{origin}` is not speaches at the pinned commit {}:{named}", manifest.commit)
                )
                .hint(format!(
                    "`git checkout {} && git status` shows the reason; `--allow-unpinned` uses the tree as it is and \
                     records it",
                    manifest.commit
                ))
            );
        }
        let files = files.into_iter().filter(|(path, _)| is_taken(path)).collect::<BTreeMap<_, _>>();
        let listed = list(&files);
        let tree = git_tree(&files, &listed);
        Ok(Self { files, pinned: false, tree, sha256: Sha256::of(list_text(&listed).as_bytes()) })
    }

    /// A file that a speaches tree has to have.
    pub fn text(&self, path: &str) -> Result<&str> {
        let bytes = self
            .files
            .get(path)
            .ok_or_else(|| Failure::new(Exit::Data, format!("there is no `{path}` in the source of speaches")))?;
        std::str::from_utf8(bytes).with_context(|| format!("`{path}` of speaches is not UTF-8"))
    }

    /// The files below a directory of the source that go into a runtime, by path relative to it.
    pub fn below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.files.iter().filter_map(move |(path, bytes)| Some((path.strip_prefix(directory)?, bytes.as_slice())))
    }
}

fn is_taken(path: &str) -> bool {
    TAKEN.iter().any(|taken| path == *taken || (taken.ends_with('/') && path.starts_with(taken)))
}

fn is_bytecode(path: &str) -> bool {
    path.ends_with(".pyc")
}

fn read_directory(root: &Utf8Path, manifest: &SpeachesManifest) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for pinned in &manifest.files {
        let path = root.join(&pinned.path);
        if path.is_file() {
            files.insert(pinned.path.clone(), fs_err::read(&path)?);
        }
    }
    for taken in TAKEN {
        let place = root.join(taken.trim_end_matches('/'));
        if !place.exists() {
            continue;
        }
        for entry in WalkDir::new(&place).sort_by_file_name() {
            let entry = entry?;
            let path = Utf8Path::from_path(entry.path()).context("a path that is not UTF-8")?;
            let relative = path.strip_prefix(root)?.as_str().replace('\\', "/");
            // Running speaches from a checkout leaves these behind; they are no part of it.
            if !entry.file_type().is_dir() && !is_bytecode(&relative) && !files.contains_key(&relative) {
                files.insert(relative, fs_err::read(path)?);
            }
        }
    }
    Ok(files)
}

/// A source archive as GitHub makes them: a gzipped tar with one directory at its top.
fn read_archive(path: &Utf8Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let file = BufReader::new(File::open(path)?);
    unpack(file).map_err(|error| {
        Failure::new(Exit::Data, format!("`{path}` is not a source archive of speaches: {error:#}"))
            .hint("use a `.tar.gz` from the forge, or a directory")
            .into()
    })
}

/// The files of a gzipped tar, without the directory at its top.
fn unpack(reader: impl Read) -> Result<BTreeMap<String, Vec<u8>>> {
    /// More than a source archive holds, and little enough to have in memory.
    const LARGEST: u64 = 64 << 20;
    let mut archive = tar::Archive::new(MultiGzDecoder::new(reader).take(LARGEST));
    let mut files = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path()?.to_str().context("a path that is not UTF-8")?.replace('\\', "/");
        let Some((_, path)) = path.split_once('/') else { continue };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.insert(path.to_owned(), bytes);
    }
    Ok(files)
}

fn differences(files: &BTreeMap<String, Vec<u8>>, pinned: &[PinnedFile]) -> Vec<String> {
    let mut differences = Vec::new();
    let known = pinned.iter().map(|file| file.path.as_str()).collect::<std::collections::BTreeSet<_>>();
    for file in pinned {
        match files.get(&file.path) {
            None => differences.push(format!("missing:  {}", file.path)),
            Some(bytes) if Sha256::of(bytes) != file.sha256 => differences.push(format!("modified: {}", file.path)),
            Some(_) => {}
        }
    }
    differences.extend(
        files
            .keys()
            .filter(|path| is_taken(path) && !known.contains(path.as_str()))
            .map(|path| format!("unknown:  {path}")),
    );
    differences
}

/// The text of `speaches.files`.
pub fn list_text(listed: &[PinnedFile]) -> String {
    listed.iter().map(|file| format!("{} {} {}\n", file.sha256, file.mode, file.path)).collect()
}

/// The list that pins these files, as ordinary files that are not executable.
pub fn list(files: &BTreeMap<String, Vec<u8>>) -> Vec<PinnedFile> {
    files
        .iter()
        .map(|(path, bytes)| PinnedFile { path: path.clone(), mode: "100644".to_owned(), sha256: Sha256::of(bytes) })
        .collect()
}

/// git's id of a tree of files: sha1 over the names, modes and ids of what is in it.
pub fn git_tree(files: &BTreeMap<String, Vec<u8>>, listed: &[PinnedFile]) -> String {
    let blobs = listed
        .iter()
        .filter_map(|file| Some((file.path.as_str(), file.mode.as_str(), git::object("blob", files.get(&file.path)?))))
        .collect::<Vec<_>>();
    let id = git_subtree(&blobs);
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

type Blob<'a> = (&'a str, &'a str, [u8; 20]);

fn git_subtree(blobs: &[Blob<'_>]) -> [u8; 20] {
    let mut children = BTreeMap::<String, (&str, &str, [u8; 20])>::new();
    let mut directories = BTreeMap::<&str, Vec<Blob<'_>>>::new();
    for (path, mode, id) in blobs {
        match path.split_once('/') {
            None => drop(children.insert((*path).to_owned(), (path, mode, *id))),
            Some((directory, rest)) => directories.entry(directory).or_default().push((rest, mode, *id)),
        }
    }
    for (directory, blobs) in &directories {
        // git sorts a directory as if its name ended with a slash.
        children.insert(format!("{directory}/"), (directory, "40000", git_subtree(blobs)));
    }
    let mut content = Vec::new();
    for (name, mode, id) in children.values() {
        content.extend_from_slice(format!("{} {name}\0", mode.trim_start_matches('0')).as_bytes());
        content.extend_from_slice(id);
    }
    git::object("tree", &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_the_id_that_git_gives_it() {
        // Made with: git init, files `a-b`, `a/b` and `a.c` with content "x\n", `a/b` executable; git write-tree.
        let files = ["a-b", "a/b", "a.c"].map(|path| (path.to_owned(), b"x\n".to_vec())).into_iter().collect();
        let mut listed = list(&files);
        listed.iter_mut().find(|file| file.path == "a/b").unwrap().mode = "100755".into();
        assert_eq!(git_tree(&files, &listed), "dc782689a1d7139eba1ce16ed42c3558e2217ae2");
    }

    #[test]
    fn a_different_tree_names_its_differences() {
        let files: BTreeMap<_, _> = [("LICENSE", "a"), ("src/speaches/new.py", ""), ("docs/other.md", "")]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into_iter()
            .collect();
        let pin = |path: &str| PinnedFile { path: path.into(), mode: "100644".into(), sha256: Sha256::of(b"b") };
        assert_eq!(
            differences(&files, &[pin("LICENSE"), pin("src/speaches/main.py")]),
            ["modified: LICENSE", "missing:  src/speaches/main.py", "unknown:  src/speaches/new.py"]
        );
    }
}
