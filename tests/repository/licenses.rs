//! Licenses: of the crates in the launcher, and of wheels without a text of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::support::*;
use camino::{Utf8Path, Utf8PathBuf};

/// The crates that cargo links into the launcher for this machine: what `cargo build --package speaches-launcher` takes, but
/// for build scripts and macros, of which nothing is left in the program.
fn linked(target: &str) -> BTreeSet<(String, String)> {
    let edges = ["--edges", "normal,no-proc-macro", "--target", target, "--prefix", "none", "--no-dedupe"];
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    cargo.args(["tree", "--locked", "--package", "speaches-launcher", "--format", "{p}"]).args(edges);
    let tree = run(cargo.current_dir(root())).expect(0).stdout;
    let crates = tree.lines().map(|line| {
        let mut words = line.split(' ');
        (words.next().unwrap().to_owned(), words.next().unwrap().trim_start_matches('v').to_owned())
    });
    crates.filter(|(name, _)| !["speaches-launcher", "speaches-format"].contains(&name.as_str())).collect()
}

#[test]
fn the_record_of_the_launchers_crates_is_what_cargo_links_with_the_texts_that_lie_in_the_crates() {
    let description = json(&sample_runtime().join("runtime.json"));
    let target = description["target"].as_str().unwrap();
    let record = fs_err::read_to_string(sample_runtime().join("licenses/launcher/crates.toml")).unwrap();
    let record = record.parse::<toml::Table>().unwrap();
    let lock = fs_err::read_to_string(root().join("Cargo.lock")).unwrap().parse::<toml::Table>().unwrap();
    let of = |table: &toml::Value, key: &str| table[key].as_str().unwrap().to_owned();
    let texts = record["text"].as_array().unwrap();
    let texts = texts.iter().map(|text| (of(text, "id"), of(text, "text"))).collect::<BTreeMap<_, _>>();
    let mut recorded = BTreeSet::new();
    for one in record["crate"].as_array().unwrap() {
        let (name, version) = (of(one, "name"), of(one, "version"));
        assert_eq!(one["targets"].as_array().unwrap(), &[toml::Value::from(target)], "{name}");
        let is_it = |locked: &&toml::Value| of(locked, "name") == name && of(locked, "version") == version;
        let locked = lock["package"].as_array().unwrap().iter().find(is_it).unwrap();
        assert_eq!(locked["checksum"], one["sha256"], "{name}");
        spdx::Expression::parse(&of(one, "license")).unwrap();
        let files = one["texts"].as_table().unwrap();
        assert!(!files.is_empty(), "{name} {version}");
        for id in files.values() {
            assert!(!texts[id.as_str().unwrap()].trim().is_empty(), "{name} {version}: {files}");
        }
        recorded.insert((name, version));
    }
    assert_eq!(recorded, linked(target));
    // MIT demands it: "this permission notice shall be included in all copies".
    let anstream = record["crate"].as_array().unwrap().iter().find(|one| one["name"].as_str() == Some("anstream"));
    let text = &texts[anstream.unwrap()["texts"]["LICENSE-MIT"].as_str().unwrap()];
    assert!(text.contains("Permission is hereby granted, free of charge"), "{text}");
}

#[test]
fn a_launcher_that_is_given_brings_the_licenses_of_its_runtime_or_none_and_says_so() {
    let scratch = scratch();
    let alone = scratch.path.join("speaches");
    fs_err::copy(sample_runtime().join("bin/speaches"), &alone).unwrap();
    let unknown = provision_sample(&scratch.path.join("unknown"), &["--launcher", alone.as_str()]);
    assert_eq!(files(&unknown.join("licenses/launcher")), ["UNKNOWN.txt"]);
    let packed = run(&mut xtask(&["bundle", unknown.as_str(), "--level", "1"])).expect(0).stdout;
    let bill = json(&Utf8PathBuf::from(format!("{}.cdx.json", packed.trim_end())));
    let launcher = bill["components"].as_array().unwrap().iter().find(|one| one["name"] == "launcher").unwrap();
    assert!(launcher["properties"].to_string().contains("unknown: a prebuilt launcher was given"), "{launcher}");

    let of_a_runtime = sample_runtime().join("bin/speaches");
    let known = provision_sample(&scratch.path.join("known"), &["--launcher", of_a_runtime.as_str()]);
    let texts = |runtime: &Utf8Path| {
        let directory = runtime.join("licenses/launcher");
        files(&directory).into_iter().map(|file| fs_err::read(directory.join(file)).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&known).len(), 2);
    assert!(texts(&known) == texts(sample_runtime()));
    let plan = |runtime: &Utf8Path| json(&runtime.join("runtime.json"))["plan"].clone();
    assert_ne!(plan(&known), plan(&unknown), "what differs has another identity");
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
fn every_component_that_may_lack_a_license_text_is_a_wheel_of_some_lock() {
    let manifest: toml::Table =
        fs_err::read_to_string(root().join("manifests/licenses.toml")).unwrap().parse().unwrap();
    let stated = manifest["without"].as_array().unwrap().iter();
    let stated = stated.map(|entry| entry["component"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let wheels = ["manifests/locks", "manifests/sample/locks", "manifests/tones/locks"]
        .into_iter()
        .flat_map(locked)
        .collect::<BTreeSet<_>>();
    for component in &stated {
        assert!(wheels.contains(component), "{component} is in no lock any more: take it out of licenses.toml");
    }
    assert!(stated.is_sorted_by(|one, other| one < other), "sorted, each once: {stated:?}");
}

#[test]
fn wheels_without_a_license_text_and_explanations_that_no_wheel_needs_are_found_before_a_bundle_is_made() {
    let scratch = scratch();
    let description = json(&sample_runtime().join("runtime.json"));
    let of = |key: &str| description[key].as_str().unwrap().to_owned();
    let minor = description["python"]["minor"].as_str().unwrap();
    let name = format!("pylock.{minor}-{}-{}.toml", of("target"), of("accelerator"));
    let lock = root().join("manifests/tones/locks").join(&name);
    // The store has its wheels, since the miniature of the tests was made from them.
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
    // The miniature has no wheel of tokenizers, which is known whatever the store has.
    run(&mut licenses(&[])).expect(65).says("no wheel needs them:").says("    tokenizers\n");
    edit(&manifests.join("licenses.toml"), "component = \"flatbuffers\"", "component = \"flatbuffer\"");
    run(&mut licenses(&[lock.as_str()])).expect(65).says("have no license text").says("flatbuffers ");
    // Missing wheels are never counted as checked.
    let mut empty = xtask(&["licenses", lock.as_str()]);
    let store = scratch.path.join("empty");
    run(empty.env("SPEACHES_STORE", &store)).expect(69).says("are not in the store").says("fastapi-").says("--fetch");
}
