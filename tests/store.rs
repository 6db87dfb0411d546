//! Looking after the store: what is damaged is set aside and never used, what nobody needs is removed.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use camino::Utf8Path;
use sha2::Digest as _;
use support::*;

fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(path: &Utf8Path, bytes: &[u8]) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, bytes).unwrap();
}

#[test]
fn what_is_damaged_is_set_aside_once_and_pruned() {
    let scratch = scratch();
    let store = scratch.path.join("store");
    let cache = |command: &str| run(xtask(&["cache", command]).env("SPEACHES_STORE", &store));
    let file = |name: &str| store.join("files").join(name);
    let tree = |name: &str| store.join("trees/wheel").join(sha256(name.as_bytes()));

    let (good, bad) = (sha256(b"good"), sha256(b"what it was"));
    write(&file(&good), b"good");
    write(&file(&bad), b"what became of it");
    for (name, content) in [("sound", "x = 1"), ("changed", "x = 2"), ("short", "")] {
        let list = format!(
            "{{\"site-packages/a.py\":{{\"file\":{{\"size\":5,\"sha256\":\"{}\",\"executable\":false}}}}}}",
            sha256(b"x = 1")
        );
        write(&tree(name).join("tree.json"), list.as_bytes());
        write(&tree(name).join("content/site-packages/a.py"), content.as_bytes());
    }
    write(&tree("unreadable").join("tree.json"), b"{");
    write(&store.join("partial").join(&bad), b"half");

    let said = cache("verify").expect(65);
    let damaged = [file(&bad), tree("changed"), tree("short"), tree("unreadable")];
    for place in &damaged {
        assert!(said.stderr.contains(place.as_str()), "{place} is not in:\n{}", said.stderr);
        let aside = store.join("quarantine").join(format!("{}-1", place.file_name().unwrap()));
        assert!(!place.exists() && aside.exists(), "{place} is kept for inspection, elsewhere");
    }
    assert!(cache("verify").expect(0).stdout.contains("1 files and 1 trees"));

    assert!(cache("prune").expect(0).stdout.contains(" freed"));
    let left = files(&store).into_iter().filter(|file| !file.starts_with("locks")).collect::<Vec<_>>();
    assert_eq!(left.len(), 3, "the sound file and the sound tree: {left:?}");
}
