//! `cargo xtask bench load`: does a service keep its promises while many clients use and abuse it?
//!
//! It is no race: it fails when an answer is wrong, when memory grows, or when an answer that was being read at the end
//! is cut.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use camino::Utf8PathBuf;
use clap::Args;
use reqwest::blocking::multipart::{Form, Part};
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::CONNECTION;
use serde_json::{Value, json};
use speaches_launcher::runtime::Head;

use super::child::resident;
use super::report::{Comparison, Middle, Peer, Report, Unit};
use crate::commands::smoke::{SENTENCE, Service};
use crate::failure::{Exit, Failure};
use crate::http;
use crate::plan::human_size;
use crate::runtime::verify;

/// Memory may be so many times as large as in the first minute.
const GROWTH: f64 = 1.1;
/// Of memory, in seconds: what is loaded only when it is needed is there afterwards.
const FIRST: usize = 60;
/// How long an answer of `/health` may take; Harbor's check waits no longer.
const HEALTHY: Duration = Duration::from_secs(5);
/// How many answers are being read when the service is told to stop.
const READERS: usize = 8;

/// Use a runtime with many clients at once, some of them rude, and then stop it
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of the runtime, with models
    pub(super) runtime: Utf8PathBuf,
    /// How many clients there are at once
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(super) clients: usize,
    /// For how long
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub(super) seconds: u64,
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Health,
    List,
    Speak,
    Transcribe,
    Page,
    UnknownVoice,
    UnknownModel,
    NoAudio,
    Vanish,
    Stall,
}

/// As often as they are in here.
const ACTS: [Act; 15] = [
    Act::Health,
    Act::List,
    Act::List,
    Act::List,
    Act::Speak,
    Act::Speak,
    Act::Speak,
    Act::Transcribe,
    Act::Transcribe,
    Act::Page,
    Act::UnknownVoice,
    Act::UnknownModel,
    Act::NoAudio,
    Act::Vanish,
    Act::Stall,
];

/// Runs the subcommand.
pub fn run(arguments: &Arguments) -> Result<Report> {
    let runtime = camino::absolute_utf8(&arguments.runtime)?;
    let head = verify::read(&runtime)?.head;
    let mut service = Service::start(&runtime, &head)?;
    let base = service.wait()?;
    let target = Target::new(&base, &head)?;
    let over = AtomicBool::new(false);
    let tally = Mutex::new(BTreeMap::<Act, usize>::new());
    let wrong = Mutex::new(Vec::new());
    let begun = Instant::now();
    let mut memory = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        for _ in 0..arguments.clients {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let act = ACTS[fastrand::usize(..ACTS.len())];
                    match target.perform(act, &over) {
                        Ok(()) => *lock(&tally).entry(act).or_default() += 1,
                        Err(error) => lock(&wrong).push(format!("{act:?}: {error:#}")),
                    }
                }
            });
        }
        let result = (|| {
            while begun.elapsed() < Duration::from_secs(arguments.seconds) {
                std::thread::sleep(Duration::from_secs(1));
                memory.push(resident(service.pid()).context("the service is gone")?);
            }
            Ok(())
        })();
        over.store(true, Ordering::Relaxed);
        result
    })?;
    let mut report = Report::new("after the first minute");
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    let counts = tally.iter().map(|(act, count)| format!("{act:?} {count}")).collect::<Vec<_>>().join(", ");
    report.notes.push(format!(
        "{} clients, {} answers in {} s: {counts}",
        arguments.clients,
        tally.values().sum::<usize>(),
        arguments.seconds
    ));
    let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(one) = wrong.first() {
        eprintln!("{}\n{}", report.notes.join("\n"), errors_in(&service.log()));
        bail!(Failure::new(Exit::Data, format!("{} answers were wrong, the first one: {one}", wrong.len())));
    }
    report.notes.push("no answer was wrong".to_owned());
    let (first, later) = memory.split_at(memory.len().min(FIRST));
    let most = |memory: &[u64]| memory.iter().max().copied().unwrap_or_default() as f64;
    if later.is_empty() {
        report.lacks("growth of memory", format!("it took no longer than the first {FIRST} s"));
        report.notes.push(format!("memory at most {}", human_size(most(first) as u64)));
    } else {
        let peer = Peer { name: "in the first minute".to_owned(), limit: Some(GROWTH), samples: vec![most(first)] };
        if most(later) > most(first) * GROWTH {
            eprintln!("{}", report.notes.join("\n"));
            bail!(Failure::new(
                Exit::Data,
                format!(
                    "memory grew from {} in the first minute to {} afterwards; at most {GROWTH} times as much is allowed",
                    human_size(most(first) as u64),
                    human_size(most(later) as u64)
                )
            ));
        }
        report.comparisons.push(Comparison {
            title: "most memory".to_owned(),
            unit: Unit::Bytes,
            middle: Middle::Median,
            ours: vec![most(later)],
            peers: vec![peer],
        });
    }
    stop_while_reading(&target, &mut service)?;
    report.notes.push(format!("stopped; all of {READERS} answers that were being read are complete"));
    Ok(report)
}

