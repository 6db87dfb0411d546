//! `cargo xtask bench start`: how soon a runtime serves, and with how much memory, beside upstream's own way to start.
//!
//! Both serve the bundled models of the runtime, with the user interface on. Every round starts each of them once.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use reqwest::blocking::Client;
use reqwest::blocking::multipart::{Form, Part};
use serde_json::json;
use speaches_launcher::layout;
use speaches_launcher::runtime::Head;

use super::child::resident;
use crate::failure::{Exit, Failure};
use crate::http;
use crate::interrupt::WorkDirectory;
use crate::plan::human_size;
use crate::runtime::verify;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Start a runtime beside upstream, and compare time, memory and the first requests
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of the runtime, with models
    runtime: Utf8PathBuf,
    /// The interpreter of an environment in which upstream is installed (`uv sync` of its checkout)
    #[arg(long, value_name = "PATH")]
    upstream_python: Utf8PathBuf,
    /// The checkout of upstream
    #[arg(long, value_name = "DIR")]
    upstream_source: Utf8PathBuf,
    /// How often each one starts
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
}

/// What a start looks like from outside.
#[derive(Clone, Copy, Default)]
struct Measured {
    /// From exec to the first connection that succeeds, in seconds.
    accepts: f64,
    /// From exec to the first 200 of `/health`, in seconds.
    healthy: f64,
    /// Resident memory then, in bytes.
    memory: f64,
    /// Of the first transcription after that, or after it is ready, in seconds.
    first: f64,
    /// Of the second one, in seconds.
    second: f64,
}

/// A figure of a start.
type Figure = fn(&Measured) -> f64;

const ROWS: [(&str, Figure); 5] = [
    ("port accepts", |measured| measured.accepts),
    ("/health answers 200", |measured| measured.healthy),
    ("memory then", |measured| measured.memory),
    ("first transcription, once ready", |measured| measured.first),
    ("second transcription", |measured| measured.second),
];

/// Runs the subcommand.
pub fn run(arguments: &Arguments) -> Result<()> {
    let runtime = camino::absolute_utf8(&arguments.runtime)?;
    let head = verify::read(&runtime)?.head;
    let bench = Bench { arguments, runtime, head, client: http::loopback()? };
    let speech = bench.speech()?;
    let (mut ours, mut upstream) = (Vec::new(), Vec::new());
    for round in 0..arguments.rounds {
        // Who is first changes, since the first one finds the colder machine.
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                ours.push(bench.measure("this runtime", &speech, || bench.ours(), true)?);
            } else {
                upstream.push(bench.measure("upstream", &speech, || bench.upstream(), false)?);
            }
        }
    }
    let mut text = format!("{:<34} {:>12} {:>12}   {}\n", "median", "this runtime", "upstream", "ours / theirs");
    for (name, value) in ROWS {
        let (ours, theirs) = (median(&ours, value), median(&upstream, value));
        let shown = |number: f64| {
            if name.starts_with("memory") { human_size(number as u64) } else { format!("{:.0} ms", number * 1000.0) }
        };
        text.push_str(&format!("{name:<34} {:>12} {:>12}   {:.2}\n", shown(ours), shown(theirs), ours / theirs));
    }
    super::super::print(&text)?;
    Ok(())
}

fn median(all: &[Measured], value: Figure) -> f64 {
    let mut values = all.iter().map(value).collect::<Vec<_>>();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Bench<'a> {
    arguments: &'a Arguments,
    runtime: Utf8PathBuf,
    head: Head,
    client: Client,
}

