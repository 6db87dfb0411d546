//! `cargo xtask bench load`: does a service keep its promises while many clients use and abuse it?
//!
//! It is no race: it fails when an answer is wrong, or when an answer that was being read at the end is cut.

use std::io::Write as _;
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
use speaches_format::description::Head;

use super::child::resident;
use super::peers::PATIENCE;
use super::report::{Comparison, Middle, Peer, Report, Unit};
use super::texts::{MORE, PARAGRAPH};
use super::wav;
use crate::commands::smoke::{SENTENCE, Service, understood};
use crate::failure::{Exit, Failure};
use crate::http;
use crate::runtime::verify;

/// Memory may be so many times as large as in the first minute.
const GROWTH: f64 = 1.1;
/// Of memory, in seconds: what is loaded only when it is needed is there afterwards.
const FIRST: usize = 60;
/// How long an answer of `/health` may take, in seconds.
const HEALTHY: f64 = 1.0;
/// One word may take so many times as long as alone.
const WAITING: f64 = 3.0;
/// How often one word is spoken alone.
const ALONE: usize = 5;
/// How many answers are being read when the service is told to stop.
const READERS: usize = 2;
/// How many clients of each kind there are by default.
pub const CLIENTS: usize = 4;

/// Use a runtime with many clients at once, some of them rude, and then stop it
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of the runtime, with models
    pub(super) runtime: Utf8PathBuf,
    /// The bundled model that transcribes [default: the first one]
    #[arg(long, value_name = "ID")]
    pub(super) stt_model: Option<String>,
    /// How many clients speak a paragraph, how many one word, and how many transcribe a minute
    #[arg(long, value_name = "N", default_value_t = CLIENTS)]
    pub(super) clients: usize,
    /// For how long they ask again
    #[arg(long, value_name = "N", default_value_t = 180)]
    pub(super) seconds: u64,
}

/// What a client does again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Paragraph,
    Word,
    Transcribe,
    Health,
    Rude,
}

const ACTS: [Act; 5] = [Act::Paragraph, Act::Word, Act::Transcribe, Act::Health, Act::Rude];

/// Runs the subcommand.
pub fn run(arguments: &Arguments) -> Result<Report> {
    let runtime = camino::absolute_utf8(&arguments.runtime)?;
    let head = verify::read(&runtime)?.head;
    let mut service = Service::start(&runtime, &head)?;
    let report = measure(arguments, &head, &mut service);
    if report.is_err() {
        eprintln!("{}", errors_in(&service.log()));
    }
    report
}

fn measure(arguments: &Arguments, head: &Head, service: &mut Service) -> Result<Report> {
    let base = service.wait_until_ready()?;
    let target = Target::new(&base, head, arguments.stt_model.as_deref())?;
    let alone = (0..ALONE).map(|_| target.timed(Act::Word)).collect::<Result<Vec<_>>>()?;
    let taken = Mutex::new(Vec::new());
    let wrong = Mutex::new(Vec::new());
    let mut memory = Vec::new();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        for act in ACTS {
            let count = if matches!(act, Act::Health | Act::Rude) { 1 } else { arguments.clients };
            for _ in 0..count {
                let (target, over, taken, wrong) = (&target, &over, &taken, &wrong);
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        match target.timed(act) {
                            Ok(seconds) => lock(taken).push((act, seconds)),
                            Err(error) => lock(wrong).push(format!("{act:?}: {error:#}")),
                        }
                        if matches!(act, Act::Health | Act::Rude) {
                            std::thread::sleep(Duration::from_millis(200));
                        }
                    }
                });
            }
        }
        let result = (0..arguments.seconds).try_for_each(|_| {
            std::thread::sleep(Duration::from_secs(1));
            memory.push(resident(service.pid()).context("the service is gone")? as f64);
            Ok(())
        });
        over.store(true, Ordering::Relaxed);
        result
    })?;
    let taken = taken.into_inner().unwrap_or_else(PoisonError::into_inner);
    let of = |act| taken.iter().filter(|(other, _)| *other == act).map(|(_, seconds)| *seconds).collect::<Vec<_>>();
    let counts = ACTS.map(|act| format!("{act:?} {}", of(act).len())).join(", ");
    let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(one) = wrong.first() {
        eprintln!("{counts}");
        bail!(Failure::new(Exit::Data, format!("{} answers were wrong, the first one: {one}", wrong.len())));
    }
    let mut report = Report::new("under load");
    let each = arguments.clients;
    report.notes.push(format!(
        "{each} clients with a paragraph, {each} with one word, {each} with a minute of speech; answers in {} s and until \
         the last: {counts}; none was wrong",
        arguments.seconds
    ));
    let mut add = |title: &str, unit, ours: Vec<f64>, peers| {
        report.comparisons.push(Comparison { title: title.to_owned(), unit, middle: Middle::Median, ours, peers });
    };
    let beside = |name: &str, limit, samples| vec![Peer { name: name.to_owned(), limit: Some(limit), samples }];
    let words = of(Act::Word);
    add("one word", Unit::Seconds, words.clone(), beside("alone", WAITING, alone.clone()));
    add("one word, the longest", Unit::Seconds, vec![most(&words)], beside("alone", WAITING, alone));
    add("a paragraph", Unit::Seconds, of(Act::Paragraph), Vec::new());
    add("a minute transcribed", Unit::Seconds, of(Act::Transcribe), Vec::new());
    let second = beside("a second", 1.0, vec![HEALTHY]);
    add("/health, the longest", Unit::Seconds, vec![most(&of(Act::Health))], second);
    let (first, later) = memory.split_at(memory.len().min(FIRST));
    if later.is_empty() {
        report.lacks("growth of memory", format!("it took no longer than the first {FIRST} s"));
    } else {
        let minute = beside("the most in the first minute", GROWTH, vec![most(first)]);
        add("most memory after the first minute", Unit::Bytes, vec![most(later)], minute);
    }
    stop_while_reading(&target, service)?;
    report.notes.push(format!("stopped; all of {READERS} answers that were being read are complete"));
    Ok(report)
}

