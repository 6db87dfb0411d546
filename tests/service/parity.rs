//! The features of Harbor's container in a runtime: the rows of `docs/container.md` about a running service.
#![cfg(unix)]

use crate::support::service::*;
use crate::support::*;

const KEY: &str = "sk-speaches";

struct Asked {
    service: Service,
    base: String,
}

impl Asked {
    fn start(phase: &str, change: impl FnOnce(&mut std::process::Command)) -> Self {
        let mut service = Service::start(sample_runtime(), change);
        let port = service.wait_for(phase)["port"].clone();
        Self { service, base: format!("http://127.0.0.1:{port}") }
    }

    fn ask(&self, method: &str, path: &str, key: Option<&str>) -> (u16, String) {
        ask(method, &format!("{}{path}", self.base), key)
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, None)
    }

    fn stop(mut self) -> String {
        self.service.signal(rustix::process::Signal::TERM);
        let (code, log) = self.service.end();
        assert_eq!(code, Some(0), "{log}");
        log
    }
}

#[test]
fn the_service_is_healthy_while_a_model_cannot_be_had() {
    let asked = Asked::start("degraded", |command| {
        command.args(["--stt-model", "nobody/nothing"]);
    });
    assert_eq!(asked.get("/health").0, 200);
    let (status, body) = asked.get("/health/ready");
    assert_eq!(status, 503, "{body}");
    let ready: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(ready["status"], "degraded");
    assert!(ready["reasons"][0].as_str().unwrap().contains("cannot be fetched"), "{ready}");
    // The other model is not taken down with it.
    assert_eq!(ready["models"][0]["phase"], "ready", "{ready}");
    let log = asked.stop();
    assert!(log.contains("automatic-speech-recognition is not ready: `nobody/nothing`"), "{log}");
}

#[test]
fn the_calls_of_speaches_init_succeed_without_a_network() {
    // No server has the miniature's models, so each success proves that the bundled ones were used.
    let asked = Asked::start("serving", |_| {});
    let models = json(&sample_runtime().join("runtime.json"))["models"].clone();
    let ids = models.as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect::<Vec<_>>();
    assert!(!ids.is_empty());
    for id in &ids {
        let (status, body) = asked.ask("POST", &format!("/v1/models/{id}"), None);
        assert_eq!((status, body.contains("already exists")), (201, true), "{id}: {body}");
    }
    let (status, listed) = asked.get("/v1/models");
    assert_eq!(status, 200);
    assert!(ids.iter().all(|id| listed.contains(id)), "{listed}");
    let (status, body) = asked.ask("POST", "/v1/models/nobody/nothing", None);
    assert_eq!((status, body.contains("cannot be fetched")), (503, true), "{body}");
    asked.stop();
}

#[test]
fn openais_names_mean_the_models_that_were_configured() {
    let asked = Asked::start("serving", |command| {
        command.env("HARBOR_SPEACHES_STT_MODEL", "nobody/ears").arg("--no-preload");
    });
    let (status, body) = asked.ask("POST", "/v1/models/whisper-1", None);
    assert_eq!((status, body.contains("nobody/ears")), (503, true), "{body}");
    let (status, body) = asked.ask("POST", "/v1/models/tts-1", None);
    assert_eq!((status, body.contains("sample/tone-speech")), (201, true), "{body}");
    asked.stop();
}

#[test]
fn any_key_is_accepted_until_one_is_set() {
    let ask = |asked: &Asked, key: Option<&str>| asked.ask("GET", "/v1/models", key).0;
    let open = Asked::start("serving", |_| {});
    assert_eq!([ask(&open, None), ask(&open, Some(KEY))], [200, 200]);
    open.stop();
    let guarded = Asked::start("ready", |command| {
        command.env("API_KEY", KEY);
    });
    assert_eq!([ask(&guarded, None), ask(&guarded, Some("sk-other")), ask(&guarded, Some(KEY))], [403, 403, 200]);
    assert_eq!(guarded.get("/health").0, 200, "a health check has no key");
    assert!(!guarded.stop().contains(KEY));
}

#[test]
fn the_page_is_at_the_root_or_says_why_not() {
    let asked = Asked::start("serving", |_| {});
    let (status, body) = asked.get("/");
    // The sample's own, which needs no gradio.
    assert_eq!((status, body.contains("This is the SAMPLE of speaches")), (200, true), "{body}");
    asked.stop();
    let without = Asked::start("serving", |command| {
        command.arg("--no-ui");
    });
    assert_eq!(without.get("/").0, 404);
    without.stop();
}
