//! The commands of the launcher except `serve`, and its preparations before it becomes the service.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::service::*;
use crate::support::*;
use camino::Utf8Path;
use rustix::process::Signal;
use serde_json::Value;

/// The JSON output of a command, for every exit code.
fn answer(command: &mut Command) -> Value {
    let ended = run(command);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr))
}

/// A command with a home of its own.
fn at_home(home: &Utf8Path, arguments: &[&str]) -> Command {
    let mut command = speaches(sample_runtime(), arguments);
    command.env("HOME", home);
    command
}

/// The state of the services below the default directory, on Linux.
#[cfg(target_os = "linux")]
fn start_at_home(home: &Utf8Path) -> Service {
    let state = scratch();
    let mut command = at_home(home, &["serve", "--host", "127.0.0.1", "--port", "0"]);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    Service { child: command.spawn().unwrap(), state }
}

#[cfg(target_os = "linux")]
fn wait_until_served(home: &Utf8Path, count: usize) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let services = answer(&mut at_home(home, &["status", "--json"])).as_array().unwrap().clone();
        if services.iter().filter(|service| ["serving", "ready"].contains(&service["phase"].as_str().unwrap())).count()
            == count
        {
            return services;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{services:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn config_shows_every_value_with_its_origin_and_no_secret() {
    let scratch = scratch();
    let file = scratch.path.join("settings.yml");
    fs_err::write(&file, "x-speaches:\n  port: 5\n  environment: {MY_API_TOKEN: hidden, A: shown}\n").unwrap();
    let arguments = ["config", "--config", file.as_str(), "--voice", "x"];
    let command = |more: &[&str]| {
        let mut command = at_home(&scratch.path, &arguments);
        command.args(more).env("API_KEY", "very-secret").env("LOG_LEVEL", "ERROR");
        command
    };
    let shown = answer(&mut command(&["--json"]));
    for (key, value, layer, name) in [
        ("port", serde_json::json!(5), "file", Some(file.as_str())),
        ("voice", "x".into(), "command line", Some("--voice")),
        ("log_level", "error".into(), "environment", Some("LOG_LEVEL")),
        ("api_key", "********".into(), "environment", Some("API_KEY")),
        ("preload", true.into(), "default", None),
    ] {
        let setting = &shown["settings"][key];
        assert_eq!(setting["value"], value, "{key}");
        assert_eq!((setting["origin"]["layer"].as_str(), setting["origin"]["name"].as_str()), (Some(layer), name));
    }
    let text = run(&mut command(&[])).expect(0).stdout;
    assert!(text.contains("environment variable API_KEY") && text.contains("shown"), "{text}");
    assert!(!text.contains("secret") && !text.contains("hidden"), "{text}");
}

#[test]
fn listening_everywhere_without_a_key_is_a_warning() {
    let scratch = scratch();
    let warning = "anyone on the network can use this service";
    run(&mut at_home(&scratch.path, &["config", "--host", "0.0.0.0"])).expect(0).says(warning);
    let ended = run(at_home(&scratch.path, &["config", "--host", "0.0.0.0"]).env("API_KEY", "x")).expect(0);
    assert!(!ended.stderr.contains(warning));
}

#[test]
fn a_choice_that_the_runtime_cannot_follow_ends_with_69_and_what_it_can() {
    for (flag, choice) in [("--accelerator", "cuda"), ("--tts-provider", "cuda"), ("--stt-device", "cuda")] {
        let command = &mut speaches(sample_runtime(), &["serve", "--port", "0", flag, choice]);
        run(command).expect(69).says(&format!("is `{choice}`")).says("possible here: auto, ");
    }
    run(speaches(sample_runtime(), &["serve", "--port", "0"]).env("WHISPER__INFERENCE_DEVICE", "cuda"))
        .expect(69)
        .says("WHISPER__INFERENCE_DEVICE");
    run(&mut speaches(sample_runtime(), &["serve", "--accelerator", "quantum"])).expect(64);
}

/// The miniature of the tests with this script as its interpreter.
fn with_interpreter(script: &str) -> Scratch {
    let place = scratch();
    let minor = json(&sample_runtime().join("runtime.json"))["python"]["minor"].as_str().unwrap().to_owned();
    fs_err::create_dir_all(place.path.join("bin")).unwrap();
    fs_err::create_dir_all(place.path.join("python/bin")).unwrap();
    fs_err::hard_link(sample_runtime().join("bin/speaches"), place.path.join("bin/speaches")).unwrap();
    for entry in ["app", "models", "service", "runtime.json", "speaches_native.yml", "python/lib"] {
        fs_err::os::unix::fs::symlink(sample_runtime().join(entry), place.path.join(entry)).unwrap();
    }
    let interpreter = place.path.join("python/bin").join(format!("python{minor}"));
    fs_err::write(&interpreter, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs_err::set_permissions(interpreter, std::fs::Permissions::from_mode(0o755)).unwrap();
    place
}

#[test]
fn a_port_in_use_is_reported_before_the_interpreter_starts() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let runtime = with_interpreter("exit 99");
    let serve = |port: &str| run(&mut speaches(&runtime.path, &["serve", "--host", "127.0.0.1", "--port", port]));
    serve(&port).expect(75).says(&port);
    // The stand-in is what would have been started.
    serve("0").expect(99);
}

#[test]
fn the_launcher_is_smaller_than_two_megabytes() {
    let size = sample_runtime().join("bin/speaches").metadata().unwrap().len();
    println!("{size} bytes");
    assert!(size < 2_000_000, "{size} bytes");
}

#[test]
fn the_port_accepts_before_the_interpreter_does_anything() {
    let runtime = with_interpreter("exec sleep 60");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let started = Instant::now();
    let _service = Service::start(&runtime.path, |command| {
        command.args(["--port", &port.to_string()]).env("PATH", std::env::var_os("PATH").unwrap());
    });
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never accepts");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_models_of_the_runtime_are_in_the_users_cache() {
    let home = scratch();
    let cache = home.path.join("hub");
    let list = |home: &Utf8Path| answer(at_home(home, &["models", "list", "--json"]).env("HF_HUB_CACHE", &cache));
    let before = list(&home.path);
    assert_eq!(before["cached"], serde_json::json!([]));
    let mut service = Service::start(sample_runtime(), |command| {
        command.args(["--hf-cache", home.path.as_str()]);
    });
    service.wait_for("serving");
    let after = list(&home.path);
    assert_eq!(after["cached"], before["bundled"], "the same names, revisions and sizes");
    assert_eq!(after["cached"].as_array().unwrap().len(), 2);
    service.signal(Signal::TERM);
    let (code, log) = service.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("linked ") && log.contains(cache.as_str()), "{log}");
}

#[test]
fn a_model_that_cannot_be_fetched_or_removed_is_reported_in_one_line() {
    let home = scratch();
    for action in ["pull", "remove"] {
        let ended = run(&mut at_home(&home.path, &["models", action, "nobody/nothing"])).expect(69);
        assert!(!ended.stderr.contains("Traceback"), "{}", ended.stderr);
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_no_reason_not_to_serve() {
    let home = scratch();
    // N.B. not by permissions, which do not stop an administrator.
    fs_err::write(home.path.join("file"), "").unwrap();
    let mut service = Service::start(sample_runtime(), |command| {
        command.args(["--hf-cache", home.path.join("file").as_str()]);
    });
    let state = service.wait_for("serving");
    let models = get(&format!("http://127.0.0.1:{}/v1/models", state["port"])).1;
    assert!(models.contains("sample/tone-speech") && models.contains("sample/tone-transcription"), "{models}");
    service.signal(Signal::TERM);
    assert!(service.end().1.contains("cannot be linked into"));
}

#[cfg(target_os = "linux")]
#[test]
fn services_side_by_side_are_found_told_apart_and_stopped() {
    let home = scratch();
    let status = |more: &[&str]| run(at_home(&home.path, &["status"]).args(more));
    status(&[]).expect(69).says("no service runs");
    run(&mut at_home(&home.path, &["stop"])).expect(0).says("no service runs");

    let (mut one, mut two) = (start_at_home(&home.path), start_at_home(&home.path));
    let services = wait_until_served(&home.path, 2);
    let pids = services.iter().map(|service| service["pid"].as_u64().unwrap()).collect::<Vec<_>>();
    assert!(pids.contains(&one.child.id().into()) && pids.contains(&two.child.id().into()));
    let text = status(&[]).expect(0).stdout;
    assert!(text.contains("http://127.0.0.1:") && text.contains(&format!("pid {}, for ", pids[0])), "{text}");
    run(&mut at_home(&home.path, &["stop"])).expect(64).says("2 services run").says("--port");

    // Waited for all the time, or the process would stay as a zombie.
    let port = |service: &Value| service["port"].to_string();
    let of = |pid: u32| services.iter().find(|service| service["pid"] == pid).unwrap();
    let (port_of_one, port_of_two) = (port(of(one.child.id())), port(of(two.child.id())));
    run(&mut at_home(&home.path, &["stop", "--port", &port_of_one])).expect(0);
    assert_eq!(one.end().0, Some(0));
    assert_eq!(status(&["--port", &port_of_one]).expect(69).stdout.matches("stopped").count(), 1);

    two.child.kill().unwrap();
    two.end();
    let died = status(&["--port", &port_of_two]).expect(69).stdout;
    assert!(died.contains("died"), "{died}");
    run(&mut at_home(&home.path, &["stop", "--port", &port_of_two])).expect(0);
}

#[test]
fn a_process_of_another_program_is_not_stopped() {
    let state = scratch();
    let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
    let status = format!(r#"{{"pid": {}, "port": 1, "phase": "ready", "addresses": []}}"#, sleeper.id());
    fs_err::write(state.path.join("status.json"), status).unwrap();
    for arguments in [&["stop"][..], &["stop", "--force"]] {
        run(speaches(sample_runtime(), arguments).args(["--state-dir", state.path.as_str()])).expect(0);
    }
    let lives = sleeper.try_wait().unwrap().is_none();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert!(lives);
}

#[test]
fn a_service_that_does_not_stop_is_killed_only_by_force() {
    let mut service = Service::start(sample_runtime(), |_| {});
    service.wait_for("serving");
    service.signal(Signal::STOP);
    let directory = service.state.path.to_string();
    let stop = |more: &[&str]| run(speaches(sample_runtime(), &["stop", "--state-dir", &directory]).args(more));
    stop(&[]).expect(75).says("did not stop within 10 s").says("stop --force");
    assert!(service.child.try_wait().unwrap().is_none());
    stop(&["--force"]).expect(0);
    assert_eq!(service.end().0, None, "by a signal");
}

#[test]
fn verify_finds_what_is_changed_missing_and_extra() {
    let scratch = scratch();
    let runtime = provision_sample(&scratch.path.join("runtime"), &[]);
    let whole = run(&mut speaches(&runtime, &["verify"])).expect(0).stdout;
    assert!(whole.contains("all as described"), "{whole}");
    fs_err::write(runtime.join("app/extra"), "").unwrap();
    fs_err::remove_file(runtime.join("speaches_native.yml")).unwrap();
    let script = runtime.join("service/speaches_service_manager.py");
    let text = fs_err::read_to_string(&script).unwrap();
    // Not the file itself: it may be shared with the store.
    fs_err::remove_file(&script).unwrap();
    fs_err::write(&script, text.replace("launcher", "LAUNCHER")).unwrap();
    run(&mut speaches(&runtime, &["verify"]))
        .expect(65)
        .says("changed: service/speaches_service_manager.py")
        .says("missing: speaches_native.yml")
        .says("extra: app/extra");
    let found = answer(&mut speaches(&runtime, &["verify", "--json"]));
    assert_eq!(found["same"], false);
    assert_eq!(found["differences"]["extra"], serde_json::json!(["app/extra"]));
    let doctor = run(&mut speaches(&runtime, &["doctor"])).expect(69).stdout;
    assert!(doctor.contains("FAIL  runtime") && doctor.contains("missing: speaches_native.yml"), "{doctor}");
}

#[test]
fn verify_finds_a_changed_description_as_it_finds_any_changed_file() {
    let scratch = scratch();
    let runtime = provision_sample(&scratch.path.join("runtime"), &[]);
    let description = runtime.join("runtime.json");
    let whole = fs_err::read_to_string(&description).unwrap();
    let schema = format!("\"schema\": {}", speaches_format::description::SCHEMA);
    let some_sha256 = whole.rfind("\"sha256\": \"").unwrap() - 200;
    let flipped = format!("{}{}{}", &whole[..some_sha256], "~", &whole[some_sha256 + 1..]);
    for changed in [flipped, whole.replace(&schema, "\"schema\": 9"), whole[..5000].to_owned(), String::new()] {
        assert!(changed != whole);
        fs_err::write(&description, &changed).unwrap();
        run(&mut speaches(&runtime, &["verify"])).expect(65).says("changed: runtime.json");
        let json = run(&mut speaches(&runtime, &["verify", "--json"])).expect(65).stdout;
        let found: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(found["same"], false);
        assert_eq!(found["differences"]["changed"], serde_json::json!(["runtime.json"]));
    }
    fs_err::write(&description, whole).unwrap();
    run(&mut speaches(&runtime, &["verify"])).expect(0);
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let home = scratch();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let arguments = ["doctor", "--host", "127.0.0.1", "--port", &port];
    let healthy = run(&mut at_home(&home.path, &arguments)).expect(0).stdout;
    for line in ["ok    runtime", "ok    python", "ok    port", "ok    cache", "ok    state"] {
        assert!(healthy.contains(line), "{healthy}");
    }
    let listener = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    let checks = answer(at_home(&home.path, &arguments).arg("--json"));
    assert_eq!(checks["healthy"], false);
    let check = checks["checks"].as_array().unwrap().iter().find(|check| check["name"] == "port").unwrap();
    assert_eq!(check["verdict"], "fail");
    assert!(check["advice"].as_str().unwrap().contains("--port"), "{check}");
    drop(listener);
    let ended = run(at_home(&home.path, &arguments).env("UVICORN_HOST", "x").arg("--log-level=info"));
    ended.expect(0);
    let ended = run(at_home(&home.path, &["doctor"]).env("UVICORN_HOST", "x")).expect(69);
    assert!(ended.stdout.contains("FAIL  settings"), "{}", ended.stdout);
}

#[test]
fn the_report_has_no_secrets_and_no_home() {
    let home = scratch();
    let file = home.path.join("report.txt");
    let mut command = at_home(&home.path, &["doctor", "--port", "0", "--report", file.as_str()]);
    run(command.env("API_KEY", "very-secret").env("HF_TOKEN", "hf_very_secret")).expect(0).says("report.txt");
    let report = fs_err::read_to_string(&file).unwrap();
    for part in ["## runtime", "TONES", "## machine", "## checks", "## settings", "~/.cache/huggingface/hub"] {
        assert!(report.contains(part), "`{part}` is not in:\n{report}");
    }
    assert!(!report.contains("secret") && !report.contains(home.path.as_str()), "{report}");
}

#[test]
fn without_a_home_the_state_is_in_a_directory_of_this_user_alone() {
    let temporary = scratch();
    let uid = rustix::process::getuid().as_raw();
    let own = temporary.path.join(format!("speaches-{uid}"));
    fs_err::create_dir(&own).unwrap();
    fs_err::set_permissions(&own, std::fs::Permissions::from_mode(0o777)).unwrap();
    let serve = || {
        let mut command = speaches(sample_runtime(), &["serve", "--host", "127.0.0.1", "--port", "0"]);
        command.env("TMPDIR", &temporary.path);
        command
    };
    run(&mut serve()).expect(73).says(own.as_str()).says("--state-dir");
    fs_err::remove_dir(&own).unwrap();
    fs_err::os::unix::fs::symlink("/", &own).unwrap();
    run(&mut serve()).expect(73).says("another user");
    fs_err::remove_file(&own).unwrap();
    let mut child = serve().stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while !own.is_dir() {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    let mode = fs_err::metadata(&own).unwrap().permissions().mode() & 0o777;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(mode, 0o700);
}

#[test]
fn version_and_completions_are_for_programs_too() {
    let version = answer(&mut speaches(sample_runtime(), &["version", "--json"]));
    assert_eq!(version["sample"], true);
    assert_eq!(version["target"], json(&sample_runtime().join("runtime.json"))["target"]);
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&mut speaches(sample_runtime(), &["completions", shell])).expect(0).stdout;
        assert!(script.contains("tts-model"), "{shell}");
    }
}
