//! A runtime for CUDA on machines whose NVIDIA driver works, is missing, or is broken in every way that a library can be.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::support::service::*;
use crate::support::*;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::Signal;
use serde_json::{Value, json};
use speaches_format::description::Description;
use speaches_format::input::{Input, Kind, Origin};

/// A driver, as C defines what matters of it.
const DRIVERS: [(&str, &str); 8] = [
    ("works", "-DDEVICES=2"),
    ("no-device", "-DINIT=100"),
    ("old", "-DDEVICES=1 -DVERSION=11040"),
    ("unknown-error", "-DINIT=999"),
    ("mismatch", "-DINIT=803 -DNAMES"),
    ("crashes", "-DCRASH"),
    ("crashes-when-loaded", "-DCRASH_WHEN_LOADED"),
    ("hangs", "-DHANG"),
];

const SOURCE: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#ifndef INIT
#define INIT 0
#endif
#ifndef DEVICES
#define DEVICES 0
#endif
#ifndef VERSION
#define VERSION 12080
#endif
#ifdef CRASH_WHEN_LOADED
__attribute__((constructor)) static void crash(void) { abort(); }
#endif
int cuInit(unsigned flags) {
    puts("a driver that talks");
#ifdef CRASH
    *(volatile int *)0 = 1;
#endif
#ifdef HANG
    for (;;) pause();
#endif
    return INIT;
}
int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
int cuDeviceGetCount(int *count) { *count = DEVICES; return 0; }
#ifdef NAMES
int cuGetErrorName(int code, const char **name) { *name = "CUDA_ERROR_OF_A_TEST"; return 0; }
#endif
"#;

/// The directory with a driver. One of no such name has none in it.
fn driver(name: &str) -> Utf8PathBuf {
    drivers().join(name)
}

fn drivers() -> &'static Utf8Path {
    static DRIVERS_MADE: OnceLock<Utf8PathBuf> = OnceLock::new();
    DRIVERS_MADE.get_or_init(|| made_once("drivers", make_drivers))
}

fn make_drivers(directory: &Utf8Path) {
    let source = directory.join("driver.c");
    for (name, definitions) in DRIVERS {
        let to = directory.join(name);
        fs_err::create_dir_all(&to).unwrap();
        fs_err::write(&source, SOURCE).unwrap();
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-o", to.join("libcuda.so.1").as_str(), source.as_str()]);
        let ended = command.args(definitions.split(' ')).output();
        let ended = ended.unwrap_or_else(|error| panic!("these tests need a C compiler called `cc`: {error}"));
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    fs_err::create_dir_all(directory.join("no-library")).unwrap();
    fs_err::write(directory.join("no-library/libcuda.so.1"), "this is no library").unwrap();
}

/// The miniature of the tests, which says that it is for CUDA 12.
fn cuda_runtime() -> &'static Utf8Path {
    static RUNTIME: OnceLock<Utf8PathBuf> = OnceLock::new();
    RUNTIME.get_or_init(|| made_once("cuda-runtime", make_cuda_runtime))
}

fn make_cuda_runtime(runtime: &Utf8Path) {
    provision_sample(runtime, &[]);
    let file = runtime.join("runtime.json");
    // N.B. as this type: the launcher reads as far as the list of files, which has to come last.
    let mut description = Description::parse(&fs_err::read(&file).unwrap()).unwrap();
    description.info.accelerator = "cuda".into();
    description.info.inputs.push(Input {
        kind: Kind::Wheel,
        name: "nvidia-cuda-runtime-cu12".into(),
        version: Some("12.8.90".into()),
        file: None,
        origin: Origin::PackageIndex,
        sha256: String::new(),
        pinned: false,
    });
    fs_err::write(&file, serde_json::to_string(&description).unwrap()).unwrap();
}

fn with_driver(name: &str, arguments: &[&str]) -> Command {
    let mut command = speaches(cuda_runtime(), arguments);
    command.env("LD_LIBRARY_PATH", driver(name));
    command
}

/// The findings of `doctor` about a driver, and its decision.
fn doctor(name: &str) -> Value {
    let ended = run(&mut with_driver(name, &["doctor", "--json", "--port", "0"]));
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    answer["accelerators"].clone()
}

#[test]
fn every_behavior_of_the_driver_is_found_out() {
    let drivers = vec![
        ("works", "present", "2 GPUs with CUDA 12.8", "cuda"),
        ("no-device", "present", "offers no GPU", "cpu"),
        ("old", "present", "1 GPU with CUDA 11.4", "cpu"),
        ("unknown-error", "broken", "cuInit failed with 999", "cpu"),
        ("mismatch", "broken", "cuInit failed with 803 (CUDA_ERROR_OF_A_TEST)", "cpu"),
        ("crashes", "broken", "SIGSEGV", "cpu"),
        ("crashes-when-loaded", "broken", "SIGABRT", "cpu"),
        ("hangs", "broken", "did not answer within 10 s", "cpu"),
        ("no-library", "broken", "cannot be loaded: ", "cpu"),
    ];
    in_parallel(drivers, |(name, outcome, said, device)| {
        let found = doctor(name);
        assert_eq!(found["machine"]["nvidia"]["outcome"], outcome, "{name}: {found:#}");
        assert!(found["driver"].as_str().unwrap().contains(said), "{name}: {found:#}");
        assert_eq!(found["decision"]["transcription"]["device"], device, "{name}: {found:#}");
        assert_eq!(found["decision"]["synthesis"]["provider"], device, "{name}: {found:#}");
        let notes = found["decision"]["notes"].as_array().unwrap();
        assert_eq!(notes.len(), usize::from(device == "cpu"), "{name}: {found:#}");
    });
}

