//! `cargo xtask bench transcribe`: a runtime beside upstream, and whisper.cpp beside faster-whisper in one runtime.
//!
//! Two services run at the same time and are asked in alternation; whisper.cpp and faster-whisper may use the same number
//! of threads. The sound is what the runtime speaks itself.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use camino::Utf8PathBuf;
use clap::Args;
use reqwest::blocking::Client;
use reqwest::blocking::multipart::{Form, Part};
use serde_json::Value;
use speaches_format::description::Head;

use super::child::processor_time;
use super::contest::{self, Contestant, timed};
use super::peers::{PATIENCE, Servers, Upstream};
use super::report::{Comparison, Middle, Report, Unit};
use super::wav;
use crate::commands::smoke::Service;
use crate::failure::{Exit, Failure};
use crate::http;
use crate::runtime::verify;

/// Lengths of sound beside upstream, in seconds.
const LENGTHS: [u32; 2] = [5, 60];
/// What is promised of processor time beside upstream.
const LIMIT: f64 = 0.75;
/// How many clients ask at once.
const CROWDS: [usize; 3] = [1, 4, 8];

/// Transcribe the same sound with a runtime and with upstream, with whisper.cpp and with faster-whisper
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of the runtime, with a model that speaks and a Whisper model
    pub(super) runtime: Utf8PathBuf,
    /// Lengths of the sound for whisper.cpp, in seconds
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "5,30,120")]
    pub(super) seconds: Vec<u32>,
    /// How many threads each of them uses
    #[arg(long, value_name = "N", default_value_t = default_threads())]
    pub(super) threads: usize,
    /// How often each length is transcribed
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) rounds: usize,
    /// The bundled model that transcribes [default: the first one]
    #[arg(long, value_name = "ID")]
    pub(super) stt_model: Option<String>,
    #[command(flatten)]
    pub(super) upstream: Option<Upstream>,
}

/// How many threads each of them uses.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(4))
}

/// What a transcription takes, in seconds.
struct Effort {
    wall: f64,
    processor: f64,
}

impl contest::Measured for Effort {
    fn told(&self) -> String {
        Unit::Seconds.show(self.wall)
    }
}

/// Runs the subcommand: the parts for which everything is there.
pub fn run(arguments: &Arguments) -> Result<Report> {
    let head = verify::read(&arguments.runtime)?.head;
    let servers = Servers::new(&arguments.runtime, arguments.upstream.as_ref())?;
    let servers = servers.listening_with(arguments.stt_model.as_deref())?;
    let mut report = servers.report();
    let cannot = lacks(&head, arguments.stt_model.as_deref()).err();
    if arguments.upstream.is_none()
        && let Some(cannot) = cannot
    {
        return Err(cannot);
    }
    let recording = servers.recording()?;
    if arguments.upstream.is_some() {
        beside_upstream(&servers, &recording, arguments.rounds, &mut report)?;
    }
    match cannot {
        None => beside_whispercpp(arguments, &head, &recording, &mut report)?,
        Some(why) => report.lacks("whisper.cpp", format!("{why:#}")),
    }
    Ok(report)
}

fn beside_upstream(servers: &Servers, recording: &[u8], rounds: usize, report: &mut Report) -> Result<()> {
    let mut running = Vec::new();
    for who in servers.who() {
        eprintln!("starting {}", who.name());
        let mut server = servers.start(*who, |_| {})?;
        server.wait_until_ready(&servers.client)?;
        // The first request loads the model.
        let heard = servers.transcribe(&server, &wav::clip(recording, LENGTHS[0]))?;
        report.notes.push(format!("{} hears {heard:?}", who.name()));
        running.push((who, server));
    }
    for seconds in LENGTHS {
        let clip = wav::clip(recording, seconds);
        let mut contestants = Vec::new();
        for (who, server) in &running {
            contestants.push(Contestant::new(who.name(), || {
                let before = processor_time(server.pid())?;
                let wall = timed(|| servers.transcribe(server, &clip).map(drop))?.as_secs_f64();
                Ok(Effort { wall, processor: processor_time(server.pid())? - before })
            }));
        }
        contest::alternate(&mut contestants, rounds)?;
        let title = format!("{seconds} s of speech");
        report.comparisons.push(contest::compare(&title, Unit::Seconds, &contestants, |effort| effort.wall));
        let title = format!("{title}, processor time");
        let processor = contest::compare(title, Unit::Seconds, &contestants, |effort| effort.processor).limited(LIMIT);
        report.comparisons.push(Comparison { middle: Middle::Mean, ..processor });
    }
    Ok(())
}

