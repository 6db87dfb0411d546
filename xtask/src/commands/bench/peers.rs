//! Two servers of the same models: a runtime, and upstream in an environment of its own, started as its documentation says.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use reqwest::blocking::Client;
use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};
use speaches_format::description::Head;
use speaches_format::layout;

use super::checkout;
use super::report::Report;
use super::texts::{MORE, PARAGRAPH};
use crate::commands::smoke;
use crate::failure::{Exit, Failure};
use crate::http;
use crate::runtime::verify;
use crate::work::WorkDirectory;

/// Compiles what upstream consists of, as its image does (`uv sync --compile-bytecode`).
const COMPILE: &str = "import compileall, sys, sysconfig
for directory in (sysconfig.get_path('purelib'), sys.argv[1]):
    compileall.compile_dir(directory, quiet=2, workers=0)";

/// How long a start may take, and an answer.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Where both are.
#[derive(Args, Debug)]
pub struct Places {
    /// The directory of the runtime, with models
    pub(super) runtime: Utf8PathBuf,
    #[command(flatten)]
    pub(super) upstream: Upstream,
}

/// Where upstream is.
#[derive(Args, Clone, Debug)]
pub struct Upstream {
    /// The interpreter of an environment in which upstream is installed (`uv sync` of its checkout)
    #[arg(long = "upstream-python", value_name = "PATH")]
    pub(super) python: Utf8PathBuf,
    /// The checkout of upstream
    #[arg(long = "upstream-source", value_name = "DIR")]
    pub(super) source: Utf8PathBuf,
}

/// What is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The runtime.
    Ours,
    /// Upstream.
    Upstream,
}

impl Who {
    /// Both, in the order in which tables show them.
    pub const ALL: [Self; 2] = [Self::Ours, Self::Upstream];

    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "this runtime",
            Self::Upstream => "upstream",
        }
    }
}

/// Both servers, before they are started.
pub struct Servers {
    runtime: Utf8PathBuf,
    upstream: Option<Upstream>,
    head: Head,
    stt_model: Option<String>,
    /// What both keep from one start to the next, as a user's does.
    home: WorkDirectory,
    /// For requests to them.
    pub client: Client,
}

impl Servers {
    /// Reads what the runtime is. Without upstream there is one server.
    pub fn new(runtime: &Utf8Path, upstream: Option<&Upstream>) -> Result<Self> {
        let runtime = camino::absolute_utf8(runtime)?;
        let upstream = match upstream {
            Some(upstream) => Some(Upstream {
                python: camino::absolute_utf8(&upstream.python)?,
                source: camino::absolute_utf8(&upstream.source)?,
            }),
            None => None,
        };
        let home = WorkDirectory::new_in(Utf8Path::from_path(&std::env::temp_dir()).context("a path in UTF-8")?)?;
        let head = verify::read(&runtime)?.head;
        Ok(Self { head, runtime, upstream, stt_model: None, home, client: http::loopback(PATIENCE)? })
    }

    /// The bundled model that is to transcribe, if somebody has named one.
    pub fn listening_with(mut self, model: Option<&str>) -> Result<Self> {
        if let Some(model) = model
            && !self.head.served().any(|served| served.id == model)
        {
            bail!(Failure::new(Exit::Config, format!("`{}` has no model `{model}`", self.runtime)));
        }
        self.stt_model = model.map(str::to_owned);
        Ok(self)
    }

