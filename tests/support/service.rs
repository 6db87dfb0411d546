//! A service that runs through the real launcher, and a client for it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::{Scratch, scratch};

/// The launcher of a runtime, without the environment of the test run.
pub fn speaches(runtime: &Utf8Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(runtime.join("bin/speaches"));
    command.args(arguments).env_clear();
    command
}

/// A service that ends with its test.
pub struct Service {
    pub child: Child,
    /// Its state directory; the cache is in `cache/hub` below it.
    pub state: Scratch,
}

impl Service {
    pub fn start(runtime: &Utf8Path, change: impl FnOnce(&mut Command)) -> Self {
        let state = scratch();
        let mut command = speaches(runtime, &["serve", "--host", "127.0.0.1", "--port", "0"]);
        command.args(["--state-dir", state.path.as_str(), "--hf-cache", state.path.join("cache").as_str()]);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        change(&mut command);
        Self { child: command.spawn().unwrap(), state }
    }

    /// Waits for a phase and returns the state.
    pub fn wait_for(&mut self, phase: &str) -> serde_json::Value {
        let started = Instant::now();
        loop {
            let file = self.state.path.join("status.json");
            if let Some(state) =
                fs_err::read(&file).ok().and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok())
                && (state["phase"] == phase || (phase == "serving" && has_served(&state)))
            {
                return state;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "it never gets to the phase `{phase}`");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub fn end(&mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (status.code(), log)
    }
}

/// Whether the port answers: phases after `serving` may come before the test looks.
fn has_served(state: &serde_json::Value) -> bool {
    ["ready", "degraded"].iter().any(|phase| state["phase"] == *phase)
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body of a GET request, or status 0 without an answer.
pub fn get(url: &str) -> (u16, String) {
    ask("GET", url, None)
}

/// Status and body of a request without a body of its own, or status 0 without an answer; `key` is an API key.
pub fn ask(method: &str, url: &str, key: Option<&str>) -> (u16, String) {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let Ok(mut stream) = TcpStream::connect(address) else { return (0, String::new()) };
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = String::new();
    let key = key.map_or_else(String::new, |key| format!("Authorization: Bearer {key}\r\n"));
    let head = format!("{method} /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n");
    let asked = write!(stream, "{head}{key}\r\n");
    if asked.and_then(|()| stream.read_to_string(&mut answer)).is_err() {
        return (0, String::new());
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), body.to_owned())
}
