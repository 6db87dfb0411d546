//! `cargo xtask bench transcribe`: whisper.cpp beside faster-whisper, in one runtime, on the same sound.
//!
//! Two services run at the same time, one with each, and are asked in alternation; both may use the same number of
//! threads. The sound is spoken by the runtime itself, repeated with pauses up to each length, or is given.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use reqwest::blocking::Client;
use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};
use speaches_launcher::runtime::Head;

use super::contest::{self, Contestant, timed};
use super::report::{Comparison, Report};
use crate::commands::smoke::{SENTENCE, Service};
use crate::failure::{Exit, Failure};
use crate::http;
use crate::runtime::verify;

/// Of what the runtime speaks, in samples per second.
const RATE: u32 = 24_000;
/// How many clients ask at once.
const CROWDS: [usize; 3] = [1, 4, 8];

/// Transcribe the same sound with whisper.cpp and with faster-whisper, and compare the times
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of the runtime, with a model that speaks, a Whisper model, and its GGML weights
    pub(super) runtime: Utf8PathBuf,
    /// Lengths of the sound, in seconds
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "5,30,120")]
    pub(super) seconds: Vec<u32>,
    /// How many threads each of them uses
    #[arg(long, value_name = "N", default_value_t = default_threads())]
    pub(super) threads: usize,
    /// How often each length is transcribed
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) rounds: usize,
    /// Sound to transcribe, as 16-bit WAV with one channel [default: what the runtime speaks]
    #[arg(long, value_name = "FILE")]
    pub(super) audio: Option<Utf8PathBuf>,
}

/// How many threads each of them uses.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(4))
}

/// Runs the subcommand.
pub fn run(arguments: &Arguments) -> Result<Report> {
    let runtime = camino::absolute_utf8(&arguments.runtime)?;
    let head = verify::read(&runtime)?.head;
    let threads = arguments.threads.to_string();
    let start = |backend: &str, more: &[&str]| -> Result<Listener> {
        let mut service = Service::start_with(&runtime, &head, |command| {
            command.args(["--stt-backend", backend]).args(more).env("WHISPER__CPU_THREADS", &threads);
        })?;
        let base = service.wait()?;
        Ok(Listener { service, base, client: http::loopback()?, model: model(&head)?.to_owned() })
    };
    let whispercpp = start("whispercpp", &[])?;
    let faster_whisper = start("faster-whisper", &["--stt-device", "cpu"])?;
    let (sound, rate) = match &arguments.audio {
        Some(path) => read_wav(path)?,
        None => (whispercpp.speak(&head)?, RATE),
    };

    // The first request loads the model.
    let clip = wav(&repeat(&sound, rate, 2), rate);
    let texts = [whispercpp.transcribe(&clip)?, faster_whisper.transcribe(&clip)?];
    let mut report = Report::new(format!("whisper.cpp, {}", whispercpp.device()?));
    let theirs = format!("faster-whisper, cpu, {} threads", arguments.threads);
    let contest = |title: String, clip: &[u8], clients: usize| -> Result<Comparison> {
        let mut both = [
            Contestant::new(&report.ours, || timed(|| whispercpp.crowd(clip, clients))),
            Contestant::new(&theirs, || timed(|| faster_whisper.crowd(clip, clients))),
        ];
        contest::alternate(&mut both, arguments.rounds)?;
        Ok(contest::compare_times(title, &both))
    };
    let mut comparisons = Vec::new();
    for seconds in &arguments.seconds {
        let clip = wav(&repeat(&sound, rate, *seconds), rate);
        comparisons.push(contest(format!("{seconds} s of sound"), &clip, 1)?);
    }
    let shortest = arguments.seconds.iter().min().copied().context("`--seconds` names no length")?;
    let clip = wav(&repeat(&sound, rate, shortest), rate);
    for clients in CROWDS {
        comparisons.push(contest(format!("{clients} at once, {shortest} s each"), &clip, clients)?);
    }
    report.comparisons = comparisons;
    for (name, text) in ["whisper.cpp", "faster-whisper"].into_iter().zip(texts) {
        report.notes.push(format!("{name} hears {text:?}"));
    }
    Ok(report)
}

/// Why a runtime cannot take part, if it cannot.
pub fn lacks(runtime: &Utf8Path) -> Result<Option<String>> {
    let head = verify::read(runtime)?.head;
    Ok(match model(&head) {
        Err(error) => Some(format!("{error:#}")),
        Ok(model) if !head.models.iter().any(|weights| weights.serves.iter().any(|served| served == model)) => {
            Some(format!("the runtime has no GGML weights for {model}; docs/transcription.md says how to get them"))
        }
        Ok(_) => None,
    })
}