#[test]
fn a_gpu_that_is_asked_for_and_cannot_be_used_ends_with_69() {
    let drivers = vec![
        ("no-device", "offers no GPU"),
        ("unknown-error", "cuInit failed with 999"),
        ("crashes", "SIGSEGV"),
        ("hangs", "did not answer within 10 s"),
        ("old", "this runtime needs CUDA 12: update the driver"),
    ];
    in_parallel(drivers, |(name, said)| {
        let started = Instant::now();
        let state = scratch();
        let arguments = ["serve", "--port", "0", "--host", "127.0.0.1", "--state-dir", state.path.as_str()];
        let command = &mut with_driver(name, &arguments);
        command.args(["--accelerator", "cuda", "--hf-cache", state.path.join("cache").as_str()]);
        run(command).expect(69).says("`accelerator` is `cuda` (command line (--accelerator))").says(said);
        println!("{name}: refused after {:?}", started.elapsed());
        assert_eq!(files(&state.path), Vec::<Utf8PathBuf>::new(), "nothing was written");
    });
}

#[test]
fn a_choice_of_the_cpu_does_not_wait_for_a_hanging_driver() {
    let started = Instant::now();
    run(&mut with_driver("hangs", &["config", "--accelerator", "cpu"])).expect(0);
    // A driver that is asked gets ten seconds.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// Serves with a driver until the models are warm.
fn serve(name: &str, change: impl FnOnce(&mut Command)) -> (Value, String) {
    let mut service = Service::start(cuda_runtime(), |command| {
        command.env("LD_LIBRARY_PATH", driver(name));
        change(command);
    });
    let state = loop {
        let state = service.wait_for("serving");
        if ["ready", "degraded"].contains(&state["phase"].as_str().unwrap()) {
            break state;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    service.signal(Signal::TERM);
    let (code, log) = service.end();
    assert_eq!(code, Some(0), "{log}");
    (state, log)
}

fn provider_of<'a>(state: &'a Value, task: &str) -> &'a str {
    let models = state["models"].as_array().unwrap();
    models.iter().find(|model| model["task"] == task).unwrap()["provider"].as_str().unwrap()
}

#[test]
fn a_service_never_notices_a_driver_that_crashes() {
    let (state, log) = serve("crashes", |_| ());
    assert_eq!(state["phase"], "ready", "{log}");
    assert_eq!(provider_of(&state, "text-to-speech"), "cpu");
    let fallbacks = log.lines().filter(|line| line.contains("computes on the CPU")).collect::<Vec<_>>();
    assert_eq!(fallbacks.len(), 1, "{log}");
    assert!(fallbacks[0].contains("SIGSEGV"), "{log}");
    for choice in ["transcription computes with faster-whisper on cpu: ", "speech computes with onnxruntime on cpu: "] {
        assert_eq!(log.lines().filter(|line| line.contains(choice)).count(), 1, "{log}");
    }
}

/// The onnxruntime of the miniature has no CUDA, like one that cannot load its libraries.
#[test]
fn a_gpu_that_onnxruntime_cannot_use_is_one_warning_and_an_error_for_who_asked_for_it() {
    let (state, log) = serve("works", |_| ());
    assert_eq!((state["phase"].as_str(), provider_of(&state, "text-to-speech")), (Some("ready"), "cpu"), "{log}");
    let warnings = log.lines().filter(|line| line.contains("cuda cannot be used")).count();
    assert_eq!(warnings, 1, "{log}");
    assert!(!log.contains("EP Error"), "{log}");

    let (state, log) = serve("works", |command| {
        command.args(["--tts-provider", "cuda"]);
    });
    assert_eq!(state["phase"], "degraded", "{log}");
    let model = state["models"].as_array().unwrap().iter().find(|model| model["task"] == "text-to-speech").unwrap();
    assert!(
        model["reason"].as_str().unwrap().contains("cannot compute on cuda, which the settings require"),
        "{state:#}"
    );
}

#[test]
fn doctor_shows_what_computes_and_a_crash_that_tune_forgets() {
    let state = scratch();
    let doctor = |arguments: &[&str]| {
        let mut command = speaches(sample_runtime(), &["doctor", "--port", "0", "--state-dir", state.path.as_str()]);
        run(command.args(arguments)).stdout
    };
    let text = doctor(&[]);
    for row in ["this machine", "this runtime", "transcription", "speech", "measured", "crash"] {
        assert!(text.lines().any(|line| line.starts_with(row)), "{row}: {text}");
    }
    let answer: Value = serde_json::from_str(&doctor(&["--json"])).unwrap();
    let system = answer["accelerators"]["machine"]["system"].as_str().unwrap().to_owned();
    assert_eq!(answer["accelerators"]["machine"]["nvidia"], Value::Null, "a runtime without CUDA does not ask");

    let marker = state.path.join("machine/gpu-crash.json");
    let plan = json(&sample_runtime().join("runtime.json"))["plan"].clone();
    fs_err::create_dir_all(marker.parent().unwrap()).unwrap();
    let crash = json!({ "reason": "SIGABRT", "at": "2026-01-02T03:04:05Z", "runtime": plan, "system": system });
    fs_err::write(&marker, crash.to_string()).unwrap();
    let text = doctor(&[]);
    assert!(text.contains("a service crashed in the GPU at 2026-01-02T03:04:05Z (SIGABRT)"), "{text}");
    assert!(text.contains("to do: `bin/speaches tune`"), "{text}");
    fs_err::write(&marker, "{").unwrap();
    assert!(doctor(&[]).contains("ignored an unreadable record"), "damage is said");

    let mut tune = speaches(sample_runtime(), &["tune", "--state-dir", state.path.as_str()]);
    run(tune.args(["--hf-cache", state.path.join("cache").as_str()])).says("removed the record of the crash");
    assert!(!marker.exists());
}
