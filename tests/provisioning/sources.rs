//! Inputs from servers and archives, through the code that real users run, against servers on this machine.
#![cfg(unix)]

use crate::support::faults::{Faults, Reply};
use crate::support::*;
use camino::{Utf8Path, Utf8PathBuf};

/// Manifests that pin an archive of this machine's CPython, and the archive.
fn pinned_archive(scratch: &Utf8Path) -> (Utf8PathBuf, Utf8PathBuf, String) {
    let runtime = sample_runtime();
    let version = json(&runtime.join("runtime.json"))["python"]["version"].as_str().unwrap().to_owned();
    let target = json(&runtime.join("runtime.json"))["target"].as_str().unwrap().to_owned();
    let archive = python_archive(scratch);
    let manifests = own_manifests(scratch);
    let digest = sha256(&fs_err::read(&archive).unwrap());
    let pins = format!(
        "default = \"3.12\"\nmirrors = []\n[[release]]\nversion = \"{version}\"\nbuild = \"1\"\n\
         [release.archives.{target}]\nurl = \"http://127.0.0.1:9/releases/download/1/cpython.tar.gz\"\nsha256 = \"{digest}\"\n"
    );
    fs_err::write(manifests.join("python.toml"), pins).unwrap();
    (manifests, archive, version)
}

#[test]
fn the_pinned_cpython_comes_from_a_mirror_and_is_checked() {
    let scratch = scratch();
    let (manifests, archive, version) = pinned_archive(&scratch.path);
    let bytes = fs_err::read(&archive).unwrap();
    // Other tests put the same archive into the shared store. Only what was made with it may be found.
    let store = scratch.path.join("store");
    store_with(&store, &["wheel", "bytecode", "tool"]);
    let _ = fs_err::remove_file(store.join("files").join(sha256(&bytes)));
    let provision = |server: &Faults, name: &str| {
        let out = scratch.path.join(name).join("runtime");
        let mut command = xtask(&["provision", "--manifests", manifests.as_str(), "--python", &version]);
        command.args(["--out", out.as_str()]).env("UV_PYTHON_INSTALL_MIRROR", &server.url);
        command.env("SPEACHES_STORE", &store);
        (run(&mut command), out)
    };
    let wrong = Faults::start([("/1/cpython.tar.gz", vec![Reply::data(b"something else")])]);
    let (ended, out) = provision(&wrong, "wrong");
    ended.expect(65).says("does not match its pin").says("hint: ");
    assert_nothing_half_made(out.parent().unwrap());

    let nothing = Faults::start([]);
    provision(&nothing, "nothing").0.expect(69).says("cannot fetch CPython").says("404");

    let right = Faults::start([("/1/cpython.tar.gz", vec![Reply::data(&bytes)])]);
    let (ended, out) = provision(&right, "right");
    ended.expect(0);
    assert_eq!(right.paths(), ["/1/cpython.tar.gz"]);
    let description = json(&out.join("runtime.json"));
    assert_eq!(description["python"]["harvested"], false);
    assert!(description["inputs"].as_array().unwrap().iter().all(|input| input["pinned"] == true));
}

#[test]
fn an_archive_of_the_user_is_held_to_the_same_pin() {
    let scratch = scratch();
    let (manifests, archive, version) = pinned_archive(&scratch.path);
    let out = scratch.path.join("runtime");
    let mut command = xtask(&["provision", "--manifests", manifests.as_str(), "--python", &version]);
    command.args(["--python-from", archive.as_str(), "--locked", "--out", out.as_str()]);
    run(&mut command).expect(0);
    assert!(out.join("python/bin/python3").is_symlink(), "links of the archive are kept");
    assert!(!files(&out).iter().any(|file| file.as_str().contains("python/include")), "headers are left out");
    // N.B. The archive's CPython was shared with this machine's, so the scan of binaries may refuse it: being pinned,
    // it has no excuse.
    let verified = run(&mut xtask(&["verify", out.as_str()]));
    assert!(verified.stdout.contains("all as described"), "{}", verified.stderr);
}

#[test]
fn an_archive_that_is_damaged_leaves_nothing() {
    let scratch = scratch();
    let archive = python_archive(&scratch.path);
    let whole = fs_err::read(&archive).unwrap();
    let out = scratch.path.join("out/runtime");
    // Between files, and in the middle of one.
    for cut in [0, 1, 2].map(|hundredths| whole.len() * (50 + hundredths) / 100) {
        fs_err::write(&archive, &whole[..cut]).unwrap();
        let mut command = xtask(&["provision", TONES, "--allow-unpinned", "--python-from", archive.as_str()]);
        run(command.args(["--out", out.as_str()])).expect(65).says("is not an archive of a CPython installation");
        assert_nothing_half_made(&scratch.path.join("out"));
    }
}

#[test]
fn the_pinned_source_is_fetched_and_checked_by_what_is_in_it() {
    let scratch = scratch();
    let manifests = own_manifests(&scratch.path);
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let provision = |name: &str, first: Option<Vec<u8>>, second: Vec<u8>| {
        let server = Faults::start(first.map(|first| ("/gone.tar.gz", vec![Reply::data(&first)])));
        server.set(&format!("/{commit}.tar.gz"), vec![Reply::data(&second)]);
        let text = own_speaches();
        let text = text.replace("commit = \"\"", &format!("commit = \"{commit}\"")).replace(
            "directory = \"tests/sample/speaches\"",
            &format!("archives = [\"{}/gone.tar.gz\", \"{}/{{commit}}.tar.gz\"]", server.url, server.url),
        );
        fs_err::write(manifests.join("speaches.toml"), text).unwrap();
        let minor = json(&sample_runtime().join("runtime.json"))["python"]["minor"].as_str().unwrap().to_owned();
        let out = scratch.path.join(name).join("runtime");
        let mut command = xtask(&["provision", "--manifests", manifests.as_str(), "--python", &minor]);
        command.args(["--python-from", &python(), "--without", "ui", "--out", out.as_str()]);
        // The provision must not find the miniature's inputs in the shared store, except wheels.
        let store = scratch.path.join("store");
        fs_err::create_dir_all(store.join("trees")).unwrap();
        for kind in ["wheel", "python", "tool", "bytecode"] {
            let link = store.join("trees").join(kind);
            if !link.is_symlink() {
                fs_err::os::unix::fs::symlink(shared_store().join("trees").join(kind), link).unwrap();
            }
        }
        (run(command.env("SPEACHES_STORE", &store)), out, server)
    };
    let changed = |path: &str, bytes: Vec<u8>| if path == "LICENSE" { b"changed".to_vec() } else { bytes };
    let (ended, out, _) = provision("changed", None, source_archive(changed));
    ended.expect(65).says("is not speaches at the pinned commit").says("modified: LICENSE");
    assert_nothing_half_made(out.parent().unwrap());

    let (ended, _, _) = provision("nothing", None, b"<html>not an archive</html>".to_vec());
    ended.expect(69).says("cannot fetch speaches").says("404").says("--speaches-from");

    let (ended, out, server) = provision("right", Some(source_archive(changed)), source_archive(|_, bytes| bytes));
    ended.expect(0).says("warning: ").says("modified: LICENSE");
    assert_eq!(server.paths(), ["/gone.tar.gz".to_owned(), format!("/{commit}.tar.gz")]);
    let direct = files(&out).into_iter().find(|file| file.as_str().ends_with("direct_url.json")).unwrap();
    let direct = json(&out.join(direct));
    assert_eq!(direct["vcs_info"]["commit_id"], commit, "PEP 610 names the commit");
}
