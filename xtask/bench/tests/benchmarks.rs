//! The output of `cargo xtask bench`, for benchmarks in their smallest form.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::process::Command;

use camino::Utf8Path;
use serde_json::Value;

/// The directory in which tests of this repository keep downloads and results.
const KEPT: &str = env!("CARGO_TARGET_TMPDIR");

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(arguments).env("SPEACHES_STORE", Utf8Path::new(KEPT).join("store"));
    command
}

/// Runs a command to its end with this exit code, and returns what it says and reports.
#[track_caller]
fn run(command: &mut Command, code: i32) -> (String, String) {
    let output = command.output().unwrap();
    let (said, reported) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{said}\n{reported}");
    (said, reported)
}

/// Runs one with a file for its results; returns its table and that.
#[track_caller]
fn measured(command: &mut Command) -> (String, Value) {
    let directory = tempfile::tempdir_in(KEPT).unwrap();
    let json = directory.path().join("results.json");
    let (table, _) = run(command.arg("--json").arg(&json), 0);
    assert!(table.contains("\nmachine: "), "{table}");
    (table, serde_json::from_slice(&fs_err::read(json).unwrap()).unwrap())
}

#[test]
fn downloads_are_compared_in_alternation() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("NOT RUN: there is no curl to compare with");
        return;
    }
    let mut fetch = bench(&["fetch", "--large-mib", "1", "--rounds", "2", "--without-pip"]);
    let (table, results) = measured(fetch.env("UV", "/var/empty/uv"));
    for shown in ["Downloading", "1 file, 1.0 MB", "200 files, ", "not run: pip: ", "not run: uv: ", "versions: curl "]
    {
        assert!(table.contains(shown), "`{shown}` is not in:\n{table}");
    }
    let rows = results["rows"].as_array().unwrap();
    assert!(rows.len() >= 2, "{results:#}");
    for row in rows {
        assert_eq!(row["ours"].as_array().unwrap().len(), 2, "one sample for each round: {row:#}");
        assert_eq!(row["beside"]["samples"].as_array().unwrap().len(), 2, "{row:#}");
        assert!(row["beside"]["ratio"].as_f64().unwrap() > 0.0, "{row:#}");
    }
    assert!(results["machine"]["processors"].as_u64().unwrap() > 0, "{results:#}");
    let peaks = results["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap());
    let peaks = peaks.filter(|note| note.contains("peak memory of this tool ")).collect::<Vec<_>>();
    assert_eq!(peaks.len(), 2, "{results:#}");
}

#[cfg(unix)]
#[test]
fn a_runtime_is_verified_beside_sha256sum_and_started_without_upstream() {
    let runtime = camino::Utf8PathBuf::from(KEPT).join("runtime-of-bench");
    let mut provision = Command::new(env!("CARGO"));
    let manifests = concat!("--manifests=", env!("CARGO_MANIFEST_DIR"), "/../../manifests/tones");
    provision.args(["run", "--quiet", "--package", "xtask", "--", "provision", manifests, "--out", runtime.as_str()]);
    // With what the cargo of this test says about its package, the other one would compile ring again, and all above it.
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    {
        provision.env_remove(name);
    }
    run(provision.env("SPEACHES_STORE", Utf8Path::new(KEPT).join("store")), 0);

    // The paths of its work directory have a space.
    let mut verify = bench(&["verify", runtime.as_str(), "--rounds", "1"]);
    let (table, results) = measured(verify.env("SPEACHES_STORE", Utf8Path::new(KEPT).join("a store")));
    assert!(table.contains(" s per GB\n"), "{table}");
    assert!(results["rows"][0]["beside"]["name"].as_str().unwrap().starts_with("sha256sum -c"), "{results:#}");

    let (table, results) = measured(&mut bench(&["start", runtime.as_str(), "--rounds", "1"]));
    assert!(table.contains("not run: upstream: "), "{table}");
    let whats = results["rows"].as_array().unwrap().iter().map(|row| row["what"].as_str().unwrap()).collect::<Vec<_>>();
    assert!(whats.contains(&"/health answers 200") && whats.contains(&"memory after the idle time"), "{whats:?}");

    let mut alone = bench(&["verify", runtime.as_str()]);
    let (_, reported) = run(alone.env("PATH", "/var/empty"), 69);
    assert!(reported.contains("cannot compare this tool with sha256sum: it is not on PATH"), "{reported}");
    assert!(reported.contains("hint: install sha256sum"), "{reported}");
}

#[test]
fn a_benchmark_that_does_not_exist_is_refused() {
    let (_, reported) = run(&mut bench(&["dance"]), 64);
    assert!(reported.contains("'dance'"), "{reported}");
    let (_, reported) = run(&mut bench(&[]), 64);
    for name in ["wheels", "fetch", "start", "speech", "load", "transcribe", "bundle", "verify"] {
        assert!(reported.contains(&format!("\n  {name} ")), "{reported}");
    }
}