/// The first events of a log that are errors, with the lines that belong to them.
fn errors_in(log: &str) -> String {
    let mut is_error = false;
    let lines = log.lines().filter(|line| {
        // What belongs to an event is indented.
        if !line.starts_with(' ') {
            is_error = line.contains("error");
        }
        is_error
    });
    lines.take(200).collect::<Vec<_>>().join("\n")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells the service to stop while answers are being read.
fn stop_while_reading(target: &Target, service: &mut Service) -> Result<()> {
    let text = [SENTENCE; 6].join(" ");
    let complete = target.speak(&text, "wav")?.len();
    std::thread::scope(|scope| {
        let readers = (0..READERS).map(|_| scope.spawn(|| target.speak(&text, "wav"))).collect::<Vec<_>>();
        std::thread::sleep(Duration::from_millis(300));
        service.stop()?;
        for reader in readers {
            let spoken = reader.join().map_err(|_| anyhow!("a reader ended early"))??;
            if spoken.len() != complete {
                bail!(Failure::new(Exit::Data, format!("an answer has {} of {complete} bytes", spoken.len())));
            }
        }
        Ok(())
    })
}

/// The service as clients see it.
struct Target {
    base: String,
    address: String,
    speaks: String,
    listens: String,
    voice: String,
    client: Client,
    speech: Vec<u8>,
    heard: String,
}

impl Target {
    fn new(base: &str, head: &Head) -> Result<Self> {
        let find = |task: &str| {
            let found = head.served_for(task);
            found.ok_or_else(|| Failure::new(Exit::Config, format!("the runtime has no model for {task}")))
        };
        let speaker = find("text-to-speech")?;
        let mut target = Self {
            base: base.to_owned(),
            address: base.trim_start_matches("http://").to_owned(),
            speaks: speaker.id.clone(),
            listens: find("automatic-speech-recognition")?.id.clone(),
            voice: speaker.voice.clone().unwrap_or_default(),
            client: http::loopback()?,
            speech: Vec::new(),
            heard: String::new(),
        };
        target.speech = target.speak(SENTENCE, "wav")?;
        target.heard = target.transcribe()?;
        Ok(target)
    }

    fn perform(&self, act: Act, over: &AtomicBool) -> Result<()> {
        match act {
            Act::Health => {
                let asked = Instant::now();
                self.expect_status(self.get("/health").send()?, 200)?;
                let taken = asked.elapsed();
                expect(taken < HEALTHY, &format!("it took {taken:.1?}, and Harbor gives up after {HEALTHY:?}"))
            }
            Act::List => {
                let listed = self.get("/v1/models").send()?.error_for_status()?.text()?;
                expect(listed.contains(&self.speaks) && listed.contains(&self.listens), &listed)
            }
            Act::Speak => {
                let (format, start) =
                    [("wav", &b"RIFF"[..]), ("flac", b"fLaC"), ("opus", b"OggS"), ("pcm", b"")][fastrand::usize(..4)];
                let spoken = self.speak("A short sentence.", format)?;
                expect(spoken.starts_with(start) && spoken.len() > 2000, &format!("{} bytes of {format}", spoken.len()))
            }
            Act::Transcribe => {
                let heard = self.transcribe()?;
                expect(heard == self.heard, &heard)
            }
            Act::Page => self.expect_status(self.get("/docs").send()?, 200),
            Act::UnknownVoice => self.expect_status(self.ask_to_speak("Hello.", "wav", "nobody").send()?, 422),
            Act::UnknownModel => {
                let body = json!({"model": "nobody/nothing", "voice": "a", "input": "b"});
                self.expect_status(self.post("/v1/audio/speech").json(&body).send()?, 404)
            }
            Act::NoAudio => {
                let response = self.send_audio(b"this is no audio".to_vec())?;
                self.expect_status(response, 415)
            }
            Act::Vanish | Act::Stall => self.be_rude(act, over),
        }
    }

    // Each request has a connection of its own: the server may close one that is idle just when it is used again.
    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base)).header(CONNECTION, "close")
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base)).header(CONNECTION, "close")
    }

    fn ask_to_speak(&self, text: &str, format: &str, voice: &str) -> RequestBuilder {
        let body = json!({ "model": self.speaks, "voice": voice, "input": text, "response_format": format });
        self.post("/v1/audio/speech").json(&body)
    }

    fn speak(&self, text: &str, format: &str) -> Result<Vec<u8>> {
        let response = self.ask_to_speak(text, format, &self.voice).send()?;
        Ok(response.error_for_status()?.bytes()?.to_vec())
    }

    fn send_audio(&self, audio: Vec<u8>) -> Result<reqwest::blocking::Response> {
        let part = Part::bytes(audio).file_name("speech.wav").mime_str("audio/wav")?;
        let form = Form::new().text("model", self.listens.clone()).part("file", part);
        Ok(self.post("/v1/audio/transcriptions").multipart(form).send()?)
    }

    fn transcribe(&self) -> Result<String> {
        let answer: Value = self.send_audio(self.speech.clone())?.error_for_status()?.json()?;
        Ok(answer["text"].as_str().context("no text")?.to_owned())
    }

    fn expect_status(&self, response: reqwest::blocking::Response, status: u16) -> Result<()> {
        let found = response.status();
        let text = response.text()?;
        expect(found.as_u16() == status, &format!("{found}: {text}"))
    }

    /// Asks for a long speech and does not read it to its end: goes away, or just sits there for a while.
    fn be_rude(&self, act: Act, over: &AtomicBool) -> Result<()> {
        let text = [SENTENCE; 8].join(" ");
        let body = json!({ "model": self.speaks, "voice": self.voice, "input": text, "response_format": "pcm" });
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address)?;
        write!(
            stream,
            "POST /v1/audio/speech HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        if act == Act::Stall {
            stream.set_read_timeout(Some(Duration::from_secs(120)))?;
            let _ = stream.read(&mut [0; 64])?;
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(10) && !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Ok(())
    }
}

fn expect(right: bool, found: &str) -> Result<()> {
    if right { Ok(()) } else { bail!("{}", found.chars().take(300).collect::<String>()) }
}
