//! What is said about licences: about the crates in the launcher, and about wheels that bring no text of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;

use crate::support::*;
use camino::{Utf8Path, Utf8PathBuf};

/// Set to write the record of the crates instead of comparing it.
const UPDATE: &str = "UPDATE_LICENCES";
const RECORD: &str = "runtime-template/licenses/launcher/crates.toml";
const HEAD: &str = "\
# The crates that are linked into the launcher, bin/speaches, each with its licence, the targets for which it is linked,
# and the texts that lie in it; below, each text once. Made from Cargo.lock and the crates themselves:
# `UPDATE_LICENCES=1 cargo test -p xtask --test repository licences` writes this file.
";
/// How the files of a crate begin that hold a licence or say who has a right, in lower case.
const STARTS: [&str; 6] = ["license", "licence", "unlicense", "copying", "copyright", "notice"];

fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    run(command.args(arguments).arg("--locked").current_dir(root())).expect(0).stdout
}

/// The targets for which each crate is linked into the launcher: what `cargo build --package speaches-launcher` takes, but
/// for build scripts and macros, of which nothing is left in the program.
fn linked() -> BTreeMap<(String, String), Vec<String>> {
    let table: toml::Table = fs_err::read_to_string(root().join("manifests/targets.toml")).unwrap().parse().unwrap();
    let mut linked = BTreeMap::<_, Vec<_>>::new();
    for target in table["target"].as_table().unwrap().keys() {
        let edges = ["--edges", "normal,no-proc-macro", "--target", target, "--prefix", "none", "--no-dedupe"];
        let tree = cargo(&[&["tree", "--package", "speaches-launcher", "--format", "{p}"][..], &edges].concat());
        for line in tree.lines().collect::<BTreeSet<_>>() {
            let mut words = line.split(' ');
            let (name, version) = (words.next().unwrap(), words.next().unwrap().trim_start_matches('v'));
            if name != "speaches-launcher" {
                linked.entry((name.to_owned(), version.to_owned())).or_default().push(target.clone());
            }
        }
    }
    linked
}

/// The texts in the directory of a crate, by the names of their files, with the line ends of Unix.
fn texts(directory: &Utf8Path) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for entry in directory.read_dir_utf8().unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_ascii_lowercase();
        if entry.file_type().unwrap().is_file() && STARTS.iter().any(|start| name.starts_with(start)) {
            let text = fs_err::read_to_string(entry.path()).unwrap();
            let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim_end).collect::<Vec<_>>();
            texts.insert(entry.file_name().to_owned(), lines.join("\n").trim_matches('\n').to_owned() + "\n");
        }
    }
    texts
}

/// The record as it has to be.
fn record() -> String {
    let metadata: serde_json::Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let lock: toml::Table = fs_err::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    let of = |key: &str, package: &serde_json::Value| package[key].as_str().unwrap().to_owned();
    let mut record = HEAD.to_owned();
    let mut all = BTreeMap::new();
    for ((name, version), targets) in linked() {
        let is_it =
            |package: &&serde_json::Value| package["name"] == name.as_str() && package["version"] == version.as_str();
        let package = packages.iter().find(is_it).unwrap();
        let locked = lock["package"].as_array().unwrap().iter();
        let locked =
            locked.filter(|one| one["name"].as_str() == Some(&name) && one["version"].as_str() == Some(&version));
        let sha256 = locked.map(|one| one["checksum"].as_str().unwrap()).next().unwrap();
        // "a slash […] deprecated": MIT/Apache-2.0 is one or the other.
        let license = of("license", package).replace('/', " OR ");
        let license = spdx::Expression::parse(&license).unwrap().to_string();
        let directory = Utf8PathBuf::from(of("manifest_path", package));
        let mut files = String::new();
        let found = texts(directory.parent().unwrap());
        assert!(!found.is_empty(), "{name} {version} brings no licence text: find one, or do without the crate");
        for (file, text) in found {
            let digest = crate::support::sha256(text.as_bytes());
            writeln!(files, "texts.\"{file}\" = \"{}\"", &digest[..16]).unwrap();
            all.insert(digest[..16].to_owned(), text);
        }
        write!(
            record,
            "\n[[crate]]\nname = \"{name}\"\nversion = \"{version}\"\nsha256 = \"{sha256}\"\nlicense = \"{license}\"\n\
             targets = {targets:?}\n{files}"
        )
        .unwrap();
    }
    for (digest, text) in all {
        assert!(!text.contains("'''"));
        write!(record, "\n[[text]]\nid = \"{digest}\"\ntext = '''\n{text}'''\n").unwrap();
    }
    record
}

#[test]
fn the_record_of_the_launchers_crates_is_what_cargo_links_and_what_lies_in_the_crates() {
    let record = record();
    record.parse::<toml::Table>().unwrap();
    let path = root().join(RECORD);
    if std::env::var_os(UPDATE).is_some() {
        fs_err::write(&path, &record).unwrap();
        return;
    }
    let committed = fs_err::read_to_string(&path).unwrap().replace("\r\n", "\n");
    let difference = committed.lines().zip(record.lines()).find(|(one, other)| one != other);
    assert!(
        committed == record,
        "`{UPDATE}=1 cargo test -p xtask --test repository licences` writes `{RECORD}`: {difference:?}"
    );
}

