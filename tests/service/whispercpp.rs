//! Transcription through whisper.cpp, in a runtime of the miniature of the tests, by the real launcher.
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::support::service::{Service, speaches};
use crate::support::*;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The result of the weights, for any input.
const TEXT: &str = "what the weights of the sample hear";
const MODEL: &str = "sample/tone-transcription";
const FILE: &str = "ggml-sample.bin";

/// A runtime of the miniature with weights that are made here: eight megabytes are too much for the repository.
fn runtime_with_weights(scratch: &Utf8Path) -> Utf8PathBuf {
    let manifests = own_manifests(scratch);
    let revision = "fedcba9876543210fedcba9876543210fedcba98";
    let hub = scratch.join("hub");
    copy(&root().join("tests/sample/hub"), &hub);
    let repository = hub.join("models--sample--weights");
    let snapshot = repository.join("snapshots").join(revision);
    fs_err::create_dir_all(&snapshot).unwrap();
    fs_err::create_dir_all(repository.join("refs")).unwrap();
    fs_err::write(repository.join("refs/main"), revision).unwrap();
    let sample = sample_runtime();
    let minor = json(&sample.join("runtime.json"))["python"]["minor"].as_str().unwrap().to_owned();
    let mut maker = Command::new(sample.join(format!("python/bin/python{minor}")));
    maker.env("LD_LIBRARY_PATH", sample.join("python/lib")).arg(root().join("tests/sample/make_ggml.py"));
    run(maker.args([snapshot.join(FILE).as_str(), "--text", TEXT])).expect(0);
    let path = manifests.join("models.toml");
    let entry = format!(
        "\n[[model]]\nid = \"sample/weights\"\ntask = \"automatic-speech-recognition\"\nlicense = \"MIT\"\n\
         default = true\nserves = [\"{MODEL}\"]\nrevision = \"{revision}\"\n\n[[model.file]]\npath = \"{FILE}\"\n"
    );
    fs_err::write(&path, fs_err::read_to_string(&path).unwrap() + &entry).unwrap();
    let out = scratch.join("runtime");
    let mut command = xtask(&["provision", "--manifests", manifests.as_str(), "--out", out.as_str()]);
    // The interpreter is that of the sample, for which there are wheels.
    run(command.args(["--models-from", hub.as_str(), "--python", &minor, "--python-from", &python()])).expect(0);
    out
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    for file in files(from) {
        let to = to.join(&file);
        fs_err::create_dir_all(to.parent().unwrap()).unwrap();
        fs_err::copy(from.join(&file), to).unwrap();
    }
}

/// Status and body of a transcription of two seconds of a hum.
fn transcribe(port: &Value, fields: &[(&str, &str)]) -> (u16, String) {
    let samples = (0_u32..32_000).flat_map(|index| i16::try_from(index * 37 % 8000).unwrap().to_le_bytes());
    let samples = samples.collect::<Vec<u8>>();
    let mut sound =
        b"RIFF\x24\xfa\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80>\0\0\0}\0\0\x02\0\x10\0data\0\xfa\0\0".to_vec();
    sound.extend(samples);
    let mut body = Vec::new();
    for (name, value) in [&[("model", MODEL)], fields].concat() {
        body.extend(format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    body.extend(b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n");
    body.extend(b"Content-Type: audio/wav\r\n\r\n");
    body.extend(sound);
    body.extend(b"\r\n--x--\r\n");
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let head = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn start(runtime: &Utf8Path, arguments: &[&str]) -> Service {
    Service::start(runtime, |command| {
        command.args(arguments);
    })
}

fn stop(mut service: Service) -> String {
    service.signal(Signal::TERM);
    let (code, log) = service.end();
    assert_eq!(code, Some(0), "{log}");
    log
}

#[test]
fn whispercpp_answers_for_the_model_that_its_weights_serve() {
    let scratch = scratch();
    let runtime = runtime_with_weights(&scratch.path);
    run(&mut xtask(&["verify", runtime.as_str()])).expect(0);
    let mut service = start(&runtime, &["--stt-backend", "whispercpp"]);
    let port = service.wait_for("ready")["port"].clone();
    let (status, body) = transcribe(&port, &[]);
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (200, json!({ "text": TEXT })));
    let (status, body) = transcribe(&port, &[("response_format", "verbose_json"), ("language", "xx")]);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["language"], &body["duration"]), (200, &json!("en"), &json!(2.0)), "{body}");
    assert_eq!(body["segments"][0]["text"], format!(" {TEXT}"));
    assert_ne!(transcribe(&port, &[("prompt", "what the")]).1, json!({ "text": TEXT }).to_string());
    // Clients that come together are all answered.
    std::thread::scope(|scope| {
        let asked = (0..8).map(|_| scope.spawn(|| transcribe(&port, &[]).0)).collect::<Vec<_>>();
        assert!(asked.into_iter().all(|answer| answer.join().unwrap() == 200));
    });
    let listed = service::get(&format!("http://127.0.0.1:{port}/v1/models")).1;
    assert!(listed.contains(MODEL) && !listed.contains("sample/weights"), "{listed}");
    let checks = fs_err::read_to_string(service.state.path.join("machine/whispercpp-checks.json")).unwrap();
    assert_eq!(json!(serde_json::from_str::<Value>(&checks).unwrap().as_object().unwrap().len()), 1, "{checks}");
    let log = stop(service);
    assert_eq!(log.matches(&format!("`{MODEL}` is transcribed by whisper.cpp on the processor")).count(), 1, "{log}");

    // Without whisper.cpp, the model answers with faster-whisper as before.
    let mut service = start(&runtime, &["--stt-backend", "faster-whisper"]);
    let port = service.wait_for("ready")["port"].clone();
    assert_eq!(transcribe(&port, &[]), (200, json!({ "text": "" }).to_string()));
    assert!(!stop(service).contains("whisper.cpp"));
}

#[test]
fn an_impossible_choice_ends_with_69_before_it_serves() {
    let scratch = scratch();
    let runtime = runtime_with_weights(&scratch.path);
    let hub = runtime.join("models/hub/models--sample--weights/snapshots/fedcba9876543210fedcba9876543210fedcba98");
    let whole = fs_err::read(hub.join(FILE)).unwrap();
    let mut destroyed = whole.clone();
    // A model of a size that it has not.
    destroyed[16..20].copy_from_slice(&(1_u32 << 20).to_le_bytes());
    let refused = |runtime: &Utf8Path, says: &str| {
        let state = crate::support::scratch();
        let mut command = speaches(runtime, &["serve", "--host", "127.0.0.1", "--port", "0"]);
        command.args(["--state-dir", state.path.as_str(), "--hf-cache", state.path.join("cache").as_str()]);
        command.args(["--stt-backend", "whispercpp"]);
        run(&mut command).expect(69).says("you requested whisper.cpp, but it cannot be used").says(says).says("hint: ");
    };
    refused(sample_runtime(), &format!("there are no GGML weights for `{MODEL}`"));
    for (content, says) in [
        (Some(&whole[..whole.len() / 2]), "tensor"),
        (Some(&b"something else"[..]), "not a file with GGML weights"),
        (Some(&destroyed[..]), "whisper.cpp crashed with it"),
        (None, "is not in the model cache"),
    ] {
        fs_err::remove_file(hub.join(FILE)).unwrap_or_default();
        if let Some(content) = content {
            fs_err::write(hub.join(FILE), content).unwrap();
        }
        refused(&runtime, says);
    }
}
