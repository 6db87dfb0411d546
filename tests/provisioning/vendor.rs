//! Vendor directories: every input of a runtime in one place, and the same runtime from it without a network.
#![cfg(unix)]

use std::process::Command;

use crate::support::world::World;
use crate::support::*;
use camino::Utf8Path;

/// A provision on a machine that has neither network nor tools, from this vendor directory and with an empty store.
fn far_away(vendor: &Utf8Path, out: &Utf8Path, more: &[&str]) -> Command {
    let mut command = xtask(&["provision", "--vendor", vendor.as_str(), "--offline", "--out", out.as_str()]);
    command.args(more).env_clear().env("PATH", "/nowhere").env("HOME", "/nowhere");
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "UV_DEFAULT_INDEX", "HF_ENDPOINT"] {
        command.env(proxy, "http://127.0.0.1:9");
    }
    command.env("SPEACHES_STORE", out.with_file_name("an empty store"));
    command
}

fn vendor_sample(directory: &Utf8Path) {
    let ended = run(&mut xtask(&["vendor", directory.as_str(), TONES])).expect(0);
    assert_eq!(ended.stdout.trim_end(), directory.as_str(), "the path is all there is on standard output");
}

fn description(runtime: &Utf8Path) -> Vec<u8> {
    fs_err::read(runtime.join("runtime.json")).unwrap()
}

#[test]
fn what_was_fetched_makes_the_same_runtime_where_there_is_no_network() {
    let scratch = scratch();
    let world = World::new(&scratch.path);
    let online = scratch.path.join("online");
    run(&mut world.provision(&scratch.path.join("store"), &online)).expect(0);

    let vendor = scratch.path.join("vendor");
    run(&mut world.command("vendor", &scratch.path.join("another store"), &[vendor.as_str(), "--locked"])).expect(0);
    assert_eq!(world.sent(), 2 * world.total(), "each byte once by each of the two");
    let sums = fs_err::read_to_string(vendor.join("SHA256SUMS")).unwrap();
    let listed = sums.lines().map(|line| line.split_once("  ").unwrap()).collect::<Vec<_>>();
    for (digest, file) in &listed {
        assert_eq!(*digest, sha256(&fs_err::read(vendor.join(file)).unwrap()), "{file}");
    }
    assert_eq!(listed.len(), files(&vendor).len() - 1, "all but the list itself");

    let moved = scratch.path.join("moved, with a space");
    fs_err::rename(&vendor, &moved).unwrap();
    let asked = world.server.requests().len();
    let offline = scratch.path.join("far away/runtime");
    let pins = ["--manifests", world.manifests.as_str(), "--locked"];
    run(&mut far_away(&moved, &offline, &pins)).expect(0);
    assert!(description(&online) == description(&offline), "the descriptions differ");
    run(&mut xtask(&["smoke", offline.as_str()])).expect(0);

    let elsewhere = scratch.path.join("far away/elsewhere");
    let dry = run(&mut far_away(&moved, &elsewhere, &[pins[0], pins[1], "--dry-run", "--json"])).expect(0);
    let plan: serde_json::Value = serde_json::from_str(&dry.stdout).unwrap();
    assert!(plan["inputs"].as_array().unwrap().iter().all(|input| input["cached"] == true), "{}", dry.stdout);
    assert_eq!(world.server.requests().len(), asked, "nothing was asked for");
}

#[test]
fn what_the_user_brought_is_vendored_as_it_was() {
    let scratch = scratch();
    let vendor = scratch.path.join("vendor");
    vendor_sample(&vendor);
    let out = scratch.path.join("far away/runtime");
    run(&mut far_away(&vendor, &out, &[])).expect(0).says("TONES").says("not pinned");
    assert!(description(sample_runtime()) == description(&out), "the descriptions differ");
    let again = scratch.path.join("again");
    run(&mut far_away(&vendor, &again, &["--locked"])).expect(78).says("`--locked` refuses");
}

#[test]
fn damaged_files_of_a_vendor_directory_are_named() {
    let scratch = scratch();
    let vendor = scratch.path.join("vendor");
    vendor_sample(&vendor);
    let all = files(&vendor);
    let kinds = ["wheels/numpy-", "python/", "speaches/", "launcher/", "model.onnx", "vendor.json"];
    for kind in kinds {
        let file = all.iter().find(|file| file.as_str().contains(kind)).unwrap();
        let path = vendor.join(file);
        let whole = fs_err::read(&path).unwrap();
        let mut changed = whole.clone();
        // Of the document, its first line; of all else, somewhere in the middle.
        let at = if kind == "vendor.json" { 0 } else { changed.len() / 2 };
        changed[at] ^= 1;
        for bad in [Some(changed.as_slice()), Some(&whole[..whole.len() / 2]), None] {
            // The file shares its bytes with the store.
            fs_err::remove_file(&path).unwrap();
            if let Some(bytes) = bad {
                fs_err::write(&path, bytes).unwrap();
            }
            let out = scratch.path.join("far away/runtime");
            let ended = run(&mut far_away(&vendor, &out, &[]));
            let code = if kind == "vendor.json" && bad.is_none() { 66 } else { 65 };
            let said = ended.expect(code).says("hint: ").stderr;
            let named = file.as_str().contains("models--") && said.contains("`sample/tone-");
            assert!(said.contains(file.file_name().unwrap()) || named, "{kind} {}:\n{said}", bad.is_some());
            assert!(!out.exists(), "{kind}");
            let _ = fs_err::remove_dir_all(out.parent().unwrap());
        }
        fs_err::write(&path, &whole).unwrap();
    }
    run(&mut far_away(&vendor, &scratch.path.join("far away/runtime"), &[])).expect(0);
}

#[test]
fn a_vendor_directory_replaces_its_like_and_nothing_else() {
    let scratch = scratch();
    let vendor = scratch.path.join("vendor");
    run(&mut xtask(&["vendor", vendor.as_str(), TONES, "--models", "none"])).expect(0);
    assert!(!vendor.join("models").exists());
    vendor_sample(&vendor);
    assert!(vendor.join("models").exists());
    let out = scratch.path.join("out");
    run(&mut far_away(&vendor, &out, &["--python", "3.99"])).expect(69).says("none was found");
    fs_err::remove_file(vendor.join("vendor.json")).unwrap();
    run(&mut xtask(&["vendor", vendor.as_str(), TONES])).expect(73).says("is no vendor directory").says("hint: ");
    run(&mut far_away(&vendor, &out, &[])).expect(66).says("is no vendor directory").says("hint: ");
    assert!(vendor.join("models").exists() && !out.exists());
}
