//! Checks each hop between the service and Open WebUI: the service itself, the address at which containers look for it,
//! the container that forwards requests to it, and the container of Open WebUI.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use speaches_format::system::System;

use super::background::Background;
use super::bridge::{self, Bridge};
use super::docker::{self, Container, DockerError};
use super::health;
use super::home::Flavor;
use super::readiness::Model;
use crate::instance::Instance;

const START: &str = "`speaches harbor up` starts it";
/// Why Docker's gateway is none of this machine's addresses.
const ELSEWHERE: &str = "Docker runs in a virtual machine or without root: Docker Desktop leads to 127.0.0.1 by itself, \
                         rootless Docker does not";
/// Docker has no default network.
const NO_BRIDGE: &str =
    "Docker has no network `bridge`, and this machine no `docker0`: containers do not reach 127.0.0.1";
/// The hint when another Harbor has a container of the same name.
pub const OWN_PREFIX: &str = "`harbor config set container.prefix NAME` gives this one its own";

/// One thing on the way, and how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    pub name: &'static str,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Working(String),
    /// Missing or hidden, which may be intended.
    Absent(String),
    /// Docker does not answer.
    NoAnswer(DockerError),
    /// It does not work.
    Broken {
        cause: String,
        /// The remedy, if there is a known one.
        advice: Option<String>,
    },
}

impl Hop {
    fn well(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: State::Working(text.into()) }
    }

    fn absent(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: State::Absent(text.into()) }
    }

    fn wrong(name: &'static str, cause: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, state: State::Broken { cause: cause.into(), advice: Some(advice.into()) } }
    }

    /// A container that another Harbor has started.
    fn of_another(name: &'static str, container: &Container, other: &Path) -> Self {
        Self::wrong(name, container.belongs_to(other), OWN_PREFIX)
    }

    /// Whether it does not work.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken { .. })
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Working(text) => write!(f, "{}: ok, {text}", self.name),
            State::Absent(text) => write!(f, "{}: {text}", self.name),
            State::NoAnswer(why) => write!(f, "{}: does not answer ({why})", self.name),
            State::Broken { cause, advice: None } => write!(f, "{}: {cause}", self.name),
            State::Broken { cause, advice: Some(advice) } => write!(f, "{}: {cause}; {advice}", self.name),
        }
    }
}

/// Checks all of them, from the service on. It takes a minute at most, even if none answers.
#[must_use]
pub fn look(background: &Background<'_>) -> Vec<Hop> {
    let [speaches, webui] = ["speaches", "webui"].map(|name| format!("{}.{name}", background.container_prefix));
    let containers = docker::containers(&[speaches.clone(), webui.clone()]);
    let named = |name: &String| containers.as_ref().ok()?.iter().find(|container| container.name == *name);
    let running = background.running();
    // A Harbor with a native mode looks after the service itself, and may have been told to take the container.
    let is_needed = background.home.flavor == Flavor::Stock
        || named(&speaches)
            .is_some_and(|found| found.is_proxy() && found.other_harbor(&background.home.path).is_none());
    let mut hops = vec![service(background, running.as_ref(), is_needed)];
    if let Err(why) = &containers {
        hops.push(Hop { name: "docker", state: State::NoAnswer(why.clone()) });
        return hops;
    }
    let mut answers_at = None;
    if let Some(instance) = running.as_ref().filter(|_| System::HERE == System::Linux) {
        let works = matches!(hops[0].state, State::Working(_));
        let (hop, address) = way_of_containers(background, instance);
        answers_at = address.filter(|_| works);
        hops.push(hop);
    }
    let port = running.map_or(background.port, |instance| instance.status.port);
    hops.push(proxy(background, &speaches, named(&speaches), port, answers_at));
    hops.push(open_webui(background, &webui, named(&webui), named(&speaches).is_some_and(Container::runs)));
    hops
}

/// The service and its proxy, as far as they are not there: `harbor up` is for both.
#[must_use]
pub fn missing(hops: &[Hop]) -> Vec<&'static str> {
    let works = |name: &&str| hops.iter().any(|hop| hop.name == *name && matches!(hop.state, State::Working(_)));
    ["service", "proxy"].into_iter().filter(|name| !works(name)).collect()
}

/// The first one that explains why nothing gets through: one that does not work, or Docker that does not answer.
#[must_use]
pub fn culprit(hops: &[Hop]) -> Option<&Hop> {
    hops.iter().find(|hop| hop.is_broken()).or_else(|| hops.iter().find(|hop| matches!(hop.state, State::NoAnswer(_))))
}