#[test]
fn the_notices_of_the_standard_library_are_those_of_the_rust_that_releases_are_built_with() {
    let rustc = |arguments: &[&str]| run(Command::new("rustc").args(arguments).current_dir(root())).expect(0).stdout;
    let cargo: toml::Table = fs_err::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let oldest = cargo["workspace"]["package"]["rust-version"].as_str().unwrap().to_owned();
    let release = rustc(&["-vV"]);
    let release = release.lines().find_map(|line| line.strip_prefix("release: ")).unwrap();
    let sysroot = rustc(&["--print", "sysroot"]);
    let original = Utf8Path::new(sysroot.trim()).join("share/doc/rust/COPYRIGHT-library.html");
    if !release.starts_with(&format!("{oldest}.")) || !original.is_file() {
        not_run(
            "this-rust",
            "the notices of Rust's standard library",
            &format!("this Rust is {release}, with `{original}` or without"),
        );
        return;
    }
    let committed = root().join("runtime-template/licenses/launcher/rust-standard-library.html");
    // Where the crates can be fetched from is no notice, and is for whoever builds to decide.
    let notices = |path: &Utf8Path| {
        let text = fs_err::read_to_string(path).unwrap();
        text.lines()
            .filter(|line| !line.contains("<p><b>URL:</b>"))
            .fold(String::new(), |text, line| text + line + "\n")
    };
    let notices_of_this_rust = notices(&original);
    if std::env::var_os(UPDATE).is_some() {
        fs_err::write(&committed, &notices_of_this_rust).unwrap();
        return;
    }
    let same = fs_err::read_to_string(&committed).unwrap().lines().eq(notices_of_this_rust.lines());
    assert!(same, "`{UPDATE}=1 cargo test -p xtask --test repository licences` writes `{committed}`");
}

/// The normalised names of all wheels in the locks of a directory.
fn locked(directory: &str) -> BTreeSet<String> {
    let locks = files(&root().join(directory));
    assert!(locks.len() >= 12, "{locks:?}");
    let names = locks.iter().flat_map(|lock| {
        let lock: toml::Table = fs_err::read_to_string(root().join(directory).join(lock)).unwrap().parse().unwrap();
        let names =
            lock["packages"].as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    });
    names.collect()
}

#[test]
fn every_component_that_may_lack_a_licence_text_is_a_wheel_of_some_lock() {
    let manifest: toml::Table =
        fs_err::read_to_string(root().join("manifests/licenses.toml")).unwrap().parse().unwrap();
    let stated = manifest["without"].as_array().unwrap().iter();
    let stated = stated.map(|entry| entry["component"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let wheels = locked("manifests/locks").into_iter().chain(locked("manifests/sample/locks")).collect::<BTreeSet<_>>();
    for component in &stated {
        assert!(wheels.contains(component), "{component} is in no lock any more: take it out of licenses.toml");
    }
    assert!(stated.is_sorted_by(|one, other| one < other), "sorted, each once: {stated:?}");
}

#[test]
fn wheels_without_a_licence_text_and_explanations_that_no_wheel_needs_are_found_before_a_bundle_is_made() {
    let scratch = scratch();
    let description = json(&sample_runtime().join("runtime.json"));
    let of = |key: &str| description[key].as_str().unwrap().to_owned();
    let minor = description["python"]["minor"].as_str().unwrap();
    let name = format!("pylock.{minor}-{}-{}.toml", of("target"), of("accelerator"));
    let lock = root().join("manifests/sample/locks").join(&name);
    // The store has its wheels, since the sample was made of them.
    let said = run(&mut xtask(&["licenses", lock.as_str()])).expect(0).stdout;
    let line = |start: &str| said.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    assert!(line("fastapi ").ends_with(": MIT, text in the wheel"), "{said}");
    assert!(
        line("flatbuffers ").ends_with(": Apache-2.0, text none, which manifests/licenses.toml explains"),
        "{said}"
    );

    let manifests = own_manifests(&scratch.path);
    fs_err::create_dir_all(manifests.join("sample/locks")).unwrap();
    let licenses = |more: &[&str]| xtask(&[&["licenses", "--manifests", manifests.as_str()], more].concat());
    // No wheel of the sample is tokenizers, which is known whatever the store has.
    run(&mut licenses(&[])).expect(65).says("no wheel needs it:").says("    tokenizers\n");
    edit(&manifests.join("licenses.toml"), "component = \"flatbuffers\"", "component = \"flatbuffer\"");
    run(&mut licenses(&[lock.as_str()])).expect(65).says("have no licence text").says("flatbuffers ");
    // What is not there is never taken for being in order.
    let mut empty = xtask(&["licenses", lock.as_str()]);
    let store = scratch.path.join("empty");
    run(empty.env("SPEACHES_STORE", &store)).expect(69).says("are not in the store").says("fastapi-").says("--fetch");
}
