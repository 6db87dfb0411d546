//! `cargo xtask bench speech`: speech in every format, encoded in the service's own process, beside upstream's ffmpeg.
//!
//! Both servers run all the time; each request is made to one and then to the other. A paragraph takes upstream most of a
//! minute, so it speaks that as pcm only: it computes everything before it encodes anything.

use std::io::Read as _;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::child::processor_time;
use super::contest::{self, Contestant};
use super::peers::{Places, Running, Servers, Upstream, Who};
use super::programs;
use super::report::{Comparison, Middle, Peer as Other, Report, Unit};
use super::texts::{PARAGRAPH, SENTENCE};
use crate::failure::{Exit, Failure};

/// Of the sentence; those of the paragraph are the first ones.
const FORMATS: [&str; 7] = ["pcm", "mp3", "wav", "opus", "sse", "flac", "aac"];
const LONG_FORMATS: usize = 5;
/// What is promised of first byte, whole answer and processor time, beside upstream.
const SENTENCE_LIMITS: [Option<f64>; 3] = [None, Some(0.4), Some(0.5)];
const PARAGRAPH_LIMITS: [Option<f64>; 3] = [Some(0.06), Some(0.5), None];
/// Of a paragraph, beside the length of its sound.
const REAL_TIME: f64 = 0.5;
/// Bytes of pcm in a second.
const RATE: f64 = 48_000.0;

/// Let a runtime speak beside upstream, and compare first bytes and processor time
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// The ffmpeg that upstream starts for each request; by default that of PATH
    #[arg(long, value_name = "PATH")]
    ffmpeg: Option<Utf8PathBuf>,
    #[command(flatten)]
    rounds: Rounds,
}

/// How often each one speaks.
#[derive(Args, Clone, Copy, Debug)]
pub struct Rounds {
    /// How often each one speaks the sentence in each format
    #[arg(long = "rounds", value_name = "N", default_value_t = 3)]
    pub(super) sentence: usize,
    /// How often each one speaks the paragraph
    #[arg(long = "paragraph-rounds", value_name = "N", default_value_t = 3)]
    pub(super) paragraph: usize,
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
    measure(&arguments.places.runtime, Some(&peer), arguments.rounds)
}

/// Upstream and what it starts.
pub struct Peer<'a> {
    pub(super) upstream: &'a Upstream,
    /// As [`find_ffmpeg`] finds it.
    pub(super) ffmpeg: Utf8PathBuf,
}

/// Measures with upstream, if it is there.
pub fn measure(runtime: &Utf8Path, peer: Option<&Peer<'_>>, rounds: Rounds) -> Result<Report> {
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
        server.wait_until_ready(&servers.client)?;
        // The first request of each kind loads models and libraries.
        for format in FORMATS {
            servers.speak(&server, "Yes.", format)?;
        }
        running.push((*who, server));
    }
    for format in FORMATS.chunks(1) {
        let sentence = Text { title: "sentence", text: SENTENCE, formats: format, limits: SENTENCE_LIMITS };
        sentence.measure(&servers, &running, rounds.sentence, &mut report)?;
    }
    let formats = &FORMATS[..LONG_FORMATS];
    let paragraph = Text { title: "paragraph", text: PARAGRAPH, formats, limits: PARAGRAPH_LIMITS };
    let sound = paragraph.measure(&servers, &running, rounds.paragraph, &mut report)?;
    report.comparisons.push(sound);
    report.notes.push(format!(
        "the sentence has {} characters, the paragraph {}; upstream speaks the paragraph as pcm only, which the other \
         formats are compared with, since no encoder gets anything from it before it has computed everything",
        SENTENCE.len(),
        PARAGRAPH.len()
    ));
    Ok(report)
}

/// A text, and how it is spoken.
struct Text<'a> {
    title: &'a str,
    text: &'a str,
    /// Of ours; upstream speaks in the first of them.
    formats: &'a [&'a str],
    limits: [Option<f64>; 3],
}

impl Text<'_> {
    /// Returns the time of the whole answer beside the length of its sound.
    fn measure(
        &self,
        servers: &Servers,
        running: &[(Who, Running)],
        rounds: usize,
        report: &mut Report,
    ) -> Result<Comparison> {
        let mut contestants = Vec::new();
        for (who, server) in running {
            let count = if *who == Who::Ours { self.formats.len() } else { 1 };
            for format in &self.formats[..count] {
                let body = servers.speech_request(self.text, format)?;
                contestants.push(Contestant::new(who.name(), move || speak(servers, server, &body)));
            }
        }
        eprintln!("{}: {}", self.title, self.formats.join(", "));
        contest::alternate(&mut contestants, rounds)?;
        let (ours, others) = contestants.split_at(self.formats.len());
        for (format, ours) in self.formats.iter().zip(ours) {
            for ((title, middle, figure), limit) in FIGURES.into_iter().zip(self.limits) {
                let title = format!("{}, {format}, {title}", self.title);
                let comparison = contest::compare_with(title, Unit::Seconds, ours, others, figure).limited(limit);
                report.comparisons.push(Comparison { middle, ..comparison });
            }
        }
        let title = format!("{}, {}, whole answer", self.title, self.formats[0]);
        let samples = ours[0].samples(|measured| measured.bytes as f64 / RATE);
        let sound = Other { name: "length of its sound".to_owned(), limit: Some(REAL_TIME), samples };
        let beside = contest::compare_with(title, Unit::Seconds, &ours[0], &[], |measured| measured.whole);
        Ok(Comparison { peers: vec![sound], ..beside })
    }
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
