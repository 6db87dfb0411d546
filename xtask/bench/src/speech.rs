//! `bench speech`: speech in every format, encoded in the service's own process, beside upstream's ffmpeg.
//!
//! Both servers run all the time; each request is made to one and then to the other. A paragraph takes upstream most of a
//! minute, so it speaks that as pcm only: it computes everything before it encodes anything.

use std::cell::RefCell;
use std::io::Read as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use xtask::bench_api::{Exit, Failure};

use crate::baselines::{Running, ServerArgs, ServerKind, Servers};
use crate::process::{processor_time, version_of};
use crate::report::{Baseline, Report, Unit};
use crate::runner::{Candidate, Figure, alternate, compare};
use crate::sound::{BYTES, PARAGRAPH, SENTENCE};

/// Of the sentence; those of the paragraph are the first ones.
const FORMATS: [&str; 7] = ["pcm", "mp3", "wav", "opus", "sse", "flac", "aac"];
const LONG_FORMATS: usize = 5;
/// The promised ratios to upstream of first byte, whole answer and processor time.
const SENTENCE_LIMITS: [Option<f64>; 3] = [None, Some(0.4), Some(0.5)];
const PARAGRAPH_LIMITS: [Option<f64>; 3] = [Some(0.06), Some(0.5), None];
/// Of a paragraph, beside the length of its sound.
const REAL_TIME: f64 = 0.5;

/// Let a runtime speak beside upstream, and compare first bytes and processor time
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    servers: ServerArgs,
    /// The ffmpeg that upstream starts for each request; by default that of PATH
    #[arg(long, value_name = "PATH")]
    ffmpeg: Option<Utf8PathBuf>,
    /// Number of rounds for the sentence, in each format
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Number of rounds for the paragraph
    #[arg(long, value_name = "N", default_value_t = 3)]
    paragraph_rounds: usize,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    let servers = Servers::new(&arguments.servers)?;
    let mut report = servers.report();
    let ffmpeg = if arguments.servers.has_upstream() { Some(find_ffmpeg(arguments.ffmpeg.as_deref())?) } else { None };
    let version = ffmpeg.as_ref().and_then(|ffmpeg| version_of(Command::new(ffmpeg).arg("-version")));
    report.versions.extend(version.map(|version| ("ffmpeg".to_owned(), version)));
    let mut running = Vec::new();
    for kind in servers.kinds() {
        let server = servers.start_ready(*kind, |command| {
            if let Some(directory) = ffmpeg.as_deref().and_then(Utf8Path::parent) {
                command.env("PATH", format!("{directory}:{}", std::env::var("PATH").unwrap_or_default()));
            }
        })?;
        // The first request of each kind loads models and libraries.
        FORMATS.iter().try_for_each(|format| server.client.speak("Yes.", format).map(drop))?;
        running.push(server);
    }
    for format in FORMATS.chunks(1) {
        let text = Text { title: "sentence", text: SENTENCE, formats: format, limits: SENTENCE_LIMITS };
        text.measure(&running, arguments.rounds, &mut report)?;
    }
    let formats = &FORMATS[..LONG_FORMATS];
    let paragraph = Text { title: "paragraph", text: PARAGRAPH, formats, limits: PARAGRAPH_LIMITS };
    let [spoken, samples] = paragraph.measure(&running, arguments.paragraph_rounds, &mut report)?;
    let sound = Baseline { name: "length of its sound".to_owned(), limit: Some(REAL_TIME), samples };
    report.add("paragraph, pcm, whole answer", Unit::Seconds, spoken, Some(sound));
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
    /// Returns our times of whole answers in the first format, and the lengths of their sound as if it were pcm.
    fn measure(&self, running: &[Running], rounds: usize, report: &mut Report) -> Result<[Vec<f64>; 2]> {
        eprintln!("{}: {}", self.title, self.formats.join(", "));
        let sounds = RefCell::new(Vec::new());
        let mut candidates = Vec::new();
        for server in running {
            let count = if server.kind == ServerKind::Ours { self.formats.len() } else { 1 };
            for (index, format) in self.formats[..count].iter().enumerate() {
                let sounds = (server.kind == ServerKind::Ours && index == 0).then_some(&sounds);
                candidates.push(Candidate::new(server.kind.name(), move || {
                    let (measured, bytes) = speak(server, self.text, format)?;
                    sounds.into_iter().for_each(|sounds| sounds.borrow_mut().push(bytes as f64 / BYTES));
                    Ok(measured)
                }));
            }
        }
        alternate(&mut candidates, rounds)?;
        let [first, whole, processor] = self.limits;
        let figures = [
            Figure("first byte", Unit::Seconds, first),
            Figure("whole answer", Unit::Seconds, whole),
            Figure("processor time", Unit::Seconds, processor),
        ];
        let (ours, others) = candidates.split_at(self.formats.len());
        for (format, ours) in self.formats.iter().zip(ours) {
            compare(report, &format!("{}, {format}", self.title), figures, ours, others);
        }
        Ok([ours[0].samples(1), sounds.take()])
    }
}

/// The ffmpeg that was named, else the one on PATH.
fn find_ffmpeg(named: Option<&Utf8Path>) -> Result<Utf8PathBuf> {
    if let Some(path) = named {
        return Ok(camino::absolute_utf8(path)?);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter_map(|directory| Utf8PathBuf::try_from(directory.join("ffmpeg")).ok())
        .find(|program| program.is_file())
        .ok_or_else(|| {
            Failure::new(Exit::Unavailable, "upstream needs ffmpeg, which is not on PATH")
                .hint("name one with `--ffmpeg`")
                .into()
        })
}

/// Seconds until the first byte, until the last one, and of the processor; and how many bytes there are.
fn speak(server: &Running, text: &str, format: &str) -> Result<([f64; 3], usize)> {
    let client = &server.client;
    let before = processor_time(server.pid())?;
    let begun = Instant::now();
    let mut answer = client.ask_to_speak(text, format, &client.voice).send()?.error_for_status()?;
    answer.read_exact(&mut [0]).context("the answer is empty")?;
    let first = begun.elapsed().as_secs_f64();
    let mut rest = Vec::new();
    answer.read_to_end(&mut rest)?;
    let whole = begun.elapsed().as_secs_f64();
    // ffmpeg's time is its parent's when the parent has waited for it, which is after the last byte.
    std::thread::sleep(Duration::from_millis(50));
    Ok(([first, whole, processor_time(server.pid())? - before], rest.len() + 1))
}
