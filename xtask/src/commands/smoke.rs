//! `cargo xtask smoke`: starts a runtime on this machine, lets it speak and transcribe, and stops it.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use reqwest::blocking::Client;
use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};
use speaches_format::description::RuntimeInfo;
use speaches_format::layout::Family;

use crate::base::failure::{Exit, Failure};
use crate::base::program;
use crate::base::quantity::{human_size, pluralize};
use crate::net::http;
use crate::report;
use crate::runtime::verify;
use crate::work::WorkDirectory;

pub const SENTENCE: &str = "The quick brown fox jumps over the lazy dog.";
/// The service's log file, beside its state.
const LOG: &str = "log";
/// How long a cold machine may take to answer for the first time.
const START: Duration = Duration::from_secs(120);
/// How long a stop may take: Harbor kills after ten seconds.
const STOP: Duration = Duration::from_secs(10);

/// Start a runtime, speak, transcribe what was spoken, and stop it
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of the runtime
    runtime: Utf8PathBuf,
    /// Keep what was spoken in this file (WAV)
    #[arg(long, value_name = "FILE")]
    keep: Option<Utf8PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let outcome = smoke(&arguments.runtime, SENTENCE)?;
    if let Some(keep) = &arguments.keep {
        fs_err::write(keep, &outcome.speech)?;
    }
    Ok(())
}

pub struct Outcome {
    pub speech: Vec<u8>,
    /// The transcription of it; `None` when the runtime has no models.
    pub heard: Option<String>,
}

/// Whether a runtime for another system runs on this one all the same: under Rosetta or qemu.
fn runs_here(runtime: &Utf8Path, info: &RuntimeInfo) -> bool {
    let launcher = runtime.join(Family::of(&info.target).launcher());
    program::output(Command::new(launcher).arg("--version")).is_ok_and(|output| output.status.success())
}

/// Goes through all steps and prints a line for each.
pub fn smoke(runtime: &Utf8Path, sentence: &str) -> Result<Outcome> {
    let runtime = camino::absolute_utf8(runtime)?;
    let info = verify::read(&runtime)?.info;
    if info.target != crate::base::host::triple() && !runs_here(&runtime, &info) {
        bail!(Failure::new(
            Exit::Config,
            format!("`{runtime}` is for {}, and this is {}", info.target, crate::base::host::triple())
        ));
    }
    let mut steps = Steps { started: Instant::now() };
    let waiting = report::for_stderr().step("Starting", "the service");
    let mut service = Service::start(&runtime, &info)?;
    let base = service.wait()?;
    waiting.finish();
    let label = info.name.label().map(|label| format!(" ({label})")).unwrap_or_default();
    steps.done("Answers", &format!("at {base}{label}"))?;

    let client = http::loopback(START)?;
    let models: Value = get(&client, &format!("{base}/v1/models"))?.json()?;
    let listed =
        models["data"].as_array().into_iter().flatten().filter_map(|model| model["id"].as_str()).collect::<Vec<_>>();
    for model in info.served() {
        if !listed.contains(&model.id.as_str()) {
            bail!(broken(&format!("`/v1/models` does not list the bundled model `{}`, only {listed:?}", model.id)));
        }
    }
    let bundled = info.served().count();
    steps.done("Lists", &format!("{}, all {bundled} bundled ones among them,", pluralize(listed.len(), "model")))?;

    let mut outcome = Outcome { speech: Vec::new(), heard: None };
    if let Some(speaker) = info.served_for("text-to-speech") {
        let voice = speaker.voice.as_deref().unwrap_or("af_bella");
        for format in ["pcm", "mp3", "wav"] {
            let body = json!({ "model": speaker.id, "voice": voice, "input": sentence, "response_format": format });
            let waiting = report::for_stderr().step("Speaking", format);
            let response = http::send(client.post(format!("{base}/v1/audio/speech")).json(&body))?;
            outcome.speech = expect_success(response)?.bytes()?.to_vec();
            check_audio(format, &outcome.speech)?;
            waiting.finish();
            steps.done("Speaks", &format!("{} of {format}", human_size(outcome.speech.len() as u64)))?;
        }
        if let Some(listener) = info.served_for("automatic-speech-recognition") {
            let part = Part::bytes(outcome.speech.clone()).file_name("speech.wav").mime_str("audio/wav")?;
            let form = Form::new().text("model", listener.id.clone()).part("file", part);
            let waiting = report::for_stderr().step("Listening", "to it");
            let response = http::send(client.post(format!("{base}/v1/audio/transcriptions")).multipart(form))?;
            let answer: Value = expect_success(response)?.json()?;
            waiting.finish();
            let heard = answer["text"].as_str().map(str::trim).unwrap_or_default().to_owned();
            if !understood(sentence, &heard) {
                bail!(broken(&format!("the service said \"{sentence}\", but heard \"{heard}\"")));
            }
            steps.done("Hears", &format!("\"{heard}\""))?;
            outcome.heard = Some(heard);
        }
    } else {
        report::result("Speaks", "nothing and transcribes nothing: no text-to-speech model is bundled")?;
    }
    service.stop()?;
    steps.done("Stops", "on request with exit code 0")?;
    Ok(outcome)
}

