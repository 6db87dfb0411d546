//! Two servers of the same models: a runtime, and upstream in its own environment, started as its documentation says.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use speaches_format::description::RuntimeInfo;
use speaches_format::layout;
use xtask::bench_api::{Exit, Failure, WorkDirectory, is_ready, output, read_description};

use crate::client::{Client, TIMEOUT};
use crate::process::version_of;
use crate::report::Report;
use crate::sound::{MORE, PARAGRAPH};

/// Compiles what upstream consists of, as its image does (`uv sync --compile-bytecode`).
const COMPILE: &str = "import compileall, sys, sysconfig
for directory in (sysconfig.get_path('purelib'), sys.argv[1]):
    compileall.compile_dir(directory, quiet=2, workers=0)";

/// Both servers, before they are started.
#[derive(Args)]
pub struct ServerArgs {
    /// The directory of the runtime, with models
    runtime: Utf8PathBuf,
    /// The interpreter of an environment in which upstream is installed (`uv sync` of its checkout)
    #[arg(long, value_name = "PATH", requires = "upstream_source")]
    upstream_python: Option<Utf8PathBuf>,
    /// The checkout of upstream
    #[arg(long, value_name = "DIR", requires = "upstream_python")]
    upstream_source: Option<Utf8PathBuf>,
    /// The bundled model that transcribes [default: the first one]
    #[arg(long, value_name = "ID")]
    stt_model: Option<String>,
}

impl ServerArgs {
    pub fn has_upstream(&self) -> bool {
        self.upstream_python.is_some()
    }
}

struct Upstream {
    python: Utf8PathBuf,
    source: Utf8PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    Ours,
    Upstream,
}

impl ServerKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "this runtime",
            Self::Upstream => "upstream",
        }
    }
}

pub struct Servers {
    pub runtime: Utf8PathBuf,
    pub info: RuntimeInfo,
    upstream: Option<Upstream>,
    stt_model: Option<String>,
    /// The home directory of both servers, kept from one start to the next, as a user's is.
    home: WorkDirectory,
}

impl Servers {
    pub fn new(arguments: &ServerArgs) -> Result<Self> {
        let runtime = camino::absolute_utf8(&arguments.runtime)?;
        let home = WorkDirectory::new_in(Utf8Path::from_path(&std::env::temp_dir()).context("a path in UTF-8")?)?;
        let info = read_description(&runtime)?.info;
        let upstream = match arguments.upstream_python.as_ref().zip(arguments.upstream_source.as_ref()) {
            Some((python, source)) => {
                let (python, source) = (camino::absolute_utf8(python)?, camino::absolute_utf8(source)?);
                Some(Upstream { python, source })
            }
            None => None,
        };
        Ok(Self { runtime, info, upstream, stt_model: arguments.stt_model.clone(), home })
    }

