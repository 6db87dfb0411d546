//! Two servers of the same models: a runtime, and upstream in an environment of its own, started as its documentation says.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use reqwest::blocking::Client;
use serde_json::json;
use speaches_launcher::layout;
use speaches_launcher::runtime::Head;

use super::checkout;
use super::report::Report;
use crate::failure::{Exit, Failure};
use crate::http;
use crate::interrupt::WorkDirectory;
use crate::runtime::verify;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(180);

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
        Ok(Self { head: verify::read(&runtime)?.head, runtime, upstream, client: http::loopback()? })
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
    pub fn model(&self, task: &str) -> Result<&str> {
        let found = self.head.served_for(task);
        let missing = || {
            Failure::new(Exit::Config, format!("`{}` has no model for {task}", self.runtime))
                .hint("provision it without `--models none`")
        };
        Ok(found.ok_or_else(missing)?.id.as_str())
    }

    /// The body of a request for speech.
    pub fn speech_request(&self, text: &str, format: &str) -> Result<serde_json::Value> {
        let voice = self.head.models.iter().find_map(|model| model.voice.clone()).unwrap_or_default();
        Ok(json!({ "model": self.model("text-to-speech")?, "voice": voice, "input": text, "response_format": format }))
    }

    /// Starts one, without waiting for anything. `change` may add to its environment.
    pub fn start(&self, who: Who, change: impl FnOnce(&mut Command)) -> Result<Running> {
        // That of a listener that is closed again.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let state = WorkDirectory::new_in(Utf8Path::from_path(&std::env::temp_dir()).context("a path in UTF-8")?)?;
        let mut command = match who {
            Who::Ours => {
                let mut command = Command::new(self.runtime.join("bin/speaches"));
                command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--state-dir", state.path().as_str(), "--hf-cache", state.path().join("cache").as_str()]);
                command
            }
            Who::Upstream => {
                let upstream = self.upstream.as_ref().context("there is no upstream")?;
                let mut command = Command::new(&upstream.python);
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
        Ok(Running { who, child, port, begun, _state: state })
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
    _state: WorkDirectory,
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
