//! The digest of the launcher's sources: the crates `launcher` and `format`, the crates that they link, and the
//! settings of the workspace that they use. Compiler, linker and target are not in it.
//!
//! N.B. any change in the directories of these two crates, also in a comment, gives every runtime another launcher, and
//! makes the launchers of vendor directories stale. Crates that only the tool or a test uses change nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use toml::{Table, Value};
use walkdir::WalkDir;

use crate::base::digest::Sha256;

const LAUNCHER: &str = "speaches-launcher";
/// The crates of this workspace that it consists of.
const DIRECTORIES: [&str; 2] = ["runtime-template/format", "runtime-template/launcher"];
/// The parts of the workspace's manifest that count: inherited fields, and profiles.
const SETTINGS: [[&str; 2]; 4] =
    [["workspace", "package"], ["workspace", "resolver"], ["profile", "launcher"], ["profile", "release"]];

/// The digest of all that a launcher is built from, in the workspace at `root`.
pub fn digest(root: &Utf8Path) -> Result<Sha256> {
    let manifest = table(&root.join("Cargo.toml"))?;
    let settings = SETTINGS.map(|[section, name]| manifest.get(section)?.get(name));
    let packages = packages(root, &table(&root.join("Cargo.lock"))?)?;
    Ok(Sha256::of_json(&(files(root)?, settings, packages)))
}

/// The files of the launcher's own crates, with their digests.
fn files(root: &Utf8Path) -> Result<Vec<(Utf8PathBuf, Sha256)>> {
    let mut files = Vec::new();
    for directory in DIRECTORIES {
        for entry in WalkDir::new(root.join(directory)).sort_by_file_name() {
            let entry = entry?;
            if entry.file_type().is_file() {
                let path = Utf8Path::from_path(entry.path()).context("a path that is not UTF-8")?;
                files.push((path.strip_prefix(root)?.to_owned(), Sha256::of_file(path)?));
            }
        }
    }
    Ok(files)
}

/// The packages of `Cargo.lock` that the launcher depends on, itself included, sorted.
fn packages(root: &Utf8Path, lock: &Table) -> Result<Vec<Table>> {
    let locked = lock.get("package").and_then(Value::as_array).context("`Cargo.lock` has no packages")?;
    let locked = locked.iter().filter_map(Value::as_table).collect::<Vec<_>>();
    let declared = declared_dependencies(root)?;
    let mut open = vec![LAUNCHER];
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some(reference) = open.pop() {
        if !seen.insert(reference) {
            continue;
        }
        let package = locked.iter().find(|package| is_named(package, reference));
        let package = *package.with_context(|| format!("`Cargo.lock` has no package `{reference}`"))?;
        let dependencies = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
        // N.B. the lock has a workspace member's dependencies for tests among the others; those of registries have none.
        let own = declared.get(text(package, "name"));
        open.extend(
            dependencies
                .filter_map(Value::as_str)
                .filter(|one| own.is_none_or(|own| own.contains(one.split(' ').next().unwrap_or(one)))),
        );
        let mut package = package.clone();
        // Each of them is there itself if it counts.
        package.remove("dependencies");
        found.push(package);
    }
    found.sort_by(|one, other| {
        (text(one, "name"), text(one, "version")).cmp(&(text(other, "name"), text(other, "version")))
    });
    Ok(found)
}

/// Whether a dependency means this package: by its name, and by version and source where those are needed to tell it from
/// others of the name.
fn is_named(package: &Table, reference: &str) -> bool {
    let mut words = reference.split(' ');
    let source = |word: &str| word.trim_start_matches('(').trim_end_matches(')') == text(package, "source");
    words.next() == Some(text(package, "name"))
        && words.next().is_none_or(|version| version == text(package, "version"))
        && words.next().is_none_or(source)
}

/// For each of the launcher's own crates: the names of the packages that its manifest declares, but for tests.
fn declared_dependencies(root: &Utf8Path) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut declared = BTreeMap::new();
    for directory in DIRECTORIES {
        let path = root.join(directory).join("Cargo.toml");
        let manifest = table(&path)?;
        let name = manifest.get("package").and_then(|package| package.get("name")?.as_str());
        let name = name.with_context(|| format!("`{path}` names no package"))?;
        let of_targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
        let sections = std::iter::once(&manifest).chain(of_targets.filter_map(Value::as_table));
        let kinds = sections.flat_map(|section| [section.get("dependencies"), section.get("build-dependencies")]);
        let entries = kinds.flatten().filter_map(Value::as_table).flatten();
        let names = entries.map(|(key, entry)| {
            // A crate may be called something else here than its package.
            entry.get("package").and_then(Value::as_str).unwrap_or(key).to_owned()
        });
        declared.insert(name.to_owned(), names.collect());
    }
    Ok(declared)
}

