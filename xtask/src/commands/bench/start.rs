//! `cargo xtask bench start`: how soon a runtime serves, and with how much memory, beside upstream's own way to start.
//!
//! Both serve the bundled models of the runtime, with the user interface on. Every round starts each of them once. What
//! they need in the course of their lives is measured once, in the end.

use std::net::TcpStream;

use anyhow::Result;
use clap::Args;

use super::child::resident;
use super::contest::{self, Contestant};
use super::peers::{Places, Servers, Who};
use super::report::{Report, Unit};
use super::{memory, wav};

/// What is promised of the start, beside upstream's.
const LIMIT: f64 = 0.15;
/// How long a recording the first transcriptions have, in seconds.
const SOUND: u32 = 5;

/// Start a runtime beside upstream, and compare time, memory and the first requests
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// How often each one starts
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) rounds: usize,
    /// The bundled model that transcribes [default: the first one]
    #[arg(long, value_name = "ID")]
    stt_model: Option<String>,
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

const FIGURES: [(&str, Unit, Figure, Option<f64>); 5] = [
    ("port accepts", Unit::Seconds, |measured| measured.accepts, None),
    ("/health answers 200", Unit::Seconds, |measured| measured.healthy, Some(LIMIT)),
    ("memory then", Unit::Bytes, |measured| measured.memory, None),
    ("first transcription, once ready", Unit::Seconds, |measured| measured.first, None),
    ("second transcription", Unit::Seconds, |measured| measured.second, None),
];

/// Runs the subcommand.
pub fn run(arguments: &Arguments) -> Result<Report> {
    let servers = Servers::new(&arguments.places.runtime, Some(&arguments.places.upstream))?;
    measure(&servers.listening_with(arguments.stt_model.as_deref())?, arguments.rounds)
}

/// Measures all servers that there are.
pub fn measure(servers: &Servers, rounds: usize) -> Result<Report> {
    let mut report = servers.report();
    let recording = servers.recording()?;
    let clip = wav::clip(&recording, SOUND);
    let mut contestants = Vec::new();
    for who in servers.who() {
        contestants.push(Contestant::new(who.name(), || start(servers, *who, &clip)));
    }
    contest::alternate(&mut contestants, rounds)?;
    for (title, unit, figure, limit) in FIGURES {
        report.comparisons.push(contest::compare(title, unit, &contestants, figure).limited(limit));
    }
    report.comparisons.extend(memory::measure(servers, &recording)?);
    Ok(report)
}

/// Starts one, asks it, and stops it.
fn start(servers: &Servers, who: Who, clip: &[u8]) -> Result<Measured> {
    let mut server = servers.start(who, |_| {})?;
    let port = server.port;
    server.wait_for(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    let accepts = server.begun.elapsed().as_secs_f64();
    server.wait_for_page(&servers.client, "/health")?;
    let healthy = server.begun.elapsed().as_secs_f64();
    let memory = resident(server.pid())? as f64;
    server.wait_until_ready(&servers.client)?;
    let transcribe = || contest::timed(|| servers.transcribe(&server, clip).map(drop));
    let (first, second) = (transcribe()?.as_secs_f64(), transcribe()?.as_secs_f64());
    Ok(Measured { accepts, healthy, memory, first, second })
}
