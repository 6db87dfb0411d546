//! Asking Docker, which may be absent, stopped or stuck: every question has so much time.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::child;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a container may take to start: its image may have to be fetched.
const PATIENCE_FOR_START: Duration = Duration::from_secs(600);
/// What is asked about a container.
const COLUMNS: &str = "{{.Names}}\t{{.State}}\t{{.Image}}\t{{.Command}}";
/// What the command of the proxy has before the port that it connects to.
const TARGET: &str = "tcp-connect:host.docker.internal:";

/// A container, running or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// `running`, `exited`, `restarting`, …
    pub state: String,
    /// What it was made of.
    pub image: String,
    command: String,
}

impl Container {
    fn parse(line: &str) -> Option<Self> {
        let mut columns = line.split('\t').map(|column| column.trim().to_owned());
        let mut next = || columns.next();
        Some(Self { name: next()?, state: next()?, image: next()?, command: next()? })
    }

    /// Whether it runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.state == "running"
    }

    /// Whether it is a proxy to this machine. Its command tells; the image may have lost its name to a newer one.
    #[must_use]
    pub fn is_proxy(&self) -> bool {
        self.command.contains(TARGET)
    }

    /// The port of this machine that a proxy connects to.
    #[must_use]
    pub fn target(&self) -> Option<u16> {
        let (_, rest) = self.command.split_once(TARGET)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }
}

/// What `docker ARGUMENTS` prints.
///
/// # Errors
/// Why it prints nothing, in one line.
pub fn ask(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("docker");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    match child::run(&mut command, PATIENCE) {
        Ok(Some(output)) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(Some(output)) => Err(reason(&output)),
        Ok(None) => Err(format!("nothing within {} s", PATIENCE.as_secs())),
        Err(error) if error.kind() == ErrorKind::NotFound => Err("there is no `docker` on PATH".to_owned()),
        Err(error) => Err(format!("`docker` cannot be started: {error}")),
    }
}

/// The containers that have one of these names.
///
/// # Errors
/// Why Docker does not answer, in one line.
pub fn containers(names: &[String]) -> Result<Vec<Container>, String> {
    let filters = names.iter().map(|name| format!("name={name}")).collect::<Vec<_>>();
    let mut arguments = vec!["ps", "--all", "--no-trunc", "--format", COLUMNS];
    arguments.extend(filters.iter().flat_map(|filter| ["--filter", filter]));
    let text = ask(&arguments)?;
    // N.B. the filter finds every name that has this one in it.
    Ok(text.lines().filter_map(Container::parse).filter(|container| names.contains(&container.name)).collect())
}

/// Starts one service of a compose file of Harbor's, in the user's terminal. `port` is where its proxy connects to.
///
/// # Errors
/// Why it does not start, in one line.
pub fn compose_up(file: &Path, service: &str, port: u16) -> Result<(), String> {
    let mut command = Command::new("docker");
    command.args(["compose", "-f"]).arg(file).args(["up", "-d", service]).stdin(Stdio::null());
    // Harbor gives it to compose in a file that it removes.
    command.env("HARBOR_SPEACHES_HOST_PORT", port.to_string());
    match child::run(&mut command, PATIENCE_FOR_START) {
        Ok(Some(output)) if output.status.success() => Ok(()),
        Ok(Some(output)) => Err(format!("`docker compose` failed ({})", output.status)),
        Ok(None) => Err(format!("`docker compose` was not done within {} s", PATIENCE_FOR_START.as_secs())),
        Err(error) => Err(format!("`docker` cannot be started: {error}")),
    }
}

/// The first line of what it complains about.
fn reason(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(|| output.status.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_told_by_its_command_and_says_where_it_connects_to() {
        let line = "harbor.speaches\trunning\talpine/socat:latest\t\"socat tcp-listen:8000,fork,reuseaddr \
                    tcp-connect:host.docker.internal:34332\"";
        let proxy = Container::parse(line).unwrap();
        assert!(proxy.runs() && proxy.is_proxy());
        assert_eq!((proxy.name.as_str(), proxy.target()), ("harbor.speaches", Some(34332)));
        let stock = Container::parse("harbor.speaches\texited\tghcr.io/speaches-ai/speaches:latest-cpu\t\"uvicorn x\"");
        let stock = stock.unwrap();
        assert!(!stock.runs() && !stock.is_proxy());
        assert_eq!(stock.target(), None);
        assert_eq!(Container::parse("harbor.speaches"), None);
    }
}
