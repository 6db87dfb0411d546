//! The launcher and the service manager, as people and Harbor use them.
#![cfg(unix)]

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::service::*;
use crate::support::*;

#[test]
fn the_launcher_becomes_the_service_and_stops_with_zero() {
    let runtime = sample_runtime();
    let mut service = Service::start(runtime, |_| {});
    let state = service.wait_for("serving");
    assert_eq!(state["pid"], service.child.id(), "one process: the pid that was started is the service");
    assert_eq!(state["sample"], true);
    if let Ok(command_line) = fs_err::read(format!("/proc/{}/cmdline", service.child.id())) {
        let command_line = String::from_utf8_lossy(&command_line).into_owned();
        assert!(command_line.contains("speaches"), "Harbor looks for it before it stops a process: {command_line}");
    }
    let base = format!("http://127.0.0.1:{}", state["port"]);
    assert_eq!(get(&format!("{base}/health")).0, 200);
    assert!(get(&format!("{base}/v1/realtime/")).1.contains("sample"), "files of the working directory are served");
    assert_eq!(get(&format!("{base}/v1/models/nobody%2Fnothing")).0, 404);
    service.signal(rustix::process::Signal::TERM);
    let (code, log) = service.end();
    assert_eq!(code, Some(0), "{log}");
    for line in ["TONES", "listening on http://127.0.0.1:", "serving after", "stopped"] {
        assert!(log.contains(line), "`{line}` is not in:\n{log}");
    }
    // Before anything heavy is loaded: what was chosen, and where that comes from.
    let first = log.split("uvicorn").next().unwrap();
    for line in
        ["port 0 (command line (--port))", "speech: `", "voice `", "transcription: `", "(default)", " computes with "]
    {
        assert!(first.contains(line), "`{line}` is not in:\n{first}");
    }
}

#[test]
fn a_port_in_use_is_reported_at_once_with_75() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let ended = run(&mut speaches(sample_runtime(), &["serve", "--host", "127.0.0.1", "--port", &port]));
    let ended = ended.expect(75).says(&format!("port {port} on 127.0.0.1 is in use"));
    if cfg!(target_os = "linux") {
        ended.says(&std::process::id().to_string());
    }
}

#[test]
fn settings_that_cannot_be_end_with_their_place() {
    let runtime = sample_runtime();
    let scratch = scratch();
    let file = scratch.path.join("settings.yml");
    let with_file = |text: &str| {
        fs_err::write(&file, text).unwrap();
        run(&mut speaches(runtime, &["serve", "--config", file.as_str()]))
    };
    with_file("x-speaches:\n  prot: 1\n").expect(65).says(&format!("`{file}`, line 2, column 3")).says("mean `port`?");
    with_file("x-speaches: [").expect(65).says("line 1");
    run(&mut speaches(runtime, &["serve", "--config", "/nowhere.yml"])).expect(66).says("/nowhere.yml");
    run(speaches(runtime, &["serve"]).env("UVICORN_PORT", "many")).expect(78).says("UVICORN_PORT is `many`");
    run(&mut speaches(runtime, &["serve", "--port", "123456"])).expect(64);
    run(&mut speaches(runtime, &["dance"])).expect(64);
    run(&mut speaches(runtime, &["serve", "--host", "192.0.2.1", "--port", "0"])).expect(78).says("192.0.2.1");
}

#[test]
fn the_settings_of_every_layer_reach_the_service() {
    let runtime = sample_runtime();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let scratch = scratch();
    let settings = scratch.path.join("settings.yml");
    let state = scratch.path.join("state");
    fs_err::write(
        &settings,
        format!("x-speaches:\n  host: ['127.0.0.1']\n  port: 1\n  state_dir: {state}\n  hf_cache: cache\n"),
    )
    .unwrap();
    let mut command = speaches(runtime, &["serve", "--config", settings.as_str()]);
    command.env("HARBOR_SPEACHES_HOST_PORT", free.to_string()).env("HARBOR_HF_TOKEN", "").stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let answered = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        get(&format!("http://127.0.0.1:{free}/health")).0 == 200
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answered, "the environment is stronger than the file");
    assert_eq!(json(&state.join("status.json"))["port"], free);
}

#[test]
fn a_launcher_outside_of_a_runtime_says_so() {
    let scratch = scratch();
    let copy = scratch.path.join("speaches");
    fs_err::copy(sample_runtime().join("bin/speaches"), &copy).unwrap();
    run(Command::new(&copy).arg("version")).expect(69).says("is not in a runtime").says("hint: ");

    let link = scratch.path.join("link");
    fs_err::os::unix::fs::symlink(sample_runtime().join("bin/speaches"), &link).unwrap();
    let version = run(Command::new(&link).arg("version")).expect(0);
    assert!(version.stdout.contains("TONES"), "{}", version.stdout);
}

#[test]
fn a_runtime_with_a_part_missing_ends_with_69() {
    let scratch = scratch();
    let runtime = provision_sample(&scratch.path.join("runtime"), &[]);
    fs_err::rename(runtime.join("app/realtime-console"), runtime.join("app/elsewhere")).unwrap();
    run(&mut speaches(&runtime, &["serve", "--host", "127.0.0.1", "--port", "0"])).expect(69).says("realtime-console");
    fs_err::remove_dir_all(runtime.join("app")).unwrap();
    run(&mut speaches(&runtime, &["serve", "--port", "0"])).expect(69).says("`").says("is missing from the runtime");
    fs_err::write(runtime.join("runtime.json"), "{").unwrap();
    run(&mut speaches(&runtime, &["serve", "--port", "0"]))
        .expect(69)
        .says("runtime.json")
        .says("provision or unpack it again");
}

#[test]
fn running_a_runtime_writes_nothing_into_it() {
    let scratch = scratch();
    let runtime = provision_sample(&scratch.path.join("runtime"), &[]);
    let before = files(&runtime);
    let mut service = Service::start(&runtime, |_| {});
    service.wait_for("serving");
    service.signal(rustix::process::Signal::TERM);
    assert_eq!(service.end().0, Some(0));
    assert_eq!(files(&runtime), before);
    run(&mut xtask(&["verify", runtime.as_str()])).expect(0);
}

#[test]
fn the_service_managers_own_tests_pass_on_what_a_runtime_carries() {
    let runtime = sample_runtime();
    let minor = json(&runtime.join("runtime.json"))["python"]["minor"].as_str().unwrap().to_owned();
    let mut tests = Command::new(runtime.join(format!("python/bin/python{minor}")));
    tests.args(["-B", "-W", "error::ResourceWarning", "-m", "unittest", "discover"]);
    tests.env("LD_LIBRARY_PATH", runtime.join("python/lib")).current_dir(root().join("runtime-template/service"));
    let ended = run(&mut tests).expect(0);
    assert!(!ended.stderr.contains("skipping"), "a runtime has all that they need:\n{}", ended.stderr);
}
