//! `cargo xtask bench speech`: speech in every format, encoded in the service's own process, beside upstream's ffmpeg.
//!
//! Both servers run all the time; each request is made to one and then to the other.

use std::cell::Cell;
use std::io::Read as _;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::contest::{self, Contestant};
use super::peers::{Places, Running, Servers, Upstream};
use super::programs;
use super::report::{Comparison, Middle, Report, Unit};
use crate::commands::smoke::SENTENCE;
use crate::failure::{Exit, Failure};

const FORMATS: [&str; 6] = ["pcm", "mp3", "wav", "flac", "opus", "aac"];

/// Let a runtime speak beside upstream, and compare first bytes and processor time
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// The ffmpeg that upstream starts for each request; by default that of PATH
    #[arg(long, value_name = "PATH")]
    ffmpeg: Option<Utf8PathBuf>,
    /// How often each one speaks in each format
    #[arg(long, value_name = "N", default_value_t = 20)]
    rounds: usize,
    /// How many sentences it speaks
    #[arg(long, value_name = "N", default_value_t = 4)]
    sentences: usize,
}

/// Of one request.
#[derive(Clone, Copy, Default)]
struct Measured {
    /// Until the first byte of the body, in seconds.
    first: f64,
    /// Until its end, in seconds.
    whole: f64,
    /// Processor time of the server and the programs it has started, in seconds.
    processor: f64,
    /// Length of the body in bytes.
    bytes: usize,
}

impl contest::Measured for Measured {
    const IS_LONG: bool = false;

    fn told(&self) -> String {
        Unit::Seconds.show(self.whole)
    }
}

/// What is measured of a request.
type Figure = fn(&Measured) -> f64;

const FIGURES: [(&str, Middle, Figure); 3] = [
    ("first byte", Middle::Median, |measured| measured.first),
    ("whole answer", Middle::Median, |measured| measured.whole),
    // Linux counts in hundredths of a second, so one request tells little.
    ("processor time", Middle::Mean, |measured| measured.processor),
];

/// Runs the subcommand.
pub fn run(arguments: &Arguments) -> Result<Report> {
    let ffmpeg = find_ffmpeg(arguments.ffmpeg.as_deref())?;
    let peer = Peer { upstream: &arguments.places.upstream, ffmpeg };
    measure(&arguments.places.runtime, Some(&peer), arguments.sentences, arguments.rounds)
}

/// Upstream and what it starts.
pub struct Peer<'a> {
    pub(super) upstream: &'a Upstream,
    /// As [`find_ffmpeg`] finds it.
    pub(super) ffmpeg: Utf8PathBuf,
}

/// Measures with upstream, if it is there.
pub fn measure(runtime: &Utf8Path, peer: Option<&Peer<'_>>, sentences: usize, rounds: usize) -> Result<Report> {
    let servers = Servers::new(runtime, peer.map(|peer| peer.upstream))?;
    let mut report = servers.report();
    if let Some(peer) = peer {
        let version = programs::version_of(Command::new(&peer.ffmpeg).arg("-version"));
        report.versions.extend(version.map(|version| ("ffmpeg".to_owned(), version)));
    }
    let mut running = Vec::new();
    for who in servers.who() {
        eprintln!("starting {}", who.name());
        let mut server = servers.start(*who, |command| {
            if let Some(peer) = peer {
                put_first_on_path(command, &peer.ffmpeg);
            }
        })?;
        server.wait_for_page(&servers.client, "/health")?;
        running.push((who, server));
    }
    let text = vec![SENTENCE; sentences].join(" ");
    let mut lengths = Vec::new();
    for format in FORMATS {
        eprintln!("{format}");
        let body = servers.speech_request(&text, format)?;
        let bytes = running.iter().map(|_| Cell::new(0)).collect::<Vec<_>>();
        let mut contestants = Vec::new();
        for ((who, server), bytes) in running.iter().zip(&bytes) {
            contestants.push(Contestant::new(who.name(), || {
                let measured = speak(&servers, server, &body)?;
                bytes.set(measured.bytes);
                Ok(measured)
            }));
        }
        // The first request of each loads models and libraries.
        contest::warm_up(&mut contestants)?;
        contest::alternate(&mut contestants, rounds)?;
        for (title, middle, figure) in FIGURES {
            let comparison = contest::compare(format!("{format}, {title}"), Unit::Seconds, &contestants, figure);
            report.comparisons.push(Comparison { middle, ..comparison });
        }
        lengths.push(format!(
            "{format} {}",
            bytes.iter().map(|bytes| bytes.get().to_string()).collect::<Vec<_>>().join(" / ")
        ));
    }
    let names = servers.who().iter().map(|who| who.name()).collect::<Vec<_>>().join(" / ");
    report.notes.push(format!("bytes of an answer, {names}: {}", lengths.join(", ")));
    Ok(report)
}

/// The ffmpeg that was named, else the one on PATH.
pub fn find_ffmpeg(named: Option<&Utf8Path>) -> Result<Utf8PathBuf> {
    if let Some(path) = named {
        return Ok(camino::absolute_utf8(path)?);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter_map(|directory| Utf8PathBuf::try_from(directory.join("ffmpeg")).ok())
        .find(|program| program.is_file())
        .ok_or_else(|| {
            Failure::new(Exit::Unavailable, "upstream needs ffmpeg, and there is none on PATH")
                .hint("name one with `--ffmpeg`")
                .into()
        })
}

fn put_first_on_path(command: &mut Command, program: &Utf8Path) {
    let others = std::env::var("PATH").unwrap_or_default();
    if let Some(directory) = program.parent() {
        command.env("PATH", format!("{directory}:{others}"));
    }
}

fn speak(servers: &Servers, server: &Running, body: &serde_json::Value) -> Result<Measured> {
    let before = processor_time(server.pid())?;
    let begun = Instant::now();
    let mut response = servers.client.post(server.url("/v1/audio/speech")).json(body).send()?.error_for_status()?;
    let mut first = [0];
    response.read_exact(&mut first).context("the answer is empty")?;
    let mut measured = Measured { first: begun.elapsed().as_secs_f64(), ..Measured::default() };
    let mut rest = Vec::new();
    response.read_to_end(&mut rest)?;
    measured.whole = begun.elapsed().as_secs_f64();
    measured.bytes = rest.len() + 1;
    // ffmpeg's time is its parent's when the parent has waited for it, which is after the last byte.
    std::thread::sleep(std::time::Duration::from_millis(50));
    measured.processor = processor_time(server.pid())? - before;
    Ok(measured)
}

/// Processor time of a process, its threads and its ended children, in seconds.
fn processor_time(pid: u32) -> Result<f64> {
    if !cfg!(target_os = "linux") {
        bail!(Failure::new(Exit::Unavailable, "processor time is read from /proc, which only Linux has"));
    }
    let text = fs_err::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may contain spaces. After it the state is field 3, so these are fields 14 to 17.
    let (_, fields) = text.rsplit_once(')').context("a name in parentheses")?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks as f64 / 100.0)
}