/// Whether the transcription has at least 7 of 9 spoken words, in their order.
pub fn understood(said: &str, heard: &str) -> bool {
    let (right, all) = words_heard(said, heard);
    right * 9 >= all * 7
}

/// The number of spoken words that the transcription has in their order, and the number of spoken words.
pub fn words_heard(said: &str, heard: &str) -> (usize, usize) {
    let (said, heard) = (words(said), words(heard));
    // The longest common subsequence, by rows.
    let mut common = vec![0; heard.len() + 1];
    for word in &said {
        let mut diagonal = 0;
        for (at, other) in heard.iter().enumerate() {
            let above = common[at + 1];
            common[at + 1] = if word == other { diagonal + 1 } else { above.max(common[at]) };
            diagonal = above;
        }
    }
    (common[heard.len()], said.len())
}

/// In lower case, without punctuation.
fn words(text: &str) -> Vec<String> {
    let bare = |word: &str| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    text.split_whitespace().map(bare).filter(|word: &String| !word.is_empty()).collect()
}

struct Steps {
    started: Instant,
}

impl Steps {
    fn done(&mut self, did: &str, what: &str) -> std::io::Result<()> {
        let took = self.started.elapsed().as_secs_f32();
        self.started = Instant::now();
        report::result(did, &format!("{what} in {took:.2} s"))
    }
}

fn broken(what: &str) -> Failure {
    Failure::new(Exit::Unavailable, what).hint("the service's own log is above")
}

fn get(client: &Client, url: &str) -> Result<reqwest::blocking::Response> {
    expect_success(http::send(client.get(url))?)
}

fn expect_success(response: reqwest::blocking::Response) -> Result<reqwest::blocking::Response> {
    let (status, url) = (response.status(), response.url().clone());
    if status.is_success() {
        return Ok(response);
    }
    bail!(broken(&format!("`{}` answers {status}: {}", url.path(), response.text().unwrap_or_default())))
}

/// Whether bytes are what their format begins with, and last a while.
fn check_audio(format: &str, bytes: &[u8]) -> Result<()> {
    let right = match format {
        "wav" => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE"),
        "mp3" => {
            bytes.starts_with(b"ID3")
                || (bytes.first() == Some(&0xff) && bytes.get(1).is_some_and(|byte| byte & 0xe0 == 0xe0))
        }
        // 16-bit samples, not all of them silence.
        _ => bytes.len().is_multiple_of(2) && bytes.iter().any(|byte| *byte != 0),
    };
    if !right || bytes.len() < 1000 {
        bail!(broken(&format!("the speech is not {format}: {} bytes", bytes.len())));
    }
    Ok(())
}

/// The status of a service, from its state directory.
fn status(state: &Utf8Path) -> Option<Value> {
    serde_json::from_slice(&fs_err::read(state.join("status.json")).ok()?).ok()
}

/// Whether the service with this state directory has done all that it does at its start.
pub fn is_ready(state: &Utf8Path) -> bool {
    status(state).is_some_and(|status| status["phase"] == "ready" || status["phase"] == "degraded")
}

/// A running service, ended with the value if not before.
pub struct Service {
    child: Child,
    state: WorkDirectory,
}

impl Service {
    /// Starts it on a free port, without the user's environment: a runtime needs nothing of it.
    pub fn start(runtime: &Utf8Path, info: &RuntimeInfo) -> Result<Self> {
        Self::start_with(runtime, info, |_| {})
    }

