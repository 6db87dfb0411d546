//! Runtimes for every target of the table, made on this machine: complete, and the same for every user.
#![cfg(unix)]

use std::process::Command;

use crate::support::*;
use camino::Utf8Path;
use speaches_format::description::Description;

fn targets() -> Vec<String> {
    let table: toml::Table = fs_err::read_to_string(root().join("manifests/targets.toml")).unwrap().parse().unwrap();
    table["target"].as_table().unwrap().keys().cloned().collect()
}

fn provision(target: &str, python: &Utf8Path, out: &Utf8Path) -> Vec<String> {
    let mut arguments =
        ["provision", TONES, "--models", "none", "--allow-unpinned", "--target", target].map(str::to_owned).to_vec();
    arguments.extend(["--python-from", python.as_str()].map(str::to_owned));
    arguments.extend(["--launcher", "/bin/sh", "--out", out.as_str()].map(str::to_owned));
    arguments
}

#[test]
fn every_target_gets_the_same_runtime_from_every_user() {
    let scratch = scratch();
    let runtime = sample_runtime();
    let unix = python_archive(&scratch.path);
    let windows = python_archive_for_windows(runtime, &scratch.path);
    let archive = |target: &str| if target.contains("windows") { &windows } else { &unix };

    let targets = targets();
    assert_eq!(targets.len(), 5, "{targets:?}");
    for target in &targets {
        let out = scratch.path.join("one").join(target);
        let arguments = provision(target, archive(target), &out);
        run(xtask(&[]).args(&arguments).env("TZ", "UTC").env("LC_ALL", "C")).expect(0);
        run(&mut xtask(&["verify", out.as_str()])).expect(0);
        expect_whispercpp(target, &out);
    }
    // Everything is made anew, and nothing fetched twice.
    let store = scratch.path.join("store");
    store_with(&store, &[]);
    for target in &targets {
        let out = scratch.path.join("an other place").join(target);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "umask 077; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_xtask")]);
        command.args(provision(target, archive(target), &out));
        command.env("SPEACHES_STORE", &store).env("TZ", "Pacific/Chatham").env("LC_ALL", "tr_TR.UTF-8");
        run(command.current_dir("/")).expect(0);
        run(&mut xtask(&["verify", out.as_str()])).expect(0);
        let read =
            |place: &str| fs_err::read_to_string(scratch.path.join(place).join(target).join("runtime.json")).unwrap();
        let (one, other) = (read("one"), read("an other place"));
        let difference = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert!(one == other, "{target}: {difference:?}");
        assert!(one.contains("\"bytecode\": true"), "{target}: this machine has the CPython that compiles it");
    }

    // Unpacked inputs need neither their archives nor a network.
    let cache = |command: &str| run(xtask(&["cache", command]).env("SPEACHES_STORE", &store)).expect(0).stdout;
    assert!(cache("verify").contains("all intact"));
    assert!(cache("prune").contains("downloads that were unpacked"));
    let out = scratch.path.join("again");
    let arguments = provision(&targets[0], archive(&targets[0]), &out);
    run(xtask(&[]).args(&arguments).arg("--offline").env("SPEACHES_STORE", &store)).expect(0);
}

/// The libraries of whisper.cpp are where its extension looks for them, and nowhere else.
fn expect_whispercpp(target: &str, runtime: &Utf8Path) {
    let names = files(runtime).into_iter().map(|path| {
        let path = path.into_string();
        path.split_once("/site-packages/").map_or(path.clone(), |(_, rest)| rest.to_owned())
    });
    let names = names.collect::<Vec<_>>();
    let has = |start: &str, end: &str| names.iter().any(|name| name.starts_with(start) && name.ends_with(end));
    let at_the_top = |name: &&String| name.starts_with("lib") && !name.contains('/') && name.contains("whisper");
    assert_eq!(names.iter().filter(at_the_top).count(), 0, "{target}");
    match target {
        "x86_64-apple-darwin" => assert!(!has("_pywhispercpp.", ""), "there is no wheel for it"),
        "aarch64-apple-darwin" => {
            assert!(has("_pywhispercpp.", "-darwin.so"));
            for library in ["libwhisper", "libggml-metal", "libggml-base", "libggml-cpu", "libggml-blas"] {
                assert!(has(&format!("pywhispercpp/.dylibs/{library}."), ".dylib"), "{library}");
            }
            // Without what leads to Metal, it would transcribe on the processor.
            let extension = files(runtime).into_iter().find(|path| path.as_str().contains("/_pywhispercpp."));
            fs_err::remove_file(runtime.join(extension.unwrap())).unwrap();
            let mut description = Description::parse(&fs_err::read(runtime.join("runtime.json")).unwrap()).unwrap();
            description.files.retain(|file| !file.path.contains("/_pywhispercpp."));
            let copy = runtime.parent().unwrap().join("runtime.json");
            fs_err::rename(runtime.join("runtime.json"), &copy).unwrap();
            fs_err::write(runtime.join("runtime.json"), description.to_text().unwrap()).unwrap();
            run(&mut xtask(&["verify", runtime.as_str()])).expect(65).says("transcription on Apple's GPU");
            fs_err::rename(copy, runtime.join("runtime.json")).unwrap();
        }
        "x86_64-pc-windows-msvc" => assert!(has("whisper-", ".dll")),
        _ => assert!(has("pywhispercpp.libs/libwhisper-", "")),
    }
}

#[test]
fn a_missing_accelerator_of_a_target_is_refused_with_the_reason() {
    let refused = |arguments: &[&str]| run(xtask(&["provision", "--dry-run"]).args(arguments));
    for (target, accelerator, reason) in [
        ("aarch64-unknown-linux-gnu", "cuda", "there is no wheel of onnxruntime-gpu"),
        ("aarch64-apple-darwin", "cuda", "Macs have no NVIDIA GPU"),
        ("x86_64-unknown-linux-gnu", "coreml", "CoreML is a part of macOS"),
    ] {
        refused(&["--target", target, "--accelerator", accelerator]).expect(78).says(reason).says("hint: ");
    }
    refused(&["--target", "riscv64gc-unknown-linux-gnu"]).expect(64).says("the targets are aarch64-apple-darwin");
    refused(&["--python", "3.9"]).expect(64).says("no CPython `3.9` is pinned");
}

/// A lock for the miniature in which one wheel belongs to another target: the error must name the lock.
#[test]
fn a_lock_with_a_wheel_of_another_target_is_refused() {
    let scratch = scratch();
    let manifests = own_manifests(&scratch.path);
    let runtime = sample_runtime();
    let description = json(&runtime.join("runtime.json"));
    let (minor, target) = (description["python"]["minor"].as_str().unwrap(), description["target"].as_str().unwrap());
    let foreign = if target.contains("linux") { "macosx_11_0_arm64" } else { "manylinux_2_28_x86_64" };
    let lock =
        manifests.join(format!("locks/pylock.{minor}-{target}-{}.toml", description["accelerator"].as_str().unwrap()));
    edit(&lock, "-none-any.whl", &format!("-none-{foreign}.whl"));
    let archive = python_archive(&scratch.path);
    let mut command = xtask(&["provision", "--manifests", manifests.as_str(), "--python", minor]);
    command.args([
        "--allow-unpinned",
        "--python-from",
        archive.as_str(),
        "--out",
        scratch.path.join("runtime").as_str(),
    ]);
    run(&mut command).expect(65).says("which does not run on").says(foreign);
}