    /// Those that there are, ours first.
    pub fn who(&self) -> &'static [Who] {
        if self.upstream.is_some() { &Who::ALL } else { &Who::ALL[..1] }
    }

    /// A report about them, with upstream's version, or why it is missing.
    pub fn report(&self) -> Report {
        let mut report = Report::new(Who::Ours.name());
        let Some(upstream) = &self.upstream else {
            report.lacks(Who::Upstream.name(), "`--upstream-python` and `--upstream-source` say where it is");
            return report;
        };
        let ask = "import platform, importlib.metadata as m; print(m.version('speaches'), 'Python', platform.python_version())";
        let answer = Command::new(&upstream.python).args(["-c", ask]).stdin(Stdio::null()).output();
        let version = answer.ok().filter(|answer| answer.status.success());
        let version = version.map(|answer| String::from_utf8_lossy(&answer.stdout).trim().to_owned());
        let commit = checkout::commit(&upstream.source).map(|commit| format!("commit {commit}"));
        let version = version.into_iter().chain(commit).collect::<Vec<_>>().join(", ");
        report.versions.insert("upstream".to_owned(), version);
        report
    }

    /// The bundled model for a task.
    fn model(&self, task: &str) -> Result<&str> {
        let found = self.head.served_for(task);
        let missing = || {
            Failure::new(Exit::Config, format!("`{}` has no model for {task}", self.runtime))
                .hint("provision it without `--models none`")
        };
        Ok(found.ok_or_else(missing)?.id.as_str())
    }

    /// The body of a request for speech; the format `sse` is that of events with pcm in them.
    pub fn speech_request(&self, text: &str, format: &str) -> Result<Value> {
        let id = self.model("text-to-speech")?;
        let voice = self.head.models.iter().find(|model| model.id == id).and_then(|model| model.voice.clone());
        let (format, stream) = if format == "sse" { ("pcm", "sse") } else { (format, "audio") };
        let voice = voice.unwrap_or_default();
        Ok(json!({ "model": id, "voice": voice, "input": text, "response_format": format, "stream_format": stream }))
    }

    /// Lets one speak.
    pub fn speak(&self, server: &Running, text: &str, format: &str) -> Result<Vec<u8>> {
        let request = self.client.post(server.url("/v1/audio/speech")).json(&self.speech_request(text, format)?);
        Ok(request.send()?.error_for_status()?.bytes()?.to_vec())
    }

    /// Lets one transcribe a file, and returns the text.
    pub fn transcribe(&self, server: &Running, file: &[u8]) -> Result<String> {
        let model = match &self.stt_model {
            Some(model) => model,
            None => self.model("automatic-speech-recognition")?,
        };
        let part = Part::bytes(file.to_vec()).file_name("sound.wav").mime_str("audio/wav")?;
        let form = Form::new().text("model", model.to_owned()).part("file", part);
        let response = self.client.post(server.url("/v1/audio/transcriptions")).multipart(form).send()?;
        let status = response.status();
        let answer = response.text()?;
        if !status.is_success() {
            bail!(Failure::new(Exit::Unavailable, format!("a transcription is answered with {status}: {answer}")));
        }
        let answer: Value = serde_json::from_str(&answer)?;
        Ok(answer["text"].as_str().context("the transcription has no text")?.to_owned())
    }

    /// A minute of speech and more: 16-bit samples of what the runtime says, before anything is measured. It is also the
    /// first start, at which it prepares what later ones find.
    pub fn recording(&self) -> Result<Vec<u8>> {
        let mut server = self.start(Who::Ours, |_| {})?;
        server.wait_until_ready(&self.client)?;
        self.speak(&server, &format!("{PARAGRAPH} {MORE}"), "pcm")
    }

    /// Upstream's interpreter, which finds bytecode of all that it imports. Where this process may not write any
    /// (`PYTHONDONTWRITEBYTECODE`), upstream would compile itself at every start, which more than doubles its time.
    fn interpreter_of(&self, upstream: &Upstream) -> Result<Command> {
        let bytecode = self.home.path().join("upstream-bytecode");
        let interpreter = || {
            let mut command = Command::new(&upstream.python);
            command.env("PYTHONPYCACHEPREFIX", &bytecode);
            command.env_remove("PYTHONDONTWRITEBYTECODE");
            command
        };
        if !bytecode.exists() {
            eprintln!("compiling upstream");
            let source = upstream.source.join("src");
            let mut compile = interpreter();
            compile.args(["-W", "ignore", "-c", COMPILE, source.as_str()]).stdin(Stdio::null()).stdout(Stdio::null());
            // Files that are templates or for another Python do not compile, and nothing imports them.
            compile.status().with_context(|| format!("cannot start `{}`", upstream.python))?;
        }
        Ok(interpreter())
    }

    /// Starts one, without waiting for anything. `change` may add to its environment.
    pub fn start(&self, who: Who, change: impl FnOnce(&mut Command)) -> Result<Running> {
        // That of a listener that is closed again.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let state = self.home.path().join("state");
        let mut command = match who {
            Who::Ours => {
                let mut command = Command::new(self.runtime.join("bin/speaches"));
                command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--state-dir", state.as_str(), "--hf-cache", self.home.path().join("hub").as_str()]);
                command.env("XDG_CACHE_HOME", self.home.path().join("cache"));
                command
            }
            Who::Upstream => {
                let upstream = self.upstream.as_ref().context("there is no upstream")?;
                let mut command = self.interpreter_of(upstream)?;
                command
                    .args(["-m", "uvicorn", "--factory", "speaches.main:create_app", "--host", "127.0.0.1"])
                    .args(["--port", &port.to_string()])
                    .current_dir(&upstream.source)
                    .envs([("UVICORN_HOST", "127.0.0.1"), ("UVICORN_PORT", &port.to_string()), ("LOG_LEVEL", "info")]);
                command
            }
        };
        command
            .env("HF_HUB_CACHE", self.runtime.join(layout::MODELS_HUB))
            // Upstream asks the hub at every load otherwise, which takes as long as the network does.
            .envs([("HF_HUB_OFFLINE", "1"), ("DO_NOT_TRACK", "1"), ("GRADIO_ANALYTICS_ENABLED", "False")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        change(&mut command);
        let begun = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", who.name()))?;
        Ok(Running { who, child, port, begun, state })
    }
}

/// A server that ends with the measurement.
pub struct Running {
    who: Who,
    child: Child,
    /// Where it will listen.
    pub port: u16,
    /// When it was started.
    pub begun: Instant,
    state: Utf8PathBuf,
}

impl Running {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address of one of its pages.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Waits until a page is answered with 200.
    pub fn wait_for_page(&mut self, client: &Client, path: &str) -> Result<()> {
        let url = self.url(path);
        self.wait_for(|| client.get(&url).send().is_ok_and(|answer| answer.status() == 200))
    }

    /// Waits until it has done all that it does at its start; upstream has no more than `/health`.
    pub fn wait_until_ready(&mut self, client: &Client) -> Result<()> {
        self.wait_for_page(client, "/health")?;
        if self.who == Who::Ours {
            let state = self.state.clone();
            self.wait_for(|| smoke::is_ready(&state))?;
        }
        Ok(())
    }

    /// Waits for something.
    pub fn wait_for(&mut self, there: impl Fn() -> bool) -> Result<()> {
        while !there() {
            let name = self.who.name();
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    Failure::new(Exit::Unavailable, format!("{name} ended with {status} before it answered"))
                        .hint("start it by hand to see why")
                );
            }
            if self.begun.elapsed() > PATIENCE {
                bail!(Failure::new(Exit::Unavailable, format!("{name} does not answer after {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
