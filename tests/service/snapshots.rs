//! Whole outputs for users: help, plans, steps and the most common errors. A change of one of them changes a file in
//! `tests/snapshots/`.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;

use crate::support::service::{Service, speaches};
use crate::support::world::World;
use crate::support::*;

/// Every command of a program: itself, what its help lists, and what the help of those lists.
fn help_of(run_with: &dyn Fn(&[&str]) -> Command, path: &[&str], text: &mut String) {
    let arguments = path.iter().copied().chain(["--help"]).collect::<Vec<_>>();
    let ended = run(&mut run_with(&arguments)).expect(0);
    let _ = writeln!(text, "$ {}\n{}", arguments.join(" "), ended.stdout);
    let listed = ended.stdout.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
    let names = listed.lines().take_while(|line| !line.is_empty());
    for line in names.filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.split_whitespace().next().unwrap();
        if name != "help" {
            help_of(run_with, &path.iter().copied().chain([name]).collect::<Vec<_>>(), text);
        }
    }
}

#[test]
fn help_of_the_tool() {
    let mut text = String::new();
    help_of(&|arguments| xtask(arguments), &[], &mut text);
    snapshot::expect("help of the tool", &text, &[]);
}

#[test]
fn help_of_the_launcher() {
    let mut text = String::new();
    help_of(&|arguments| speaches(sample_runtime(), arguments), &[], &mut text);
    snapshot::expect("help of the launcher", &text, &[]);
}

#[test]
fn plan_and_provision() {
    let scratch = scratch();
    let world = World::new(&scratch.path);
    let (store, out) = (scratch.path.join("store"), scratch.path.join("runtime"));
    let paths = [(scratch.path.as_str(), "[SCRATCH]")];
    let plan = |more: &[&str]| {
        let arguments = ["--locked", "--dry-run", "--out", out.as_str()];
        run(&mut world.command("provision", &store, &[&arguments, more].concat())).expect(0)
    };
    snapshot::expect("plan as text", &snapshot::all_of(&plan(&[])), &paths);
    snapshot::expect("plan as JSON", &shape(&plan(&["--json"]).stdout), &paths);

    let cold = run(&mut world.provision(&store, &out)).expect(0);
    snapshot::expect("cold provision", &snapshot::all_of(&cold), &paths);
    let warm = run(&mut world.provision(&store, &out)).expect(0);
    snapshot::expect("warm provision", &snapshot::all_of(&warm), &paths);
    snapshot::expect("warm plan as text", &snapshot::all_of(&plan(&[])), &paths);
    snapshot::expect("runtime.json", &shape(&fs_err::read_to_string(out.join("runtime.json")).unwrap()), &paths);
    fs_err::write(out.join("service/speaches_service_manager.py"), "").unwrap();
    let changed = run(&mut speaches(&out, &["verify"]));
    snapshot::expect("verify of a changed runtime", &snapshot::all_of(&changed), &paths);
}

/// A document with one wheel, the first files, and no numbers that differ between machines.
fn shape(text: &str) -> String {
    let mut document = serde_json::from_str::<Value>(text).unwrap();
    let mut seen_wheel = false;
    document["inputs"].as_array_mut().unwrap().retain(|input| {
        let wheel = input["kind"] == "wheel";
        !wheel || !std::mem::replace(&mut seen_wheel, true)
    });
    if let Some(files) = document.get_mut("files") {
        files.as_array_mut().unwrap().truncate(2);
    }
    without_numbers(&mut document);
    serde_json::to_string_pretty(&document).unwrap()
}

fn without_numbers(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if value.is_u64() && name != "schema" {
                    *value = Value::from("[NUMBER]");
                }
                without_numbers(value);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(without_numbers),
        _ => {}
    }
}

#[test]
fn the_launcher_without_a_service() {
    let home = scratch();
    let paths = [(home.path.as_str(), "[HOME]"), (sample_runtime().as_str(), "[RUNTIME]")];
    for name in ["status", "config", "models list", "version", "verify", "stop"] {
        let ended = run(speaches(sample_runtime(), &name.split(' ').collect::<Vec<_>>())
            .env("HOME", &home.path)
            .env("LANG", "C.UTF-8"));
        snapshot::expect(&format!("speaches {name}"), &snapshot::all_of(&ended), &paths);
    }
}