impl Bench<'_> {
    fn model(&self, task: &str) -> Result<&str> {
        let found = self.head.served_for(task);
        let missing = || {
            Failure::new(Exit::Config, format!("`{}` has no model for {task}", self.runtime))
                .hint("provision it without `--models none`")
        };
        Ok(found.ok_or_else(missing)?.id.as_str())
    }

    /// A free port: that of a listener that is closed again.
    fn port() -> Result<u16> {
        Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
    }

    fn ours(&self) -> Result<(Command, u16, WorkDirectory)> {
        let port = Self::port()?;
        let state = WorkDirectory::new_in(Utf8Path::from_path(&std::env::temp_dir()).context("a path in UTF-8")?)?;
        let mut command = Command::new(self.runtime.join("bin/speaches"));
        command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--state-dir", state.path().as_str(), "--hf-cache", state.path().join("cache").as_str()]);
        Ok((command, port, state))
    }

    fn upstream(&self) -> Result<(Command, u16, WorkDirectory)> {
        let port = Self::port()?;
        let state = WorkDirectory::new_in(Utf8Path::from_path(&std::env::temp_dir()).context("a path in UTF-8")?)?;
        let mut command = Command::new(camino::absolute_utf8(&self.arguments.upstream_python)?);
        command
            .args(["-m", "uvicorn", "--factory", "speaches.main:create_app", "--host", "127.0.0.1"])
            .args(["--port", &port.to_string()])
            .current_dir(&self.arguments.upstream_source)
            .envs([("UVICORN_HOST", "127.0.0.1"), ("UVICORN_PORT", &port.to_string()), ("LOG_LEVEL", "info")]);
        Ok((command, port, state))
    }

    /// Starts one, asks it, and stops it.
    fn measure(
        &self,
        name: &str,
        speech: &[u8],
        prepare: impl Fn() -> Result<(Command, u16, WorkDirectory)>,
        says_when_ready: bool,
    ) -> Result<Measured> {
        eprint!("{name} … ");
        let (mut command, port, _state) = prepare()?;
        command
            .env("HF_HUB_CACHE", self.runtime.join(layout::MODELS_HUB))
            // Upstream asks the hub at every load otherwise, which takes as long as the network does.
            .envs([("HF_HUB_OFFLINE", "1"), ("DO_NOT_TRACK", "1"), ("GRADIO_ANALYTICS_ENABLED", "False")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut measured = Measured::default();
        let begun = Instant::now();
        let mut child = Running(command.spawn().with_context(|| format!("cannot start {name}"))?);
        child.wait_for(name, begun, || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        measured.accepts = begun.elapsed().as_secs_f64();
        let base = format!("http://127.0.0.1:{port}");
        let answers = |path: &str| self.client.get(format!("{base}{path}")).send().is_ok_and(|it| it.status() == 200);
        child.wait_for(name, begun, || answers("/health"))?;
        measured.healthy = begun.elapsed().as_secs_f64();
        measured.memory = resident(child.0.id())? as f64;
        if says_when_ready {
            child.wait_for(name, begun, || answers("/health/ready"))?;
        }
        measured.first = self.transcribe(&base, speech)?;
        measured.second = self.transcribe(&base, speech)?;
        eprintln!("{:.2} s, {}", measured.healthy, human_size(measured.memory as u64));
        Ok(measured)
    }

    /// How long a transcription takes, in seconds.
    fn transcribe(&self, base: &str, speech: &[u8]) -> Result<f64> {
        let part = Part::bytes(speech.to_vec()).file_name("speech.wav").mime_str("audio/wav")?;
        let model = self.model("automatic-speech-recognition")?.to_owned();
        let form = Form::new().text("model", model).part("file", part);
        let begun = Instant::now();
        let response = self.client.post(format!("{base}/v1/audio/transcriptions")).multipart(form).send()?;
        let status = response.status();
        let text = response.text()?;
        if !status.is_success() {
            bail!(Failure::new(Exit::Unavailable, format!("a transcription is answered with {status}: {text}")));
        }
        Ok(begun.elapsed().as_secs_f64())
    }

    /// Something to transcribe, spoken by the runtime before the measurement.
    fn speech(&self) -> Result<Vec<u8>> {
        let model = self.model("text-to-speech")?;
        let voice = self.head.models.iter().find_map(|model| model.voice.clone()).unwrap_or_default();
        let (mut command, port, _state) = self.ours()?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = Running(command.spawn().context("cannot start the runtime")?);
        let base = format!("http://127.0.0.1:{port}");
        let health = format!("{base}/health");
        child.wait_for("this runtime", Instant::now(), || self.client.get(&health).send().is_ok())?;
        let body = json!({
            "model": model, "voice": voice, "input": super::super::smoke::SENTENCE, "response_format": "wav"
        });
        let response = self.client.post(format!("{base}/v1/audio/speech")).json(&body).send()?;
        Ok(response.error_for_status()?.bytes()?.to_vec())
    }
}

/// A server that ends with the measurement.
struct Running(Child);

impl Running {
    fn wait_for(&mut self, name: &str, begun: Instant, there: impl Fn() -> bool) -> Result<()> {
        while !there() {
            if let Some(status) = self.0.try_wait()? {
                bail!(
                    Failure::new(Exit::Unavailable, format!("{name} ended with {status} before it answered"))
                        .hint("start it by hand to see why")
                );
            }
            if begun.elapsed() > PATIENCE {
                bail!(Failure::new(Exit::Unavailable, format!("{name} does not answer after {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