fn beside_whispercpp(arguments: &Arguments, head: &Head, recording: &[u8], report: &mut Report) -> Result<()> {
    let runtime = camino::absolute_utf8(&arguments.runtime)?;
    let threads = arguments.threads.to_string();
    let start = |backend: &str, more: &[&str]| -> Result<Listener> {
        let mut service = Service::start_with(&runtime, head, |command| {
            command.args(["--stt-backend", backend]).args(more).env("WHISPER__CPU_THREADS", &threads);
        })?;
        let base = service.wait_until_ready()?;
        let model = model(head, arguments.stt_model.as_deref())?.to_owned();
        Ok(Listener { service, base, client: http::loopback(PATIENCE)?, model })
    };
    let whispercpp = start("whispercpp", &[])?;
    let faster_whisper = start("faster-whisper", &["--stt-device", "cpu"])?;
    // The first request loads the model.
    let clip = wav::clip(recording, 2);
    let texts = [whispercpp.transcribe(&clip)?, faster_whisper.transcribe(&clip)?];
    let ours = format!("whisper.cpp, {}", whispercpp.device()?);
    let theirs = format!("faster-whisper, cpu, {} threads", arguments.threads);
    let contest = |title: String, clip: &[u8], clients: usize| -> Result<Comparison> {
        let mut both = [
            Contestant::new(&ours, || timed(|| whispercpp.crowd(clip, clients))),
            Contestant::new(&theirs, || timed(|| faster_whisper.crowd(clip, clients))),
        ];
        contest::alternate(&mut both, arguments.rounds)?;
        Ok(contest::compare_times(title, &both))
    };
    for seconds in &arguments.seconds {
        let clip = wav::clip(recording, *seconds);
        report.comparisons.push(contest(format!("{ours}: {seconds} s of sound"), &clip, 1)?);
    }
    let shortest = arguments.seconds.iter().min().copied().context("`--seconds` names no length")?;
    let clip = wav::clip(recording, shortest);
    for clients in CROWDS {
        report.comparisons.push(contest(format!("{ours}: {clients} at once, {shortest} s each"), &clip, clients)?);
    }
    for (name, text) in ["whisper.cpp", "faster-whisper"].into_iter().zip(texts) {
        report.notes.push(format!("{name} hears {text:?}"));
    }
    Ok(())
}

/// Why whisper.cpp cannot take part, if it cannot.
pub fn lacks(head: &Head, named: Option<&str>) -> Result<()> {
    let model = model(head, named)?;
    if !head.models.iter().any(|weights| weights.serves.iter().any(|served| served == model)) {
        bail!(
            Failure::new(Exit::Config, format!("the runtime has no GGML weights for {model}")).hint(
                "docs/transcription.md says how to get them; `--upstream-python` and `--upstream-source` need none"
            )
        );
    }
    Ok(())
}

fn model<'a>(head: &'a Head, named: Option<&'a str>) -> Result<&'a str> {
    let first = || head.served_for("automatic-speech-recognition").map(|model| model.id.as_str());
    let missing = || {
        Failure::new(Exit::Config, "the runtime has no Whisper model")
            .hint("provision it with one and with its GGML weights; docs/transcription.md says how")
    };
    Ok(named.or_else(first).ok_or_else(missing)?)
}

/// A service that transcribes.
struct Listener {
    service: Service,
    base: String,
    client: Client,
    model: String,
}

impl Listener {
    fn transcribe(&self, clip: &[u8]) -> Result<String> {
        let part = Part::bytes(clip.to_vec()).file_name("sound.wav").mime_str("audio/wav")?;
        let form = Form::new().text("model", self.model.clone()).part("file", part);
        let response = self.client.post(format!("{}/v1/audio/transcriptions", self.base)).multipart(form);
        let response = response.send()?;
        let status = response.status();
        let answer = response.text()?;
        if !status.is_success() {
            bail!(Failure::new(Exit::Unavailable, format!("a transcription is answered with {status}: {answer}")));
        }
        let answer: Value = serde_json::from_str(&answer)?;
        Ok(answer["text"].as_str().unwrap_or_default().to_owned())
    }

    /// So many clients ask at the same moment; it ends when the last one has its answer.
    fn crowd(&self, clip: &[u8], clients: usize) -> Result<()> {
        std::thread::scope(|scope| {
            let threads = (0..clients).map(|_| scope.spawn(|| self.transcribe(clip))).collect::<Vec<_>>();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result.map(drop),
                Err(_) => bail!("a client panicked"),
            })
        })
    }

    /// What whisper.cpp computes on, by its own account; it is an error when it is not used at all.
    fn device(&self) -> Result<String> {
        let begun = Instant::now();
        loop {
            let log = self.service.log();
            let about = log.lines().rev().find_map(|line| line.split_once("is transcribed by "));
            match about {
                Some((_, what)) => match what.strip_prefix("whisper.cpp on ") {
                    Some(device) => return Ok(device.split(", loaded").next().unwrap_or(device).to_owned()),
                    None => bail!(
                        Failure::new(Exit::Unavailable, format!("whisper.cpp is not used: {what}"))
                            .hint("docs/transcription.md says what it needs")
                    ),
                },
                None if begun.elapsed() > Duration::from_secs(5) => {
                    bail!(Failure::new(Exit::Unavailable, format!("the service does not say what it uses:\n{log}")));
                }
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}
