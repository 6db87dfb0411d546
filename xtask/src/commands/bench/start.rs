//! `cargo xtask bench start`: how soon a runtime serves, and with how much memory, beside upstream's own way to start.
//!
//! Both serve the bundled models of the runtime, with the user interface on. Every round starts each of them once.

use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Result, bail};
use camino::Utf8Path;
use clap::Args;
use reqwest::blocking::multipart::{Form, Part};

use super::child::resident;
use super::contest::{self, Contestant};
use super::peers::{Places, Running, Servers, Upstream, Who};
use super::report::{Report, Unit};
use crate::failure::{Exit, Failure};

/// Start a runtime beside upstream, and compare time, memory and the first requests
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// How often each one starts
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) rounds: usize,
}

/// What a start looks like from outside.
#[derive(Clone, Copy, Default)]
struct Measured {
    /// From exec to the first connection that succeeds, in seconds.
    accepts: f64,
    /// From exec to the first 200 of `/health`, in seconds.
    healthy: f64,
    /// Resident memory then, in bytes.
    memory: f64,
    /// Of the first transcription after that, or after it is ready, in seconds.
    first: f64,
    /// Of the second one, in seconds.
    second: f64,
}

impl contest::Measured for Measured {
    fn told(&self) -> String {
        format!("{}, {}", Unit::Seconds.show(self.healthy), Unit::Bytes.show(self.memory))
    }
}

/// A figure of a start.
type Figure = fn(&Measured) -> f64;

const FIGURES: [(&str, Unit, Figure); 5] = [
    ("port accepts", Unit::Seconds, |measured| measured.accepts),
    ("/health answers 200", Unit::Seconds, |measured| measured.healthy),
    ("memory then", Unit::Bytes, |measured| measured.memory),
    ("first transcription, once ready", Unit::Seconds, |measured| measured.first),
    ("second transcription", Unit::Seconds, |measured| measured.second),
];

/// Runs the subcommand.
pub fn run(arguments: &Arguments) -> Result<Report> {
    measure(&arguments.places.runtime, Some(&arguments.places.upstream), arguments.rounds)
}

/// Measures with upstream, if it is there.
pub fn measure(runtime: &Utf8Path, upstream: Option<&Upstream>, rounds: usize) -> Result<Report> {
    let bench = Bench { servers: Servers::new(runtime, upstream)? };
    let mut report = bench.servers.report();
    let speech = bench.speech()?;
    let mut contestants = Vec::new();
    for who in bench.servers.who() {
        contestants.push(Contestant::new(who.name(), || bench.measure(*who, &speech)));
    }
    contest::alternate(&mut contestants, rounds)?;
    for (title, unit, figure) in FIGURES {
        report.comparisons.push(contest::compare(title, unit, &contestants, figure));
    }
    Ok(report)
}

struct Bench {
    servers: Servers,
}

impl Bench {
    /// Starts one, asks it, and stops it.
    fn measure(&self, who: Who, speech: &[u8]) -> Result<Measured> {
        let client = &self.servers.client;
        let mut measured = Measured::default();
        let mut server = self.servers.start(who, |_| {})?;
        let port = server.port;
        server.wait_for(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        measured.accepts = server.begun.elapsed().as_secs_f64();
        server.wait_for_page(client, "/health")?;
        measured.healthy = server.begun.elapsed().as_secs_f64();
        measured.memory = resident(server.pid())? as f64;
        if who == Who::Ours {
            server.wait_for_page(client, "/health/ready")?;
        }
        measured.first = self.transcribe(&server, speech)?;
        measured.second = self.transcribe(&server, speech)?;
        Ok(measured)
    }

    /// How long a transcription takes, in seconds.
    fn transcribe(&self, server: &Running, speech: &[u8]) -> Result<f64> {
        let part = Part::bytes(speech.to_vec()).file_name("speech.wav").mime_str("audio/wav")?;
        let model = self.servers.model("automatic-speech-recognition")?.to_owned();
        let form = Form::new().text("model", model).part("file", part);
        let begun = Instant::now();
        let response = self.servers.client.post(server.url("/v1/audio/transcriptions")).multipart(form).send()?;
        let status = response.status();
        let text = response.text()?;
        if !status.is_success() {
            bail!(Failure::new(Exit::Unavailable, format!("a transcription is answered with {status}: {text}")));
        }
        Ok(begun.elapsed().as_secs_f64())
    }

    /// Something to transcribe, spoken by the runtime before the measurement.
    fn speech(&self) -> Result<Vec<u8>> {
        let mut server = self.servers.start(Who::Ours, |_| {})?;
        server.wait_for_page(&self.servers.client, "/health")?;
        let body = self.servers.speech_request(super::super::smoke::SENTENCE, "wav")?;
        let response = self.servers.client.post(server.url("/v1/audio/speech")).json(&body).send()?;
        Ok(response.error_for_status()?.bytes()?.to_vec())
    }
}