#[test]
fn verify_and_doctor() {
    // The other messages about a CPython that was copied from this machine depend on the machine.
    let mut verified = run(&mut xtask(&["verify", sample_runtime().as_str()])).expect(0);
    verified.stdout = verified.stdout.lines().take(1).collect();
    snapshot::expect("verify", &snapshot::all_of(&verified), &[(sample_runtime().as_str(), "[RUNTIME]")]);
    let home = scratch();
    let ended = run(speaches(sample_runtime(), &["doctor"]).env("HOME", &home.path));
    // The messages about these depend on the machine.
    let depends = |line: &&str| {
        ["docker", "port", "accelerator", "disk"].contains(&line.split_whitespace().nth(1).unwrap_or_default())
    };
    let rows = ended.stdout.lines().take_while(|line| !line.is_empty()).filter(|line| !depends(line));
    let text = rows.collect::<Vec<_>>().join("\n");
    snapshot::expect("speaches doctor", &text, &[(home.path.as_str(), "[HOME]")]);
}

#[test]
fn the_launcher_beside_a_service() {
    let mut service = Service::start(sample_runtime(), |_| ());
    let state = service.wait_for("ready");
    let port = state["port"].to_string();
    let directory = service.state.path.as_str();
    let paths = [(directory, "[STATE]"), (port.as_str(), "[PORT]"), (sample_runtime().as_str(), "[RUNTIME]")];
    let status = run(&mut speaches(sample_runtime(), &["status", "--state-dir", directory]));
    snapshot::expect("speaches status of a service", &snapshot::all_of(&status), &paths);
}

#[test]
fn errors_of_the_tool() {
    let scratch = scratch();
    fs_err::write(scratch.path.join("file"), "text").unwrap();
    fs_err::create_dir(scratch.path.join("full")).unwrap();
    fs_err::write(scratch.path.join("full/file"), "text").unwrap();
    let (file, full) = (scratch.path.join("file"), scratch.path.join("full"));
    let (file, full, gone) = (file.as_str(), full.as_str(), scratch.path.join("gone"));
    let gone = gone.as_str();
    let mut text = String::new();
    for arguments in [
        &["provision", "--target", "riscv64-unknown-linux-gnu"][..],
        &["provision", "--accelerator", "rocm"],
        &["provision", "--python", "3.9"],
        &["provision", "--without", "everything"],
        &["provision", "--models", "nobody"],
        &["provision", "--no-such-flag"],
        &["provision", "--target", "aarch64-apple-darwin", "--accelerator", "cuda"],
        &["provision", TONES, "--launcher", gone],
        &["provision", TONES, "--python-from", gone],
        &["provision", TONES, "--python-from", file],
        &["provision", TONES, "--speaches-from", gone],
        &["provision", TONES, "--speaches-from", full],
        &["provision", TONES, "--models-from", gone],
        &["provision", TONES, "--models-from", full],
        &["provision", TONES, "--vendor", gone],
        &["provision", TONES, "--out", full],
        &["provision", TONES, "--locked", "--dry-run"],
        &["provision", "--manifests", gone],
        &["verify", gone],
        &["verify", full],
        &["verify", file],
        &["bundle", gone],
        &["bundle", full],
        &["reproduce", gone],
        &["smoke", gone],
        &["vendor", TONES, full],
        &["port", "--speaches-from", gone],
        &["lock", "--target", "nowhere"],
        &["lock", "--sample", "--target", "nowhere"],
        &["cache", "nothing"],
    ] {
        let ended = run(&mut xtask(arguments));
        assert_ne!(ended.code, Some(0), "{arguments:?}");
        let _ = writeln!(text, "$ {}\n{}\n", arguments.join(" "), snapshot::all_of(&ended));
    }
    snapshot::expect("errors of the tool", &text, &[(scratch.path.as_str(), "[SCRATCH]")]);
}

#[test]
fn errors_of_the_launcher() {
    let home = scratch();
    let mut text = String::new();
    for arguments in [
        &["serve", "--port", "much"][..],
        &["serve", "--port", "70000"],
        &["serve", "--accelerator", "rocm"],
        &["serve", "--no-such-flag"],
        &["serve", "--host", "not.an.address.invalid"],
        &["serve", "--config", "/nowhere/speaches.yml"],
        &["status", "--port", "0"],
        &["harbor", "status", "--home", "/nowhere"],
        &["harbor", "install", "--home", "/nowhere"],
        &["models", "--no-such-flag"],
        &["nothing"],
    ] {
        let ended = run(speaches(sample_runtime(), arguments).env("HOME", &home.path));
        assert_ne!(ended.code, Some(0), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
        let _ = writeln!(text, "$ {}\n{}\n", arguments.join(" "), snapshot::all_of(&ended));
    }
    let paths = [(home.path.as_str(), "[HOME]"), (sample_runtime().as_str(), "[RUNTIME]")];
    snapshot::expect("errors of the launcher", &text, &paths);
}
