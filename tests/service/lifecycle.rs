//! A service from its start to its end, by any cause, as its users see it.
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::service::*;
use crate::support::*;
use camino::Utf8Path;
use rustix::process::Signal;

/// Asks for a long speech and reads only its beginning.
fn stall(port: &serde_json::Value) -> TcpStream {
    let body = serde_json::json!({
        "model": "tts-1", "voice": "tone_plain", "input": "a b c d e f g h ".repeat(400), "response_format": "pcm"
    });
    let body = body.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(port.as_u64().unwrap()).unwrap())).unwrap();
    let head = "POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length:";
    write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
    let mut begin = [0; 15];
    stream.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200 OK", "the answer has begun");
    stream
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_client_that_does_not_read_delays_the_end_by_seconds_only() {
    let mut service = Service::start(sample_runtime(), |_| {});
    let state = service.wait_for("ready");
    let _stalled = stall(&state["port"]);
    let asked = Instant::now();
    service.signal(Signal::TERM);
    let (code, log) = service.end();
    println!("it took {:?}", asked.elapsed());
    assert_eq!(code, Some(0), "{log}");
    assert!(asked.elapsed() < Duration::from_secs(10), "Harbor kills after that");
    assert!(log.contains("open requests may take"), "{log}");
    assert!(!log.contains("Traceback"), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut service = Service::start(sample_runtime(), |_| {});
    let state = service.wait_for("ready");
    let _stalled = stall(&state["port"]);
    service.signal(Signal::TERM);
    assert_eq!(service.wait_for("draining")["phase"], "draining");
    service.signal(Signal::INT);
    let (code, log) = service.end();
    assert_eq!(code, Some(128 + 2), "{log}");
    let state = json(&service.state.path.join("status.json"));
    assert_eq!((&state["phase"], &state["exit_code"]), (&"stopped".into(), &130.into()));
}

#[test]
fn a_signal_before_anything_is_served_ends_it_with_zero() {
    let mut service = Service::start(sample_runtime(), |_| {});
    wait_until("it takes over its signals before it writes its state", || {
        service.state.path.join("status.json").exists()
    });
    service.signal(Signal::TERM);
    let (code, log) = service.end();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_killed_service_has_died_and_the_next_one_takes_its_place() {
    let runtime = sample_runtime();
    let mut killed = Service::start(runtime, |_| {});
    let state = killed.wait_for("serving");
    let port = state["port"].to_string();
    let pid = killed.child.id();
    killed.child.kill().unwrap();
    assert_eq!(killed.child.wait().unwrap().signal(), Some(9));
    let directory = killed.state.path.as_str();
    let status = run(&mut speaches(runtime, &["status", "--state-dir", directory]));
    assert!(status.stdout.contains("died"), "{}{}", status.stdout, status.stderr);
    run(&mut speaches(runtime, &["stop", "--state-dir", directory])).expect(0).says("no service runs");
    // Same port, same state, same cache.
    let mut next = Service::start(runtime, |command| {
        command.args(["--port", &port, "--state-dir", directory]);
    });
    wait_until("the next one serves", || get(&format!("http://127.0.0.1:{port}/health")).0 == 200);
    let state = json(&killed.state.path.join("status.json"));
    assert_ne!(state["pid"], pid);
    assert_eq!(state["pid"], next.child.id());
    next.signal(Signal::TERM);
    let (code, log) = next.end();
    assert_eq!(code, Some(0), "{log}");
    let left = files(&killed.state.path).into_iter().filter(|file| !file.starts_with("cache")).collect::<Vec<_>>();
    assert!(left.iter().all(|file| !file.as_str().contains(&pid.to_string())), "nothing is left of it: {left:?}");
}

#[test]
fn the_log_is_lines_of_json_and_goes_on_in_a_new_file_after_a_hangup() {
    let scratch = scratch();
    let log = scratch.path.join("speaches.log");
    let mut service = Service::start(sample_runtime(), |command| {
        command.args(["--log-format", "json", "--log-file", log.as_str()]);
    });
    service.wait_for("ready");
    let rotated = scratch.path.join("speaches.log.1");
    fs_err::rename(&log, &rotated).unwrap();
    service.signal(Signal::HUP);
    wait_until("the log is reopened", || log.exists());
    service.signal(Signal::TERM);
    assert_eq!(service.end().0, Some(0));
    let events = |path: &Utf8Path| {
        let text = fs_err::read_to_string(path).unwrap();
        let events = text.lines().map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        });
        events.collect::<Vec<_>>()
    };
    let (before, after) = (events(&rotated), events(&log));
    for event in before.iter().chain(&after) {
        for key in ["time", "level", "logger", "message"] {
            assert!(event[key].is_string(), "{event}");
        }
    }
    // The service reports each choice with its reason, for programs as well.
    for task in ["text-to-speech", "automatic-speech-recognition"] {
        let of_task = || before.iter().filter(|event| event["task"] == task);
        assert!(of_task().any(|event| event["message"].as_str().unwrap().contains("computes with")), "{task}");
        assert!(of_task().any(|event| event["model"].is_string() && event["seconds"].is_number()), "{task} is warm");
    }
    assert_eq!(after[0]["message"], "the log was reopened");
    assert_eq!(after.last().unwrap()["message"], "stopped");
}

#[test]
fn what_cannot_be_written_ends_with_73() {
    let scratch = scratch();
    let taken = scratch.path.join("taken");
    fs_err::write(&taken, "").unwrap();
    let below = taken.join("below");
    let serve = |arguments: &[&str]| {
        let mut command = speaches(sample_runtime(), &["serve", "--host", "127.0.0.1", "--port", "0"]);
        command.env("HOME", &scratch.path);
        run(command.args(arguments))
    };
    serve(&["--log-file", below.as_str()]).expect(73).says("cannot write the log").says("--log-file");
    serve(&["--state-dir", below.as_str()]).expect(73).says(taken.as_str());
}

#[test]
fn a_runtime_in_a_long_directory_with_spaces_and_other_letters_works() {
    let scratch = scratch();
    let part = "ein langer Ördner mit Leerzeichen und 日本語 ".repeat(2);
    let mut place = scratch.path.join(part.trim_end());
    while place.as_str().chars().count() < 300 {
        place.push(part.trim_end());
    }
    fs_err::create_dir_all(&place).unwrap();
    let runtime = place.join("runtime");
    let copied = Command::new("cp").args(["-a", sample_runtime().as_str(), runtime.as_str()]).status();
    assert!(copied.unwrap().success());
    let read_only = Command::new("chmod").args(["-R", "a-w", runtime.as_str()]).status();
    assert!(read_only.unwrap().success());
    run(&mut xtask(&["smoke", runtime.as_str()])).expect(0);
    run(&mut speaches(&runtime, &["verify"])).expect(0);
    assert!(Command::new("chmod").args(["-R", "u+w", runtime.as_str()]).status().unwrap().success());
}
