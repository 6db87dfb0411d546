//! `cargo xtask bench start`: how soon a runtime serves, and with how much memory, beside upstream's own way to start.
//!
//! Both serve the bundled models of the runtime, with the user interface on. Every round starts each of them once.

use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use reqwest::blocking::multipart::{Form, Part};

use super::child::resident;
use super::peers::{Places, Running, Servers, Who};
use crate::failure::{Exit, Failure};
use crate::plan::human_size;

/// Start a runtime beside upstream, and compare time, memory and the first requests
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// How often each one starts
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
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

/// A figure of a start.
type Figure = fn(&Measured) -> f64;

const ROWS: [(&str, Figure); 5] = [
    ("port accepts", |measured| measured.accepts),
    ("/health answers 200", |measured| measured.healthy),
    ("memory then", |measured| measured.memory),
    ("first transcription, once ready", |measured| measured.first),
    ("second transcription", |measured| measured.second),
];

/// Runs the subcommand.
pub fn run(arguments: &Arguments) -> Result<()> {
    let bench = Bench { servers: Servers::new(&arguments.places)? };
    let speech = bench.speech()?;
    let mut measured = [Vec::new(), Vec::new()];
    for round in 0..arguments.rounds {
        // Who is first changes, since the first one finds the colder machine.
        for turn in 0..2 {
            let who = (round + turn) % 2;
            measured[who].push(bench.measure(Who::ALL[who], &speech)?);
        }
    }
    let [ours, upstream] = measured;
    let mut text = format!("{:<34} {:>12} {:>12}   {}\n", "median", "this runtime", "upstream", "ours / theirs");
    for (name, value) in ROWS {
        let (ours, theirs) = (median(&ours, value), median(&upstream, value));
        let shown = |number: f64| {
            if name.starts_with("memory") { human_size(number as u64) } else { format!("{:.0} ms", number * 1000.0) }
        };
        text.push_str(&format!("{name:<34} {:>12} {:>12}   {:.2}\n", shown(ours), shown(theirs), ours / theirs));
    }
    super::super::print(&text)?;
    Ok(())
}

fn median(all: &[Measured], value: Figure) -> f64 {
    let mut values = all.iter().map(value).collect::<Vec<_>>();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Bench {
    servers: Servers,
}

impl Bench {
    /// Starts one, asks it, and stops it.
    fn measure(&self, who: Who, speech: &[u8]) -> Result<Measured> {
        eprint!("{} … ", who.name());
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
        eprintln!("{:.2} s, {}", measured.healthy, human_size(measured.memory as u64));
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