fn service(background: &Background<'_>, running: Option<&Instance>, is_needed: bool) -> Hop {
    let Some(instance) = running else {
        let start = match background.home.flavor {
            Flavor::Stock => format!("`speaches harbor start` starts it on port {}", background.port),
            Flavor::Native => START.to_owned(),
        };
        let cause = match background.last() {
            Some(last) => format!("{} (pid {})", last.phase(), last.status.pid),
            None => "does not run".to_owned(),
        };
        return if is_needed {
            Hop::wrong("service", cause, start)
        } else {
            Hop::absent("service", format!("{cause}; {start}"))
        };
    };
    let (phase, pid) = (instance.phase(), instance.status.pid);
    if background.has_moved(instance) {
        let (port, wanted) = (instance.status.port, background.port);
        let cause = format!("{phase} (pid {pid}); it runs on port {port}, but the settings say {wanted}");
        return Hop::wrong("service", cause, "`speaches harbor up` moves it");
    }
    let address = address(instance);
    if let Err(why) = health::ask(address) {
        let advice = format!("read its log `{}`", background.log().display());
        return Hop::wrong("service", format!("{phase} (pid {pid}), and http://{address}/health: {why}"), advice);
    }
    let models = Model::all(instance);
    let failed = models.iter().filter(|model| model.has_failed()).map(Model::complaint).collect::<Vec<_>>();
    let text = std::iter::once(format!("{phase} at http://{address} (pid {pid})")).chain(failed.iter().cloned());
    let text = text.collect::<Vec<_>>().join("; ");
    if !failed.is_empty() && failed.len() == models.len() {
        return Hop::wrong("service", text, format!("read its log `{}`", background.log().display()));
    }
    Hop::well("service", text)
}

#[must_use]
pub fn address(instance: &Instance) -> SocketAddr {
    SocketAddr::new(reachable(&instance.addresses()), instance.status.port)
}

/// The address of a service at which this machine asks it.
fn reachable(addresses: &[IpAddr]) -> IpAddr {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match addresses.first() {
        Some(first) if !bridge::reaches(addresses, Ipv4Addr::LOCALHOST) => *first,
        _ => loopback,
    }
}

/// How containers find the service; with the address if it answers there.
fn way_of_containers(background: &Background<'_>, instance: &Instance) -> (Hop, Option<SocketAddr>) {
    const HOP: &str = "bridge";
    let bridge = Bridge::find();
    let gateway = match bridge {
        Bridge::Here(gateway) => gateway,
        Bridge::Elsewhere(gateway) => {
            let text = format!("containers look for the service at {gateway}, which is not an address of this machine");
            return (Hop::absent(HOP, format!("{text}, so {ELSEWHERE}")), None);
        }
        Bridge::Unknown => return (Hop::absent(HOP, NO_BRIDGE), None),
    };
    if let Some((cause, advice)) = bridge::obstacle(&instance.addresses(), bridge, background) {
        return (Hop::wrong(HOP, cause, advice), None);
    }
    let address = SocketAddr::new(IpAddr::V4(gateway), instance.status.port);
    match health::ask(address) {
        Ok(()) => (Hop::well(HOP, format!("containers reach the service at {address}")), Some(address)),
        Err(why) => {
            let cause = format!("http://{address}/health, where containers look for the service: {why}");
            (Hop::wrong(HOP, cause, format!("read its log `{}`", background.log().display())), None)
        }
    }
}

/// The container that passes on to the service on a port, which answers at an address of the bridge if there is one.
fn proxy(
    background: &Background<'_>,
    name: &str,
    found: Option<&Container>,
    port: u16,
    answers_at: Option<SocketAddr>,
) -> Hop {
    const HOP: &str = "proxy";
    let Some(container) = found else { return Hop::absent(HOP, format!("no container; {START}")) };
    if let Some(other) = container.other_harbor(&background.home.path) {
        return Hop::of_another(HOP, container, other);
    }
    if !container.runs() {
        return Hop::wrong(HOP, format!("`{name}` is {}", container.state), START);
    }
    if !container.is_proxy() {
        let cause = format!("`{name}` is the stock container (`{}`), not the proxy", container.image);
        return match background.home.flavor {
            Flavor::Stock => {
                let cause = format!("{cause}: the word `speaches-native` is missing");
                Hop::wrong(HOP, cause, "`speaches harbor up` adds it")
            }
            Flavor::Native => Hop::wrong(
                HOP,
                format!("{cause}: native is not Harbor's execution preference"),
                "`harbor config set speaches.execution_preference native`, then `speaches harbor up`",
            ),
        };
    }
    if let Some(target) = container.target().filter(|target| *target != port) {
        let cause = format!("`{name}` connects to port {target}, and the service has port {port}");
        return Hop::wrong(HOP, cause, "`speaches harbor up` recreates it");
    }
    // N.B. BusyBox: it has no long options.
    let asked =
        docker::ask(&["exec", name, "wget", "-q", "-T", "5", "-O", "/dev/null", "http://127.0.0.1:8000/health"]);
    match asked {
        Ok(_) => Hop::well(HOP, format!("`{name}` forwards requests")),
        Err(why) => {
            let cause = format!("`{name}` cannot reach the service: {why}");
            Hop { name: HOP, state: State::Broken { cause, advice: answers_at.map(firewall) } }
        }
    }
}

