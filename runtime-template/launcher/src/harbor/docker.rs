//! Asking Docker, which may be absent, stopped or stuck: every question has so much time.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::child;

const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a container may take to start: its image may have to be fetched.
const START_TIMEOUT: Duration = Duration::from_secs(600);
const COLUMNS: &str = "{{.Names}}\t{{.State}}\t{{.Image}}\t{{.Command}}";
/// The query for the Harbor that started a container. N.B. Podman's `ps` may not know such a column.
const PROJECT: &str = "{{.Name}}\t{{index .Config.Labels \"com.docker.compose.project.working_dir\"}}";
/// The part of the proxy's command before its target port.
const TARGET: &str = "tcp-connect:host.docker.internal:";

/// Why Docker does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerError {
    /// There is no Docker.
    NoProgram,
    /// This is why, in one line; mostly Docker's own.
    Other(String),
}

impl fmt::Display for DockerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProgram => f.write_str("`docker` is not on PATH"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl DockerError {
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NoProgram => "install Docker, then run this again",
            // N.B. These are Docker's words; it has no code for this.
            Self::Other(why) if why.to_lowercase().contains("permission denied") => {
                "add yourself to the group `docker` (`sudo usermod -aG docker $USER`) and log in again, then run this \
                 again"
            }
            Self::Other(_) => "start Docker, then run this again",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub name: String,
    /// `running`, `exited`, `restarting`, …
    pub state: String,
    pub image: String,
    command: String,
    /// The directory of its compose files, if its labels name one.
    project: Option<PathBuf>,
}

impl Container {
    fn parse(line: &str) -> Option<Self> {
        let mut columns = line.split('\t').map(|column| column.trim().to_owned());
        let mut next = || columns.next();
        Some(Self { name: next()?, state: next()?, image: next()?, command: next()?, project: None })
    }

    #[must_use]
    pub fn runs(&self) -> bool {
        self.state == "running"
    }

    /// The home of another Harbor that has started it; `None` if the Harbor at `home` has, or if that is unknown.
    #[must_use]
    pub fn other_harbor(&self, home: &Path) -> Option<&Path> {
        let project = self.project.as_deref()?;
        // One that is gone, or of another machine, cannot have a claim.
        let there = dunce::canonicalize(project).ok()?;
        let here = dunce::canonicalize(home).ok()?;
        (!there.starts_with(here)).then_some(project)
    }

    /// The complaint that another Harbor started it.
    #[must_use]
    pub fn belongs_to(&self, other: &Path) -> String {
        format!("`{}` belongs to the Harbor in `{}`", self.name, other.display())
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

/// Returns the output of `docker ARGUMENTS`.
pub fn ask(arguments: &[&str]) -> Result<String, DockerError> {
    let mut command = Command::new("docker");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    match child::run(&mut command, TIMEOUT) {
        Ok(Some(output)) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(Some(output)) => Err(DockerError::Other(reason(&output))),
        Ok(None) => Err(DockerError::Other(format!("nothing within {} s", TIMEOUT.as_secs()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(DockerError::NoProgram),
        Err(error) => Err(DockerError::Other(format!("`docker` cannot be started: {error}"))),
    }
}

/// The containers that have one of these names.
pub fn containers(names: &[String]) -> Result<Vec<Container>, DockerError> {
    let filters = names.iter().map(|name| format!("name={name}")).collect::<Vec<_>>();
    let mut arguments = vec!["ps", "--all", "--no-trunc", "--format", COLUMNS];
    arguments.extend(filters.iter().flat_map(|filter| ["--filter", filter]));
    let text = ask(&arguments)?;
    // N.B. the filter finds every name that has this one in it.
    let mut found = text.lines().filter_map(Container::parse).collect::<Vec<_>>();
    found.retain(|container| names.contains(&container.name));
    if !found.is_empty() {
        let mut arguments = vec!["inspect", "--type", "container", "--format", PROJECT];
        arguments.extend(found.iter().map(|container| container.name.as_str()));
        // Without an answer they are taken for those of this Harbor.
        let text = ask(&arguments).unwrap_or_default();
        for container in &mut found {
            container.project = project_of(&container.name, &text);
        }
    }
    Ok(found)
}

fn project_of(name: &str, text: &str) -> Option<PathBuf> {
    let (_, directory) = text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .find(|(named, _)| named.strip_prefix('/').unwrap_or(named) == name)?;
    Some(PathBuf::from(directory.trim())).filter(|directory| directory.is_absolute())
}

/// Starts one service of a compose file of Harbor's, in the user's terminal. `port` is where its proxy connects to.
pub fn compose_up(file: &Path, service: &str, port: u16) -> Result<(), String> {
    let mut command = Command::new("docker");
    command.args(["compose", "-f"]).arg(file).args(["up", "-d", service]).stdin(Stdio::null());
    // Harbor gives it to compose in a file that it removes.
    command.env("HARBOR_SPEACHES_HOST_PORT", port.to_string());
    match child::run(&mut command, START_TIMEOUT) {
        Ok(Some(output)) if output.status.success() => Ok(()),
        Ok(Some(output)) => Err(format!("`docker compose` failed ({})", output.status)),
        Ok(None) => Err(format!("`docker compose` did not finish within {} s", START_TIMEOUT.as_secs())),
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

    #[test]
    fn a_container_belongs_to_the_harbor_whose_compose_files_it_was_made_with() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let other = |directory: &Path| {
            let mut container = Container::parse("harbor.speaches\trunning\ta\tb").unwrap();
            container.project = project_of(&container.name, &format!("/harbor.speaches\t{}\n", directory.display()));
            container.other_harbor(ours.path()).map(Path::to_owned)
        };
        assert_eq!(other(theirs.path()).as_deref(), Some(theirs.path()));
        assert_eq!(other(ours.path()), None);
        assert_eq!(other(&ours.path().join(".")), None, "it may be written in another way");
        assert_eq!(other(&theirs.path().join("gone")), None, "it cannot claim anything");
        assert_eq!(project_of("harbor.speaches", "harbor.speaches\t<no value>\n"), None);
        assert_eq!(project_of("harbor.speaches", "/harbor.speaches\t\n/harbor.webui\t/x\n"), None);
        assert_eq!(project_of("harbor.speaches", "harbor.speaches\t/x\n"), Some("/x".into()), "as Podman has it");
    }

    #[test]
    fn each_reason_for_silence_has_a_remedy() {
        let socket =
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock";
        let other = |why: &str| DockerError::Other(why.to_owned());
        assert_eq!(DockerError::NoProgram.to_string(), "`docker` is not on PATH");
        for (silence, begin) in [
            (DockerError::NoProgram, "install Docker"),
            (other(socket), "add yourself to the group `docker`"),
            (other("Got permission denied while trying to connect"), "add yourself to the group `docker`"),
            (other("Cannot connect to the Docker daemon"), "start Docker"),
            (other("nothing within 10 s"), "start Docker"),
            (other(&DockerError::NoProgram.to_string()), "start Docker"),
        ] {
            assert!(silence.remedy().starts_with(begin), "{silence}");
        }
    }
}