    /// Starts it with more in its command line or environment.
    pub fn start_with(runtime: &Utf8Path, info: &RuntimeInfo, more: impl FnOnce(&mut Command)) -> Result<Self> {
        let state = WorkDirectory::new_in(&Utf8PathBuf::try_from(std::env::temp_dir())?)?;
        // A pipe without a reader would fill up and block the service.
        let log = fs_err::File::create(state.path().join(LOG))?;
        let launcher = runtime.join(Family::of(&info.target).launcher());
        let mut command = Command::new(&launcher);
        command
            .args(["serve", "--host", "127.0.0.1", "--port", "0", "--state-dir", state.path().as_str()])
            // Bundled models are linked into the cache, and that of the user is none of our business.
            .args(["--hf-cache", state.path().join("cache").as_str()])
            .env_clear()
            // Windows starts no program without SYSTEMROOT; qemu finds the libraries of another system by the other
            // variable.
            .envs(["SYSTEMROOT", "QEMU_LD_PREFIX"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.into_parts().0);
        more(&mut command);
        tracing::info!("starts {}", program::display(&command));
        let child = command.spawn().with_context(|| format!("cannot start `{launcher}`"))?;
        Ok(Self { child, state })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it answers, and returns where.
    pub fn wait(&mut self) -> Result<String> {
        let client = http::loopback(START)?;
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(Failure::new(
                    Exit::Unavailable,
                    format!("the service ended with {status} before it answered:\n{}", self.log())
                ));
            }
            if let Some(base) = self.address()
                && http::send(client.get(format!("{base}/health"))).is_ok_and(|response| response.status().is_success())
            {
                return Ok(base);
            }
            if started.elapsed() > START {
                let _ = self.child.kill();
                bail!(Failure::new(
                    Exit::Unavailable,
                    format!("the service does not answer after {START:?}:\n{}", self.log())
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until its models are loaded and nothing is prepared in the background any more.
    pub fn wait_until_ready(&mut self) -> Result<String> {
        let base = self.wait()?;
        let started = Instant::now();
        while !is_ready(self.state.path()) {
            if started.elapsed() > START {
                bail!(broken(&format!("the service is not ready after {START:?}:\n{}", self.log())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(base)
    }

    fn address(&self) -> Option<String> {
        let state = status(self.state.path())?;
        Some(format!("http://127.0.0.1:{}", state["port"].as_u64().filter(|port| *port != 0)?))
    }

    pub fn log(&self) -> String {
        fs_err::read(self.state.path().join(LOG))
            .map_or_else(|error| error.to_string(), |text| String::from_utf8_lossy(&text).into_owned())
    }

    /// Asks it to stop, as Harbor does.
    pub fn stop(&mut self) -> Result<()> {
        terminate(&mut self.child)?;
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                // Windows has no way to ask, so there it was ended.
                if cfg!(unix) && status.code() != Some(0) {
                    bail!(Failure::new(
                        Exit::Unavailable,
                        format!("the service ended with {status} when asked to stop:\n{}", self.log())
                    ));
                }
                return Ok(());
            }
            if asked.elapsed() > STOP {
                let _ = self.child.kill();
                bail!(Failure::new(Exit::Unavailable, format!("the service does not stop within {STOP:?}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[cfg(unix)]
fn terminate(child: &mut Child) -> Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).context("no pid")?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).context("cannot stop the service")
}

#[cfg(not(unix))]
fn terminate(child: &mut Child) -> Result<()> {
    child.kill().context("cannot stop the service")
}

impl Drop for Service {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = terminate(&mut self.child);
            std::thread::sleep(Duration::from_millis(200));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_of_nine_words_in_their_order_are_understood() {
        for heard in [
            SENTENCE,
            "the quick, brown fox - jumps over the lazy dog",
            "The quick brown fox jumped over a lazy dog!",
            "Well, the quick brown fox jumps over lazy dog. Thank you.",
        ] {
            assert!(understood(SENTENCE, heard), "{heard}");
        }
        for heard in [
            "",
            "Thank you.",
            "The quick brown fox jumps over.",
            "The quick brown box jumped over a lazy dog.",
            "Dog lazy the over jumps fox brown quick the.",
        ] {
            assert!(!understood(SENTENCE, heard), "{heard}");
        }
    }
}
