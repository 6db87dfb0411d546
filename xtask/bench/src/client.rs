//! A client of a server: what it asks for, with the models that the runtime was made with.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::blocking::multipart::{Form, Part};
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::CONNECTION;
use serde_json::{Value, json};
use speaches_format::description::RuntimeInfo;
use xtask::bench_api::{Exit, Failure, loopback};

/// How long a start may take, and an answer.
pub const TIMEOUT: Duration = Duration::from_secs(600);

pub struct Client {
    http: reqwest::blocking::Client,
    base: String,
    pub speaks: String,
    pub listens: String,
    pub voice: String,
}

impl Client {
    /// `listens` names another model than the first one that transcribes.
    pub fn new(base: &str, info: &RuntimeInfo, listens: Option<&str>) -> Result<Self> {
        let missing = |what: &str| {
            Failure::new(Exit::Config, format!("the runtime has no {what}"))
                .hint("provision it without `--models none`")
        };
        let find = |task: &str| info.served_for(task).ok_or_else(|| missing(&format!("model for {task}")));
        let speaker = find("text-to-speech")?;
        let listener = match listens {
            Some(id) => info.served().find(|model| model.id == id).ok_or_else(|| missing(&format!("model `{id}`")))?,
            None => find("automatic-speech-recognition")?,
        };
        Ok(Self {
            http: loopback(TIMEOUT)?,
            base: base.to_owned(),
            speaks: speaker.id.clone(),
            listens: listener.id.clone(),
            voice: speaker.voice.clone().unwrap_or_default(),
        })
    }

    // Each request has a connection of its own: the server may close one that is idle just when it is used again.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.base)).header(CONNECTION, "close")
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base)).header(CONNECTION, "close")
    }

    /// A request for speech; the format `sse` is that of events with pcm in them.
    pub fn ask_to_speak(&self, text: &str, format: &str, voice: &str) -> RequestBuilder {
        let (format, stream) = if format == "sse" { ("pcm", "sse") } else { (format, "audio") };
        self.post("/v1/audio/speech").json(&json!({
            "model": self.speaks, "voice": voice, "input": text, "response_format": format, "stream_format": stream,
        }))
    }

    pub fn speak(&self, text: &str, format: &str) -> Result<Vec<u8>> {
        let answer = self.ask_to_speak(text, format, &self.voice).send()?;
        Ok(answer.error_for_status()?.bytes()?.to_vec())
    }

    pub fn send_audio(&self, audio: &[u8]) -> Result<Response> {
        let part = Part::bytes(audio.to_vec()).file_name("sound.wav").mime_str("audio/wav")?;
        let form = Form::new().text("model", self.listens.clone()).part("file", part);
        Ok(self.post("/v1/audio/transcriptions").multipart(form).send()?)
    }

    pub fn transcribe(&self, audio: &[u8]) -> Result<String> {
        let answer = self.send_audio(audio)?;
        let (status, text) = (answer.status(), answer.text()?);
        if !status.is_success() {
            bail!(Failure::new(Exit::Unavailable, format!("the transcription failed with status {status}: {text}")));
        }
        let answer: Value = serde_json::from_str(&text)?;
        Ok(answer["text"].as_str().context("the transcription has no text")?.to_owned())
    }
}