fn model(head: &Head) -> Result<&str> {
    let missing = || {
        Failure::new(Exit::Config, "the runtime has no Whisper model")
            .hint("provision it with one and with its GGML weights; docs/transcription.md says how")
    };
    Ok(head.served_for("automatic-speech-recognition").ok_or_else(missing)?.id.as_str())
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
        let response = response.timeout(Duration::from_secs(3600)).send()?;
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

    /// Samples of something that the runtime says.
    fn speak(&self, head: &Head) -> Result<Vec<u8>> {
        let missing = || {
            Failure::new(Exit::Config, "the runtime has no model that speaks").hint("give it a sound with `--audio`")
        };
        let speaker = head.served_for("text-to-speech").ok_or_else(missing)?;
        let body = json!({
            "model": speaker.id, "voice": speaker.voice, "input": SENTENCE, "response_format": "pcm"
        });
        let response = self.client.post(format!("{}/v1/audio/speech", self.base)).json(&body).send()?;
        Ok(response.error_for_status()?.bytes()?.to_vec())
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

/// Sound with half a second of silence after it, as often as it takes for a length in seconds.
fn repeat(sound: &[u8], rate: u32, seconds: u32) -> Vec<u8> {
    let pause = vec![0; rate as usize];
    let length = (rate * seconds) as usize * 2;
    sound.iter().chain(&pause).copied().cycle().take(length).collect()
}

/// A WAV file of 16-bit samples of one channel.
fn wav(samples: &[u8], rate: u32) -> Vec<u8> {
    let size = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(samples.len() + 44);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&size.saturating_add(36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(rate * 2).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&size.to_le_bytes());
    file.extend_from_slice(samples);
    file
}

/// Samples and their rate.
fn read_wav(path: &Utf8PathBuf) -> Result<(Vec<u8>, u32)> {
    let file = fs_err::read(path)?;
    parse_wav(&file).ok_or_else(|| {
        Failure::new(Exit::Data, format!("`{path}` is no WAV file of 16-bit samples of one channel"))
            .hint("`ffmpeg -i FILE -ac 1 -c:a pcm_s16le OUT.wav` makes one")
            .into()
    })
}

fn parse_wav(file: &[u8]) -> Option<(Vec<u8>, u32)> {
    let number = |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?));
    if file.get(..4)? != b"RIFF" || file.get(8..12)? != b"WAVE" {
        return None;
    }
    let (mut at, mut rate) = (12, None);
    loop {
        let (name, size) = (file.get(at..at + 4)?, number(at + 4)? as usize);
        let start = at + 8;
        match name {
            // Format 1 (PCM), 1 channel, and 16 bits at the end.
            b"fmt "
                if file.get(start..start + 4)? == b"\x01\0\x01\0" && file.get(start + 14..start + 16)? == b"\x10\0" =>
            {
                rate = number(start + 4);
            }
            b"fmt " => return None,
            b"data" => {
                let end = start.saturating_add(size).min(file.len());
                return Some((file[start..end].to_vec(), rate?)).filter(|(samples, _)| !samples.is_empty());
            }
            _ => {}
        }
        at = start + size + size % 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_round_trips_and_others_are_refused() {
        let samples = [1, 2, 3, 4];
        let file = wav(&samples, 16_000);
        assert_eq!(parse_wav(&file), Some((samples.to_vec(), 16_000)));
        let mut with_more = file[..36].to_vec();
        with_more.extend_from_slice(b"LIST\x03\0\0\0abc\0");
        with_more.extend_from_slice(&file[36..]);
        assert_eq!(parse_wav(&with_more), Some((samples.to_vec(), 16_000)));
        let mut stereo = file.clone();
        stereo[22] = 2;
        for bad in [&b""[..], b"RIFF", &file[..40], &file[..44], &stereo] {
            assert_eq!(parse_wav(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn sound_is_repeated_with_pauses_up_to_its_length() {
        let sound = repeat(&[7; 10], 10, 2);
        assert_eq!(sound.len(), 40);
        assert_eq!(sound[..10], [7; 10]);
        assert_eq!(sound[10..20], [0; 10]);
        assert_eq!(sound[20..30], [7; 10]);
    }
}
