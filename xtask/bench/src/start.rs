//! `bench start`: how soon a runtime serves, and with how much memory, beside upstream's own way to start.
//!
//! Both serve the bundled models of the runtime, with the user interface on. Every round starts each of them once. Their
//! memory in use is measured once, at the end.

use std::net::TcpStream;

use anyhow::Result;
use clap::Args;

use crate::baselines::{ServerArgs, ServerKind, Servers};
use crate::process::resident;
use crate::report::{Report, Unit};
use crate::runner::{Candidate, Figure, alternate, compare, timed};
use crate::{memory, sound};

/// How long a recording the first transcriptions have, in seconds.
const SOUND: u32 = 5;

/// Start a runtime beside upstream, and compare time, memory and the first requests
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    servers: ServerArgs,
    /// Number of rounds
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
}

/// The measured times of a start, in seconds from exec.
const FIGURES: [Figure; 5] = [
    Figure("port accepts", Unit::Seconds, None),
    Figure("/health answers 200", Unit::Seconds, Some(0.15)),
    Figure("memory then", Unit::Bytes, None),
    Figure("first transcription, once ready", Unit::Seconds, None),
    Figure("second transcription", Unit::Seconds, None),
];

pub fn run(arguments: &Arguments) -> Result<Report> {
    let servers = Servers::new(&arguments.servers)?;
    let mut report = servers.report();
    let recording = servers.recording()?;
    let clip = sound::clip(&recording, SOUND);
    let mut candidates = Vec::new();
    for kind in servers.kinds() {
        candidates.push(Candidate::new(kind.name(), || start(&servers, *kind, &clip)));
    }
    alternate(&mut candidates, arguments.rounds)?;
    compare(&mut report, "", FIGURES, &candidates[0], &candidates[1..]);
    memory::measure(&servers, &recording, &mut report)?;
    Ok(report)
}

/// Starts one, asks it, and stops it.
fn start(servers: &Servers, kind: ServerKind, clip: &[u8]) -> Result<[f64; 5]> {
    let mut server = servers.start(kind, |_| {})?;
    server.wait_for(|server| TcpStream::connect(("127.0.0.1", server.port)).is_ok())?;
    let accepts = server.begun.elapsed().as_secs_f64();
    server.wait_until_healthy()?;
    let healthy = server.begun.elapsed().as_secs_f64();
    let memory = resident(server.pid())?;
    server.wait_until_ready()?;
    let transcribe = || timed(|| server.client.transcribe(clip).map(drop));
    let ([first], [second]) = (transcribe()?, transcribe()?);
    Ok([accepts, healthy, memory, first, second])
}
