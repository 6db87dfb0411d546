//! Where containers look for this machine. On Linux `host.docker.internal` is the gateway of Docker's default bridge, and a
//! service that listens on loopback only is not found there.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

use super::background::Background;
use super::docker;
use super::home::Flavor;
use crate::addresses;
use crate::config::Origin;

/// Prints the gateways of a network: one for IPv4, and one for IPv6 where it has that.
const GATEWAYS: &str = "{{range .IPAM.Config}}{{.Gateway}} {{end}}";

/// The address at which containers look for this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bridge {
    /// At this address, which is one of this machine.
    Here(Ipv4Addr),
    /// At this address, which is none of this machine: Docker runs in a virtual machine or a namespace, and what carries
    /// connections from there to here is its own.
    Elsewhere(Ipv4Addr),
    /// Docker says nothing about it.
    Unknown,
}

impl Bridge {
    /// Asks Docker, and where that does not answer, looks for `docker0`.
    #[must_use]
    pub fn find() -> Self {
        let said = docker::ask(&["network", "inspect", "bridge", "--format", GATEWAYS]).ok();
        let docker0 = || match addresses::docker_bridge() {
            Some(IpAddr::V4(address)) => Some(address),
            _ => None,
        };
        match said.as_deref().and_then(gateway).or_else(docker0) {
            Some(address) if is_of_this_machine(address) => Self::Here(address),
            Some(address) => Self::Elsewhere(address),
            None => Self::Unknown,
        }
    }

    /// The same without a question to Docker, if it is plain that a service with these addresses is found.
    #[must_use]
    pub fn find_for(addresses: &[IpAddr]) -> Self {
        match addresses::docker_bridge() {
            Some(IpAddr::V4(address)) if addresses.contains(&IpAddr::V4(address)) => Self::Here(address),
            _ => Self::find(),
        }
    }
}

/// The first IPv4 address of what Docker prints.
fn gateway(text: &str) -> Option<Ipv4Addr> {
    text.split_whitespace().find_map(|word| word.parse().ok())
}

fn is_of_this_machine(address: Ipv4Addr) -> bool {
    TcpListener::bind((address, 0)).is_ok()
}

/// Whether a client that connects to an address reaches a service that listens on these.
#[must_use]
pub fn reaches(addresses: &[IpAddr], address: Ipv4Addr) -> bool {
    // N.B. `::` is IPv6 only; see the listeners.
    addresses.iter().any(|listens| *listens == IpAddr::V4(address) || *listens == IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

#[must_use]
pub fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

/// The addresses of a service, with the reason why containers reach it there.
#[must_use]
pub fn listening(addresses: &[IpAddr], bridge: Bridge) -> String {
    let described = addresses.iter().map(|address| match bridge {
        Bridge::Here(gateway) if *address == IpAddr::V4(gateway) => {
            format!("{address} (Docker's bridge, which containers reach as host.docker.internal)")
        }
        Bridge::Here(_) if *address == IpAddr::V4(Ipv4Addr::UNSPECIFIED) => {
            format!("{address} (every address, Docker's bridge among them)")
        }
        _ => address.to_string(),
    });
    format!("listens on {}", described.collect::<Vec<_>>().join(" and "))
}

/// Why containers do not reach a service that listens on these addresses, and what to do; None if they may.
#[must_use]
pub fn obstacle(addresses: &[IpAddr], bridge: Bridge, background: &Background<'_>) -> Option<(String, String)> {
    let listens = listed(addresses);
    match bridge {
        Bridge::Here(gateway) if !reaches(addresses, gateway) => Some((
            format!("the service listens on {listens}, but containers connect to {gateway}"),
            remedy(background, gateway),
        )),
        // A user who names another address than loopback knows a way from containers to it.
        Bridge::Unknown if addresses.iter().all(IpAddr::is_loopback) => Some((
            format!("the service listens on {listens}, which containers cannot reach: Docker has no bridge here"),
            format!("start Docker, then run {}", again(background)),
        )),
        _ => None,
    }
}

fn remedy(background: &Background<'_>, gateway: Ipv4Addr) -> String {
    let again = again(background);
    if reaches(&background.hosts, gateway) {
        // Docker, or a setting, came after it.
        return format!("after a restart it listens there too: run {again}");
    }
    let addresses = format!("127.0.0.1,{gateway}");
    match &background.hosts_origin {
        Origin::Environment(name) => {
            format!("the environment variable {name} sets this: set it to {addresses}, and run {again}")
        }
        // N.B. UVICORN_HOST in that file would reach Harbor's own container as well, which has no such address; this one is
        // stronger here, and means nothing there.
        _ => format!("`harbor env speaches HARBOR_SPEACHES_HOST {addresses}`, then run {again}"),
    }
}

/// How the service is stopped and started.
fn again(background: &Background<'_>) -> &'static str {
    match background.home.flavor {
        Flavor::Stock => "`speaches harbor stop` and `speaches harbor up`",
        Flavor::Native => "`harbor down speaches` and `speaches harbor up`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 1);

    fn parsed(addresses: &[&str]) -> Vec<IpAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn the_gateway_is_the_first_address_of_ipv4() {
        assert_eq!(gateway("172.17.0.1 \n"), Some(GATEWAY));
        assert_eq!(gateway("fd00::1 172.17.0.1 \n"), Some(GATEWAY));
        assert_eq!(gateway("<no value> \n"), None);
        assert_eq!(gateway("\n"), None);
    }

    #[test]
    fn a_service_is_reached_at_its_addresses_and_on_all_of_ipv4() {
        assert!(reaches(&parsed(&["127.0.0.1", "172.17.0.1"]), GATEWAY));
        assert!(reaches(&parsed(&["0.0.0.0"]), GATEWAY));
        assert!(!reaches(&parsed(&["127.0.0.1", "::"]), GATEWAY));
    }

    #[test]
    fn what_it_listens_on_says_why_containers_reach_it() {
        let said = |addresses: &[&str], bridge| listening(&parsed(addresses), bridge);
        assert_eq!(
            said(&["127.0.0.1", "172.17.0.1"], Bridge::Here(GATEWAY)),
            "listens on 127.0.0.1 and 172.17.0.1 (Docker's bridge, which containers reach as host.docker.internal)"
        );
        assert_eq!(
            said(&["0.0.0.0"], Bridge::Here(GATEWAY)),
            "listens on 0.0.0.0 (every address, Docker's bridge among them)"
        );
        assert_eq!(said(&["127.0.0.1"], Bridge::Unknown), "listens on 127.0.0.1");
        assert_eq!(said(&["127.0.0.1"], Bridge::Elsewhere(GATEWAY)), "listens on 127.0.0.1");
    }

    #[test]
    fn an_address_of_another_machine_is_none_of_this_one() {
        assert!(is_of_this_machine(Ipv4Addr::LOCALHOST));
        // TEST-NET-1 of RFC 5737: no machine has this address
        assert!(!is_of_this_machine(Ipv4Addr::new(192, 0, 2, 1)));
    }
}
