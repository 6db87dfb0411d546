//! Which addresses the service listens on by default.

use std::net::{IpAddr, Ipv4Addr};

/// Loopback, and on Linux the address of the Docker bridge when there is one: containers reach the service there
/// (`host.docker.internal`), and machines on the network do not.
#[must_use]
pub fn defaults() -> Vec<IpAddr> {
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    addresses.extend(docker_bridge());
    addresses
}

/// The address of `docker0`, if there is one.
#[cfg(target_os = "linux")]
#[must_use]
pub fn docker_bridge() -> Option<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs().ok()?;
    interfaces
        .filter(|interface| interface.interface_name == "docker0")
        .find_map(|interface| Some(IpAddr::V4(interface.address?.as_sockaddr_in()?.ip())))
}

/// None: Docker Desktop forwards `host.docker.internal` to the host's loopback.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn docker_bridge() -> Option<IpAddr> {
    None
}