fn text<'a>(package: &'a Table, key: &str) -> &'a str {
    package.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn table(path: &Utf8Path) -> Result<Table> {
    fs_err::read_to_string(path)?.parse::<Table>().with_context(|| format!("`{path}` is not TOML"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Utf8PathBuf {
        Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
    }

    /// A copy of what this workspace has of a launcher.
    fn copied() -> (tempfile::TempDir, Utf8PathBuf) {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap().to_owned();
        let files = files(&workspace()).unwrap().into_iter().map(|(path, _)| path);
        for path in files.chain(["Cargo.toml".into(), "Cargo.lock".into()]) {
            fs_err::create_dir_all(root.join(&path).parent().unwrap()).unwrap();
            fs_err::copy(workspace().join(&path), root.join(&path)).unwrap();
        }
        (scratch, root)
    }

    /// Whether the launcher is another one after an edit of a file.
    fn changes(path: &str, edit: impl Fn(&str) -> String) -> bool {
        let (_scratch, root) = copied();
        let before = digest(&root).unwrap();
        let text = fs_err::read_to_string(root.join(path)).unwrap();
        let edited = edit(&text);
        assert_ne!(edited, text, "`{path}` was not edited");
        fs_err::write(root.join(path), edited).unwrap();
        digest(&root).unwrap() != before
    }

    /// Whether another version of a package makes another launcher.
    fn counts(package: &str) -> bool {
        changes("Cargo.lock", |lock| {
            let start = format!("name = \"{package}\"\nversion = \"");
            assert_eq!(lock.matches(&start).count(), 1, "{package}");
            lock.replace(&start, &format!("{start}9"))
        })
    }

    #[test]
    fn another_version_of_what_only_the_tool_or_a_test_uses_is_the_same_launcher() {
        let (_scratch, root) = copied();
        assert_eq!(digest(&root).unwrap(), digest(&workspace()).unwrap());
        for package in ["tempfile", "rawzip", "reqwest", "vt100", "xtask", "wheel-archive"] {
            assert!(!counts(package), "{package}");
        }
        for package in
            ["serde", "serde_core", "sha2", "clap", "clap_builder", "libc", "speaches-format", "windows-link"]
        {
            assert!(counts(package), "{package}");
        }
    }

    #[test]
    fn the_manifest_of_the_workspace_counts_as_far_as_it_decides_the_bytes() {
        let edits = |from: &'static str, to: &'static str| changes("Cargo.toml", move |text| text.replace(from, to));
        assert!(!edits("debug = \"line-tables-only\"", "debug = true"), "how the tool is compiled");
        assert!(!edits("todo = \"warn\"", "todo = \"deny\""), "what clippy says");
        assert!(!edits("members = [\"xtask\", ", "members = ["), "what else there is");
        assert!(edits("opt-level = \"z\"", "opt-level = \"s\""));
        assert!(edits("lto = \"thin\"", "lto = false"));
        assert!(edits("edition = \"2024\"", "edition = \"2021\""));
    }

    #[test]
    fn every_source_counts() {
        for source in ["launcher/src/main.rs", "format/src/hex.rs", "format/Cargo.toml"] {
            assert!(changes(&format!("runtime-template/{source}"), |text| format!("{text}\n")), "{source}");
        }
    }

    #[test]
    fn of_two_versions_the_named_one_counts() {
        let lock =
            "[[package]]\nname = \"a\"\nversion = \"1\"\n[[package]]\nname = \"a\"\nversion = \"2\"\nsource = \"s\"\n";
        let lock = format!("{lock}[[package]]\nname = \"{LAUNCHER}\"\nversion = \"0\"\ndependencies = [\"clap 2\"]\n");
        let versions = |dependency: &str| {
            let lock = lock.replace("\"a\"", "\"clap\"").replace("clap 2", dependency).parse::<Table>().unwrap();
            let packages = packages(&workspace(), &lock).map_err(|error| error.to_string())?;
            Ok(packages.iter().map(|package| text(package, "version").to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(versions("clap 1"), Ok(vec!["1".to_owned(), "0".to_owned()]));
        assert_eq!(versions("clap 2 (s)"), Ok(vec!["2".to_owned(), "0".to_owned()]));
        assert_eq!(versions("clap 3"), Err("`Cargo.lock` has no package `clap 3`".to_owned()));
    }
}
