//! `bench load`: does a service keep its promises while many clients use and abuse it?
//!
//! It is no race: it fails when an answer is wrong, or when an answer that was being read at the end is cut.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use camino::Utf8PathBuf;
use clap::Args;
use reqwest::blocking::Response;
use serde_json::json;
use speaches_format::description::RuntimeInfo;
use xtask::bench_api::{Exit, Failure, SENTENCE, Service, read_description, understood};

use crate::client::Client;
use crate::process::resident;
use crate::report::{Baseline, Report, Unit};
use crate::runner::timed;
use crate::sound::{MORE, PARAGRAPH, clip};

/// Memory may be so many times as large as in the first minute, in which is loaded what is loaded when it is needed.
const GROWTH: f64 = 1.1;
const FIRST: usize = 60;
/// How long an answer of `/health` may take, in seconds.
const HEALTHY: f64 = 1.0;
/// One word may take so many times as long as alone.
const WAITING: f64 = 3.0;
/// How often one word is spoken alone.
const ALONE: usize = 5;
/// How many answers are being read when the service is told to stop.
const READERS: usize = 2;

/// Put a runtime under load with many clients, some misbehaving, then stop it
#[derive(Args)]
pub struct Arguments {
    /// The directory of the runtime, with models
    runtime: Utf8PathBuf,
    /// The bundled model that transcribes [default: the first one]
    #[arg(long, value_name = "ID")]
    stt_model: Option<String>,
    /// Clients for each task: paragraph, word, transcription
    #[arg(long, value_name = "N", default_value_t = 4)]
    clients: usize,
    /// Duration of the load in seconds
    #[arg(long, value_name = "N", default_value_t = 180)]
    seconds: u64,
}

/// The repeated request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Paragraph,
    Word,
    Transcribe,
    Health,
    Rude,
}

const ACTS: [Act; 5] = [Act::Paragraph, Act::Word, Act::Transcribe, Act::Health, Act::Rude];

pub fn run(arguments: &Arguments) -> Result<Report> {
    let runtime = camino::absolute_utf8(&arguments.runtime)?;
    let info = read_description(&runtime)?.info;
    let mut service = Service::start_with(&runtime, &info, |_| {})?;
    let report = measure(arguments, &info, &mut service);
    if report.is_err() {
        eprintln!("{}", errors_in(&service.log()));
    }
    report
}

