//! Maintenance of the store: damaged files are set aside and never used, and unused files are removed.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use crate::support::*;
use camino::{Utf8Path, Utf8PathBuf};

fn write(path: &Utf8Path, bytes: &[u8]) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, bytes).unwrap();
}

#[test]
fn damaged_files_are_set_aside_once_and_pruned() {
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

/// The file that is locked while something is being made.
fn lock_of(store: &Utf8Path, path: &Utf8Path) -> fs_err::File {
    let place = store.join("locks").join(sha256(path.as_str().as_bytes()));
    fs_err::create_dir_all(place.parent().unwrap()).unwrap();
    fs_err::OpenOptions::new().create(true).append(true).open(place).unwrap()
}

/// A tree of one file, used last so many days ago.
fn old_tree(directory: &Utf8Path, days: u64) {
    let list = format!("{{\"a\":{{\"file\":{{\"size\":4,\"sha256\":\"{}\",\"executable\":false}}}}}}", sha256(b"text"));
    write(&directory.join("tree.json"), list.as_bytes());
    write(&directory.join("content/a"), b"text");
    set_used(directory, days);
}

fn set_used(directory: &Utf8Path, days: u64) {
    let list = fs_err::OpenOptions::new().append(true).open(directory.join("tree.json")).unwrap();
    list.file().set_modified(SystemTime::now() - Duration::from_secs(days * 24 * 3600)).unwrap();
}

/// The trees in a store, as `kind/key`.
fn trees(store: &Utf8Path) -> Vec<Utf8PathBuf> {
    let kinds = store.join("trees").read_dir_utf8().unwrap().map(|kind| kind.unwrap().path().to_owned());
    kinds.flat_map(|kind| kind.read_dir_utf8().unwrap().map(|tree| tree.unwrap().path().to_owned())).collect()
}

/// The leftovers in a work directory.
fn leftovers(directory: &Utf8Path) -> Vec<String> {
    let entries = directory.read_dir_utf8().into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().to_owned());
    names.filter(|name| name.starts_with(".work-")).collect()
}

#[test]
fn unused_trees_are_pruned_by_age() {
    let scratch = scratch();
    let store = scratch.path.join("store");
    let tree = |kind: &str, name: &str| store.join("trees").join(kind).join(sha256(name.as_bytes()));
    let prune = |arguments: &[&str]| {
        run(xtask(&["cache", "prune"]).args(arguments).env("SPEACHES_STORE", &store)).expect(0).stdout
    };
    let (old, older, young, tool) = (tree("wheel", "1"), tree("bytecode", "2"), tree("wheel", "3"), tree("tool", "4"));
    old_tree(&old, 91);
    old_tree(&older, 1000);
    old_tree(&young, 89);
    old_tree(&tool, 91);
    // A runtime has files of them.
    let runtime = scratch.path.join("runtime");
    fs_err::create_dir(&runtime).unwrap();
    fs_err::hard_link(older.join("content/a"), runtime.join("a")).unwrap();

    let said = prune(&[]);
    assert_eq!(trees(&store), std::slice::from_ref(&young), "{said}");
    for kind in ["kind `wheel`: 1", "kind `bytecode`: 1", "kind `tool`: 1"] {
        assert!(said.contains(kind), "{said}");
    }
    assert_eq!(fs_err::read(runtime.join("a")).unwrap(), b"text", "what a runtime has is its own");
    prune(&["--days", "88"]);
    assert_eq!(trees(&store), [""; 0]);
    assert_eq!(leftovers(&store.join("work")), [""; 0]);

    // While another command uses the store, its possible inputs and all downloads are kept.
    old_tree(&old, 5);
    old_tree(&young, 0);
    let in_use = lock_of(&store, &store.join("trees"));
    in_use.file().lock_shared().unwrap();
    prune(&["--days", "0"]);
    assert_eq!(trees(&store), std::slice::from_ref(&young));
    // A tree that is being made again is not checked.
    old_tree(&old, 5);
    let being_made = lock_of(&store, &old);
    being_made.file().lock().unwrap();
    drop(in_use);
    prune(&["--days", "0"]);
    assert_eq!(trees(&store), [old]);
}

#[test]
fn a_download_that_a_power_cut_took_the_bytes_of_is_fetched_again() {
    let scratch = scratch();
    let (content, source) = (b"all of it".as_slice(), scratch.path.join("source"));
    write(&source, content);
    for (name, size, there) in
        [("empty", Some(9), b"".as_slice()), ("short", Some(9), b"all"), ("empty, of unknown length", None, b"")]
    {
        let store = scratch.path.join(name);
        let file = store.join("files").join(sha256(content));
        write(&file, there);
        let list = scratch.path.join("list.json");
        let wanted = serde_json::json!([{"urls": [source], "size": size, "sha256": sha256(content)}]);
        fs_err::write(&list, wanted.to_string()).unwrap();
        let fetch = || run(xtask(&["fetch", list.as_str()]).env("SPEACHES_STORE", &store)).expect(0);
        let kept = store.join("quarantine").join(format!("{}-1", sha256(content)));
        fetch().says("is truncated").says(kept.as_str());
        assert_eq!(fs_err::read(&file).unwrap(), content, "{name}");
        assert_eq!(fs_err::read(&kept).unwrap(), there, "{name}");
        assert_eq!(fetch().stderr, "", "{name}");
    }
}