fn most(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(0.0, f64::max)
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
    let complete = target.speak(SENTENCE, "wav")?.len();
    std::thread::scope(|scope| {
        let readers = (0..READERS).map(|_| scope.spawn(|| target.speak(SENTENCE, "wav"))).collect::<Vec<_>>();
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
    minute: Vec<u8>,
    heard: String,
}

impl Target {
    fn new(base: &str, head: &Head, stt_model: Option<&str>) -> Result<Self> {
        let find = |task: &str| {
            let found = head.served_for(task);
            found.ok_or_else(|| Failure::new(Exit::Config, format!("the runtime has no model for {task}")))
        };
        let speaker = find("text-to-speech")?;
        let listener =
            stt_model.map_or_else(|| Ok(find("automatic-speech-recognition")?.id.as_str()), Ok::<_, Failure>)?;
        let mut target = Self {
            base: base.to_owned(),
            address: base.trim_start_matches("http://").to_owned(),
            speaks: speaker.id.clone(),
            listens: listener.to_owned(),
            voice: speaker.voice.clone().unwrap_or_default(),
            client: http::loopback(PATIENCE)?,
            minute: Vec::new(),
            heard: String::new(),
        };
        target.minute = wav::clip(&target.speak(&format!("{PARAGRAPH} {MORE}"), "pcm")?, 60);
        target.heard = target.transcribe()?;
        expect(!target.heard.is_empty(), "nothing is heard of a minute of speech")?;
        Ok(target)
    }

    /// Does something, and says how many seconds it took.
    fn timed(&self, act: Act) -> Result<f64> {
        let begun = Instant::now();
        match act {
            Act::Health => self.expect_status(self.get("/health").send()?, 200)?,
            Act::Paragraph => {
                let (format, start) =
                    [("wav", &b"RIFF"[..]), ("flac", b"fLaC"), ("opus", b"OggS"), ("pcm", b"")][fastrand::usize(..4)];
                let spoken = self.speak(PARAGRAPH, format)?;
                let long = spoken.starts_with(start) && spoken.len() > 20_000;
                expect(long, &format!("{} bytes of {format}", spoken.len()))?;
            }
            Act::Word => {
                let spoken = self.speak("Yes.", "pcm")?;
                expect(spoken.len() > 2000, &format!("{} bytes of pcm", spoken.len()))?;
            }
            Act::Transcribe => {
                let heard = self.transcribe()?;
                expect(understood(&self.heard, &heard), &heard)?;
            }
            Act::Rude => self.be_rude()?,
        }
        Ok(begun.elapsed().as_secs_f64())
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
        let answer: Value = self.send_audio(self.minute.clone())?.error_for_status()?.json()?;
        Ok(answer["text"].as_str().context("no text")?.to_owned())
    }

    fn expect_status(&self, response: reqwest::blocking::Response, status: u16) -> Result<()> {
        let found = response.status();
        let text = response.text()?;
        expect(found.as_u16() == status, &format!("{found}: {text}"))
    }

    /// Asks for something that is not there, or for a speech, and goes away.
    fn be_rude(&self) -> Result<()> {
        match fastrand::usize(..6) {
            0 => self.expect_status(self.get("/docs").send()?, 200),
            1 => self.expect_status(self.ask_to_speak("Hello.", "wav", "nobody").send()?, 422),
            2 => {
                let body = json!({"model": "nobody/nothing", "voice": "a", "input": "b"});
                self.expect_status(self.post("/v1/audio/speech").json(&body).send()?, 404)
            }
            3 => self.expect_status(self.send_audio(b"this is no audio".to_vec())?, 415),
            4 => {
                let listed = self.get("/v1/models").send()?.error_for_status()?.text()?;
                expect(listed.contains(&self.speaks) && listed.contains(&self.listens), &listed)
            }
            _ => {
                let body = json!({ "model": self.speaks, "voice": self.voice, "input": PARAGRAPH }).to_string();
                let mut stream = TcpStream::connect(&self.address)?;
                write!(
                    stream,
                    "POST /v1/audio/speech HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    self.address,
                    body.len()
                )?;
                // It has begun when the connection is closed.
                std::thread::sleep(Duration::from_millis(500));
                Ok(())
            }
        }
    }
}

fn expect(right: bool, found: &str) -> Result<()> {
    if right { Ok(()) } else { bail!("{}", found.chars().take(300).collect::<String>()) }
}