fn measure(arguments: &Arguments, info: &RuntimeInfo, service: &mut Service) -> Result<Report> {
    let target = Target::new(&service.wait_until_ready()?, info, arguments.stt_model.as_deref())?;
    let alone = (0..ALONE).map(|_| target.timed(Act::Word)).collect::<Result<Vec<_>>>()?;
    let (taken, wrong) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let mut memory = Vec::new();
    let over = AtomicBool::new(false);
    let again = |act: Act| {
        while !over.load(Ordering::Relaxed) {
            match target.timed(act) {
                Ok(seconds) => taken.lock().unwrap_or_else(PoisonError::into_inner).push((act, seconds)),
                Err(error) => wrong.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{act:?}: {error:#}")),
            }
            if matches!(act, Act::Health | Act::Rude) {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    };
    std::thread::scope(|scope| -> Result<()> {
        for act in ACTS {
            let count = if matches!(act, Act::Health | Act::Rude) { 1 } else { arguments.clients };
            (0..count).for_each(|_| drop(scope.spawn(move || again(act))));
        }
        let result = (0..arguments.seconds).try_for_each(|_| {
            std::thread::sleep(Duration::from_secs(1));
            memory.push(resident(service.pid()).context("the service has ended")?);
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
    let (each, seconds) = (arguments.clients, arguments.seconds);
    report.notes.push(format!(
        "{each} clients with a paragraph, {each} with one word, {each} with a minute of speech; answers to all requests of \
         {seconds} s: {counts}; none was wrong"
    ));
    let beside = |name: &str, limit, samples| Some(Baseline { name: name.to_owned(), limit: Some(limit), samples });
    let words = of(Act::Word);
    report.add("one word", Unit::Seconds, words.clone(), beside("alone", WAITING, alone.clone()));
    report.add("one word, the longest", Unit::Seconds, vec![most(&words)], beside("alone", WAITING, alone));
    report.add("a paragraph", Unit::Seconds, of(Act::Paragraph), None);
    report.add("a minute transcribed", Unit::Seconds, of(Act::Transcribe), None);
    let longest = vec![most(&of(Act::Health))];
    report.add("/health, the longest", Unit::Seconds, longest, beside("a second", 1.0, vec![HEALTHY]));
    let (first, later) = memory.split_at(memory.len().min(FIRST));
    if later.is_empty() {
        report.skip("growth of memory", &format!("the run was shorter than {FIRST} s"));
    } else {
        let minute = beside("the most in the first minute", GROWTH, vec![most(first)]);
        report.add("most memory after the first minute", Unit::Bytes, vec![most(later)], minute);
    }
    stop_while_reading(&target.client, service)?;
    report.notes.push(format!("after the stop: all {READERS} answers in progress were complete"));
    Ok(report)
}

fn most(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(0.0, f64::max)
}

/// The first events of a log that are errors, with the lines that belong to them, which are indented.
fn errors_in(log: &str) -> String {
    let mut is_error = false;
    let lines = log.lines().filter(|line| {
        is_error = if line.starts_with(' ') { is_error } else { line.contains("error") };
        is_error
    });
    lines.take(200).collect::<Vec<_>>().join("\n")
}

/// Tells the service to stop while answers are being read.
fn stop_while_reading(client: &Client, service: &mut Service) -> Result<()> {
    let complete = client.speak(SENTENCE, "wav")?.len();
    std::thread::scope(|scope| {
        let readers = (0..READERS).map(|_| scope.spawn(|| client.speak(SENTENCE, "wav"))).collect::<Vec<_>>();
        std::thread::sleep(Duration::from_millis(300));
        service.stop()?;
        for reader in readers {
            let spoken = reader.join().map_err(|_| anyhow!("a reader ended early"))??;
            if spoken.len() != complete {
                bail!(Failure::new(
                    Exit::Data,
                    format!("an answer is incomplete: {} of {complete} bytes", spoken.len())
                ));
            }
        }
        Ok(())
    })
}

struct Target {
    client: Client,
    address: String,
    minute: Vec<u8>,
    heard: String,
}

impl Target {
    fn new(base: &str, info: &RuntimeInfo, stt_model: Option<&str>) -> Result<Self> {
        let client = Client::new(base, info, stt_model)?;
        let minute = clip(&client.speak(&format!("{PARAGRAPH} {MORE}"), "pcm")?, 60);
        let heard = client.transcribe(&minute)?;
        expect(!heard.is_empty(), "the transcription of a minute of speech is empty")?;
        Ok(Self { client, address: base.trim_start_matches("http://").to_owned(), minute, heard })
    }

    /// Does something, and says how many seconds it took.
    fn timed(&self, act: Act) -> Result<f64> {
        let [seconds] = timed(|| match act {
            Act::Health => expect_status(self.client.get("/health").send()?, 200),
            Act::Paragraph => {
                let (format, start) =
                    [("wav", &b"RIFF"[..]), ("flac", b"fLaC"), ("opus", b"OggS"), ("pcm", b"")][fastrand::usize(..4)];
                let spoken = self.client.speak(PARAGRAPH, format)?;
                let long = spoken.starts_with(start) && spoken.len() > 20_000;
                expect(long, &format!("{} bytes of {format}", spoken.len()))
            }
            Act::Word => {
                let spoken = self.client.speak("Yes.", "pcm")?;
                expect(spoken.len() > 2000, &format!("{} bytes of pcm", spoken.len()))
            }
            Act::Transcribe => {
                let heard = self.client.transcribe(&self.minute)?;
                expect(understood(&self.heard, &heard), &heard)
            }
            Act::Rude => self.be_rude(),
        })?;
        Ok(seconds)
    }

    /// Asks for something that is not there, or for a speech, and goes away.
    fn be_rude(&self) -> Result<()> {
        let client = &self.client;
        match fastrand::usize(..6) {
            0 => expect_status(client.get("/docs").send()?, 200),
            1 => expect_status(client.ask_to_speak("Hello.", "wav", "nobody").send()?, 422),
            2 => {
                let body = json!({"model": "nobody/nothing", "voice": "a", "input": "b"});
                expect_status(client.post("/v1/audio/speech").json(&body).send()?, 404)
            }
            3 => expect_status(client.send_audio(b"this is no audio")?, 415),
            4 => {
                let listed = client.get("/v1/models").send()?.error_for_status()?.text()?;
                expect(listed.contains(&client.speaks) && listed.contains(&client.listens), &listed)
            }
            _ => {
                let body = json!({ "model": client.speaks, "voice": client.voice, "input": PARAGRAPH }).to_string();
                let head = format!("POST /v1/audio/speech HTTP/1.1\r\nHost: {}\r\n", self.address);
                let length = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
                let mut stream = TcpStream::connect(&self.address)?;
                stream.write_all((head + &length + &body).as_bytes())?;
                // It has begun when the connection is closed.
                std::thread::sleep(Duration::from_millis(500));
                Ok(())
            }
        }
    }
}

fn expect_status(response: Response, status: u16) -> Result<()> {
    let found = response.status();
    expect(found.as_u16() == status, &format!("{found}: {}", response.text()?))
}

fn expect(right: bool, found: &str) -> Result<()> {
    if right { Ok(()) } else { bail!("{}", found.chars().take(300).collect::<String>()) }
}