#[test]
fn a_long_wait_for_another_process_is_reported_once() {
    let scratch = scratch();
    let (store, source) = (scratch.path.join("store"), scratch.path.join("source"));
    write(&source, b"content");
    let wanted = serde_json::json!([{"urls": [source], "size": 7, "sha256": sha256(b"content")}]);
    let list = scratch.path.join("list.json");
    fs_err::write(&list, wanted.to_string()).unwrap();
    let file = store.join("files").join(sha256(b"content"));
    for json in [false, true] {
        let lock = lock_of(&store, &file);
        lock.file().lock().unwrap();
        let mut command = xtask(&["fetch", list.as_str()]);
        command.args(json.then_some("--json")).env("SPEACHES_STORE", &store);
        let mut waiting = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let text = "waiting for another process that is fetching file 1";
        let mut lines = BufReader::new(waiting.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut said = String::new();
        while !said.contains(text) {
            said.push_str(&(lines.next().expect("it waits") + "\n"));
        }
        drop(lock);
        lines.for_each(|line| said.push_str(&(line + "\n")));
        assert!(waiting.wait().unwrap().success());
        assert_eq!(said.matches(text).count(), 1, "{said}");
        if json {
            let events = said.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            assert_eq!(events.filter(|event| event["event"] == "note" && event["text"] == text).count(), 1, "{said}");
        } else {
            let lines = said.lines().collect::<Vec<_>>();
            assert!(lines.len() == 2 && lines[0] == text && lines[1].contains("Fetched 1 file (7 B) in "), "{said}");
        }
        fs_err::remove_file(&file).unwrap();
    }
}

fn cool(store: &Utf8Path) {
    for kind in ["python", "wheel", "speaches", "bytecode"] {
        fs_err::remove_dir_all(store.join("trees").join(kind)).unwrap();
    }
}

#[test]
fn the_next_provision_removes_the_leftovers_of_a_killed_one() {
    let scratch = scratch();
    let (store, outputs) = (scratch.path.join("store"), scratch.path.join("outputs"));
    let provision = |name: &str| {
        let mut command = xtask(&["provision", TONES, "--out", outputs.join(name).as_str()]);
        command.env("SPEACHES_STORE", &store).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    // The store has all downloads of the miniature; unpacking and compiling them is quick.
    sample_runtime();
    store_with(&store, &["tool", "launcher"]);
    let mut seen = 0;
    for moment in 0..6 {
        let mut child = provision(&format!("killed-{moment}")).spawn().unwrap();
        while leftovers(&outputs).is_empty() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(150 * moment));
        // SIGKILL: it cannot prepare for it.
        child.kill().unwrap();
        child.wait().unwrap();
        seen += leftovers(&outputs).len() + leftovers(&store.join("work")).len();
    }
    assert!(seen > 0, "it was never killed at work");
    run(&mut provision("whole")).expect(0);
    assert_eq!((leftovers(&outputs), leftovers(&store.join("work"))), (Vec::new(), Vec::new()));

    // Two at once, with the same things to make and the same place for their work, leave each other's alone.
    cool(&store);
    let both = ["one", "other"].map(|name| provision(name).spawn().unwrap());
    for child in both {
        Ended::of(child.wait_with_output().unwrap()).expect(0);
    }
    assert_eq!((leftovers(&outputs), leftovers(&store.join("work"))), (Vec::new(), Vec::new()));
    for name in ["whole", "one", "other"] {
        run(&mut xtask(&["verify", outputs.join(name).as_str()])).expect(0);
        let odd = files(&outputs.join(name)).into_iter().find(|file| file.file_name() == Some(".lock"));
        assert_eq!(odd, None);
    }
    let odd = files(&store.join("trees")).into_iter().find(|file| file.file_name() == Some(".lock"));
    assert_eq!(odd, None);
}

#[test]
fn inputs_of_a_running_provision_are_not_pruned() {
    let scratch = scratch();
    let (store, out) = (scratch.path.join("store"), scratch.path.join("runtime"));
    let provision = |name: &str| {
        let mut command = xtask(&["provision", TONES, "--offline", "--out", scratch.path.join(name).as_str()]);
        run(command.env("SPEACHES_STORE", &store)).expect(0)
    };
    let prune = |days: &str| {
        let mut command = xtask(&["cache", "prune", "--days", days]);
        run(command.env("SPEACHES_STORE", &store)).expect(0).stdout
    };
    run(xtask(&["provision", TONES, "--out", out.as_str()]).env("SPEACHES_STORE", &store)).expect(0);
    for tree in trees(&store).iter().filter(|tree| tree.join("tree.json").exists()) {
        set_used(tree, 100);
    }
    provision("again");
    prune("90");
    provision("after");
    let said = prune("0");
    assert_eq!(trees(&store), [""; 0], "{said}");
    run(&mut xtask(&["verify", out.as_str()])).expect(0);
}