/// The complaint when a proxy fails and the service answers at its own address.
fn firewall(address: SocketAddr) -> String {
    format!(
        "the service answers at {address} from this machine but not from the container: a firewall blocks it; allow \
         port {} from Docker's networks",
        address.port()
    )
}

fn open_webui(background: &Background<'_>, name: &str, found: Option<&Container>, proxy_runs: bool) -> Hop {
    const HOP: &str = "webui";
    let Some(container) = found else { return Hop::absent(HOP, "no container; `speaches harbor up webui` starts it") };
    if let Some(other) = container.other_harbor(&background.home.path) {
        return Hop::absent(HOP, container.belongs_to(other));
    }
    if !container.runs() {
        return Hop::wrong(HOP, format!("`{name}` is {}", container.state), "`speaches harbor up webui` starts it");
    }
    if !proxy_runs {
        return Hop::absent(HOP, format!("`{name}` runs, but there is no container of speaches"));
    }
    let url = "http://speaches:8000/health";
    match docker::ask(&["exec", name, "curl", "-fsS", "-m", "5", "-o", "/dev/null", url]) {
        Ok(_) => Hop::well(HOP, format!("`{name}` reaches http://speaches:8000")),
        Err(why) => Hop::wrong(
            HOP,
            format!("`{name}` does not reach http://speaches:8000: {why}"),
            "if the proxy is ok, `speaches harbor up webui` reconnects them",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_is_one_line_and_the_first_wrong_one_explains() {
        let (ok, none) = (Hop::well("service", "ready"), Hop::absent("proxy", "no container"));
        let wrong = Hop::wrong("webui", "it is gone", "start it");
        assert_eq!(ok.to_string(), "service: ok, ready");
        assert_eq!(none.to_string(), "proxy: no container");
        assert_eq!(wrong.to_string(), "webui: it is gone; start it");
        let helpless = Hop { name: "proxy", state: State::Broken { cause: "it is odd".to_owned(), advice: None } };
        assert_eq!(helpless.to_string(), "proxy: it is odd");
        assert_eq!(culprit(&[ok.clone(), none.clone(), wrong.clone()]), Some(&wrong));
        assert_eq!(culprit(&[ok.clone(), none]), None);
        assert_eq!(missing(std::slice::from_ref(&ok)), ["proxy"]);
        assert!(missing(&[ok.clone(), Hop::well("proxy", "it runs")]).is_empty());
        let docker = Hop { name: "docker", state: State::NoAnswer(DockerError::NoProgram) };
        assert_eq!(docker.to_string(), "docker: does not answer (`docker` is not on PATH)");
        assert_eq!(culprit(&[ok, docker.clone()]), Some(&docker));
    }

    #[test]
    fn a_firewall_is_blamed_with_the_address_and_the_port() {
        assert_eq!(
            firewall("172.17.0.1:34332".parse().unwrap()),
            "the service answers at 172.17.0.1:34332 from this machine but not from the container: a firewall blocks \
             it; allow port 34332 from Docker's networks"
        );
    }

    #[test]
    fn a_service_is_asked_at_loopback_if_it_is_there() {
        let parsed = |addresses: &[&str]| addresses.iter().map(|it| it.parse().unwrap()).collect::<Vec<IpAddr>>();
        for (addresses, asked) in [
            (&["127.0.0.1", "172.17.0.1"][..], "127.0.0.1"),
            (&["0.0.0.0"], "127.0.0.1"),
            (&["172.17.0.1"], "172.17.0.1"),
            (&["::1"], "::1"),
            (&[], "127.0.0.1"),
        ] {
            assert_eq!(reachable(&parsed(addresses)).to_string(), asked);
        }
    }
}