    /// The available servers, ours first.
    pub fn kinds(&self) -> &'static [ServerKind] {
        if self.upstream.is_some() { &[ServerKind::Ours, ServerKind::Upstream] } else { &[ServerKind::Ours] }
    }

    /// A report about them, with upstream's version, or why it is missing.
    pub fn report(&self) -> Report {
        let mut report = Report::new(ServerKind::Ours.name());
        let Some(upstream) = &self.upstream else {
            report.skip(ServerKind::Upstream.name(), "`--upstream-python` and `--upstream-source` are not set");
            return report;
        };
        let ask = |command: &mut Command| {
            let answer = output(command, b"").ok().filter(|answer| answer.status.success());
            answer.map_or_else(
                || "unknown".to_owned(),
                |answer| String::from_utf8_lossy(&answer.stdout).trim().to_owned(),
            )
        };
        let commit = ask(Command::new("git").args(["-C", upstream.source.as_str(), "rev-parse", "HEAD"]));
        let python = version_of(Command::new(&upstream.python).arg("--version")).unwrap_or_default();
        report.versions.insert("upstream".to_owned(), format!("commit {commit} with Python {python}"));
        report
    }

    pub fn client(&self, base: &str) -> Result<Client> {
        Client::new(base, &self.info, self.stt_model.as_deref())
    }

    /// A minute of speech and more: 16-bit samples of what the runtime says, before anything is measured. It is also the
    /// first start, at which it prepares what later ones find.
    pub fn recording(&self) -> Result<Vec<u8>> {
        self.start_ready(ServerKind::Ours, |_| {})?.client.speak(&format!("{PARAGRAPH} {MORE}"), "pcm")
    }

    /// Upstream's interpreter, which finds bytecode of all that it imports. Where this process may not write any
    /// (`PYTHONDONTWRITEBYTECODE`), upstream would compile itself at every start, which more than doubles its time.
    fn interpreter_of(&self, upstream: &Upstream) -> Result<Command> {
        let bytecode = self.home.path().join("upstream-bytecode");
        let interpreter = || {
            let mut command = Command::new(&upstream.python);
            command.env("PYTHONPYCACHEPREFIX", &bytecode).env_remove("PYTHONDONTWRITEBYTECODE");
            command
        };
        if !bytecode.exists() {
            eprintln!("compiling upstream");
            let source = upstream.source.join("src");
            // Files that are templates or for another Python do not compile, and nothing imports them.
            output(interpreter().args(["-W", "ignore", "-c", COMPILE, source.as_str()]), b"")
                .with_context(|| format!("cannot start `{}`", upstream.python))?;
        }
        Ok(interpreter())
    }

    /// Starts one, and waits until it has done all that it does at its start.
    pub fn start_ready(&self, kind: ServerKind, change: impl FnOnce(&mut Command)) -> Result<Running> {
        eprintln!("starting {}", kind.name());
        let mut running = self.start(kind, change)?;
        running.wait_until_ready()?;
        Ok(running)
    }

    /// Starts one, without waiting for anything. `change` may add to its environment.
    pub fn start(&self, kind: ServerKind, change: impl FnOnce(&mut Command)) -> Result<Running> {
        // The port of a listener that is closed again.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let state = self.home.path().join("state");
        let mut command = match (kind, &self.upstream) {
            (ServerKind::Upstream, Some(upstream)) => {
                let mut command = self.interpreter_of(upstream)?;
                command
                    .args(["-m", "uvicorn", "--factory", "speaches.main:create_app", "--host", "127.0.0.1"])
                    .current_dir(&upstream.source)
                    .envs([("UVICORN_HOST", "127.0.0.1"), ("UVICORN_PORT", &port.to_string()), ("LOG_LEVEL", "info")]);
                command
            }
            _ => {
                let mut command = Command::new(self.runtime.join("bin/speaches"));
                command.args(["serve", "--host", "127.0.0.1", "--state-dir", state.as_str()]);
                command.args(["--hf-cache", self.home.path().join("hub").as_str()]);
                command.env("XDG_CACHE_HOME", self.home.path().join("cache"));
                command
            }
        };
        command
            .args(["--port", &port.to_string()])
            .env("HF_HUB_CACHE", self.runtime.join(layout::MODELS_HUB))
            // Upstream asks the hub at every load otherwise, which takes as long as the network does.
            .envs([("HF_HUB_OFFLINE", "1"), ("DO_NOT_TRACK", "1"), ("GRADIO_ANALYTICS_ENABLED", "False")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        change(&mut command);
        let client = self.client(&format!("http://127.0.0.1:{port}"))?;
        let begun = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", kind.name()))?;
        Ok(Running { kind, child, port, begun, state, client })
    }
}

/// A server that ends with the measurement.
pub struct Running {
    pub kind: ServerKind,
    child: Child,
    pub port: u16,
    pub begun: Instant,
    state: Utf8PathBuf,
    pub client: Client,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn wait_until_healthy(&mut self) -> Result<()> {
        self.wait_for(|running| running.client.get("/health").send().is_ok_and(|answer| answer.status() == 200))
    }

    /// Upstream has no more than `/health`.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        self.wait_until_healthy()?;
        self.wait_for(|running| running.kind == ServerKind::Upstream || is_ready(&running.state))
    }

    pub fn wait_for(&mut self, there: impl Fn(&Self) -> bool) -> Result<()> {
        while !there(self) {
            let name = self.kind.name();
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    Failure::new(Exit::Unavailable, format!("{name} ended with {status} before it answered"))
                        .hint("start it by hand to see the reason")
                );
            }
            if self.begun.elapsed() > TIMEOUT {
                bail!(Failure::new(Exit::Unavailable, format!("{name} does not answer after {TIMEOUT:?}")));
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
