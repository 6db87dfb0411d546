//! Listening sockets, opened before anything else starts.
//!
//! So the launcher reports a taken port within milliseconds, and an early client waits in the queue of the socket
//! instead of being refused. On Unix the sockets outlive the `exec` that turns this program into the service.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, sockopt};
use speaches_format::failure::{Exit, Failure};
use speaches_format::system::System;

use crate::port_holder;

/// Connections that may wait to be accepted; uvicorn's own default. A system may have a lower limit.
const BACKLOG: i32 = 2048;
/// How often another free port is tried.
const FREE_PORT_ATTEMPTS: usize = 16;

/// Sockets that listen on the same port of several addresses.
#[derive(Debug)]
pub struct Listeners {
    /// The addresses, parallel to the sockets.
    pub addresses: Vec<IpAddr>,
    pub port: u16,
    /// One for each optional address that the launcher could not listen on.
    pub warnings: Vec<String>,
    sockets: Vec<OwnedFd>,
}

impl Listeners {
    /// Binds and listens; port 0 picks one that is free on all addresses. `asked` says whether the addresses were
    /// asked for; a default address that is not there (any more) is left out.
    ///
    /// # Errors
    /// [`Exit::Temporary`] when the port is taken, naming who holds it where the system tells; [`Exit::Config`] when
    /// an address is none of this machine's.
    pub fn open(addresses: &[IpAddr], port: u16, asked: bool) -> Result<Self, Failure> {
        for _ in 1..FREE_PORT_ATTEMPTS {
            match Self::open_all(addresses, port, asked) {
                // The system chose a port that is free on the first address only.
                Err(failure) if port == 0 && failure.exit == Exit::Temporary => {}
                other => return other,
            }
        }
        Self::open_all(addresses, port, asked)
    }

    fn open_all(addresses: &[IpAddr], port: u16, asked: bool) -> Result<Self, Failure> {
        let mut all = Self { addresses: Vec::new(), port, warnings: Vec::new(), sockets: Vec::new() };
        for &address in addresses {
            match listen(SocketAddr::new(address, all.port), System::HERE) {
                Ok(socket) => {
                    all.port = port_of(&socket)?;
                    all.sockets.push(socket);
                    all.addresses.push(address);
                }
                Err(Errno::EADDRNOTAVAIL) if !asked => {
                    all.warnings.push(format!("not listening on {address}: this machine no longer has this address"));
                }
                Err(error) => return Err(explain(error, address, all.port)),
            }
        }
        if all.sockets.is_empty() {
            return Err(Failure::new(Exit::Config, "there is no address to listen on").hint("name one with `--host`"));
        }
        Ok(all)
    }

    /// Lets the sockets pass to the program that this process turns into, and returns their numbers.
    pub fn inherit(&self) -> Result<Vec<RawFd>, Failure> {
        for socket in &self.sockets {
            fcntl(socket, FcntlArg::F_SETFD(FdFlag::empty()))
                .map_err(|error| Failure::new(Exit::Internal, format!("a socket cannot be handed over: {error}")))?;
        }
        Ok(self.sockets.iter().map(|socket| socket.as_raw_fd()).collect())
    }
}

/// Listens, also where connections of before are still in TIME_WAIT.
///
/// With SO_REUSEADDR, macOS lets one user listen on a port of all addresses and on the same port of one of them. A
/// second service would then take the connections of the first one. There the launcher uses the option only when no
/// process listens.
fn listen(address: SocketAddr, system: System) -> nix::Result<OwnedFd> {
    if system != System::MacOs {
        return listen_with(address, true);
    }
    match listen_with(address, false) {
        Err(Errno::EADDRINUSE) if port_holder::find(address.ip(), address.port()).is_none() => {
            listen_with(address, true)
        }
        other => other,
    }
}

fn listen_with(address: SocketAddr, reuse: bool) -> nix::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let socket = socket::socket(family, SockType::Stream, SockFlag::empty(), None)?;
    // N.B. macOS has no SOCK_CLOEXEC. No other thread starts a program meanwhile.
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    socket::setsockopt(&socket, sockopt::ReuseAddr, &reuse)?;
    if address.is_ipv6() {
        // `::` and `0.0.0.0` are two addresses, each with a socket of its own.
        socket::setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    socket::listen(&socket, Backlog::new(BACKLOG).unwrap_or(Backlog::MAXCONN))?;
    Ok(socket)
}

fn port_of(socket: &OwnedFd) -> Result<u16, Failure> {
    let name = socket::getsockname::<SockaddrStorage>(socket.as_raw_fd())
        .map_err(|error| Failure::new(Exit::Internal, format!("a socket has no name: {error}")))?;
    let port = name.as_sockaddr_in().map(|name| name.port()).or_else(|| name.as_sockaddr_in6().map(|name| name.port()));
    port.ok_or_else(|| Failure::new(Exit::Internal, "a socket has no port"))
}

fn explain(error: Errno, address: IpAddr, port: u16) -> Failure {
    match error {
        Errno::EADDRINUSE => {
            let by = port_holder::find(address, port)
                .map_or_else(String::new, |holder| format!(" by `{}` (pid {})", holder.name, holder.pid));
            Failure::new(Exit::Temporary, format!("port {port} on {address} is in use{by}"))
                .hint("stop the program that uses the port, or choose another port with `--port` (0 picks a free port)")
        }
        Errno::EADDRNOTAVAIL => {
            Failure::new(Exit::Config, format!("cannot listen on {address}: this machine has no such address"))
                .hint("`--host` wants an address of this machine; 0.0.0.0 and :: mean all of them")
        }
        Errno::EACCES => {
            Failure::new(Exit::Config, format!("cannot listen on port {port} of {address}: permission denied"))
                .hint("ports below 1024 need administrator rights; choose another with `--port`")
        }
        Errno::EAFNOSUPPORT => {
            Failure::new(Exit::Config, format!("cannot listen on {address}: this system has no IPv6"))
        }
        other => Failure::new(Exit::Config, format!("cannot listen on port {port} of {address}: {}", other.desc())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_port_is_taken_on_every_system_if_all_addresses_or_this_one_have_it() {
        let everywhere = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        for system in [System::Linux, System::MacOs] {
            if system == System::Linux && cfg!(target_os = "macos") {
                continue; // what it does there is why there are two ways
            }
            for (first, second) in [(LOOPBACK, LOOPBACK), (LOOPBACK, everywhere), (everywhere, LOOPBACK)] {
                let listener = listen(SocketAddr::new(first, 0), system).unwrap();
                let address = SocketAddr::new(second, port_of(&listener).unwrap());
                assert_eq!(listen(address, system).unwrap_err(), Errno::EADDRINUSE, "{system:?}: {first}, {second}");
            }
        }
    }

    #[test]
    fn a_port_of_ended_connections_can_be_listened_on() {
        let listener = listen(SocketAddr::new(LOOPBACK, 0), System::HERE).unwrap();
        let address = SocketAddr::new(LOOPBACK, port_of(&listener).unwrap());
        let listener = std::net::TcpListener::from(listener);
        let client = std::net::TcpStream::connect(address).unwrap();
        // The side that ends first is left in TIME_WAIT.
        drop(listener.accept().unwrap());
        drop(listener);
        drop(client);
        assert_eq!(listen_with(address, false).unwrap_err(), Errno::EADDRINUSE);
        listen(address, System::HERE).unwrap();
    }

    #[test]
    fn a_client_can_connect_at_once() {
        let listeners = Listeners::open(&[LOOPBACK], 0, true).unwrap();
        assert_ne!(listeners.port, 0);
        std::net::TcpStream::connect((LOOPBACK, listeners.port)).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn port_zero_is_the_same_free_port_on_every_address() {
        let both = [LOOPBACK, "127.0.0.2".parse().unwrap()];
        let listeners = Listeners::open(&both, 0, true).unwrap();
        assert_eq!(listeners.addresses, both);
        for address in both {
            std::net::TcpStream::connect((address, listeners.port)).unwrap();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nothing_stays_bound_when_one_address_is_taken() {
        let taken = Listeners::open(&["127.0.0.2".parse().unwrap()], 0, true).unwrap();
        let both = [LOOPBACK, "127.0.0.2".parse().unwrap()];
        let failure = Listeners::open(&both, taken.port, true).unwrap_err();
        assert_eq!(failure.exit, Exit::Temporary);
        Listeners::open(&[LOOPBACK], taken.port, true).unwrap();
    }

    #[test]
    fn ipv4_and_ipv6_share_a_port_on_all_addresses() {
        let all: [IpAddr; 2] = ["0.0.0.0".parse().unwrap(), "::".parse().unwrap()];
        // A machine may have no IPv6.
        if std::net::TcpListener::bind("[::1]:0").is_ok() {
            assert_eq!(Listeners::open(&all, 0, true).unwrap().addresses, all);
        }
    }

    #[test]
    fn a_taken_port_is_temporary_and_names_port_address_and_holder() {
        let taken = Listeners::open(&[LOOPBACK], 0, true).unwrap();
        let failure = Listeners::open(&[LOOPBACK], taken.port, true).unwrap_err();
        assert_eq!(failure.exit, Exit::Temporary);
        let said = failure.to_string();
        assert!(said.starts_with(&format!("port {} on 127.0.0.1 is in use", taken.port)), "{said}");
        if cfg!(target_os = "linux") {
            assert!(said.contains(&format!("(pid {})", std::process::id())), "{said}");
        }
    }

    #[test]
    fn an_address_that_vanished_is_left_out_and_one_that_was_asked_for_is_an_error() {
        // TEST-NET-1 of RFC 5737: no machine has this address
        let both = [LOOPBACK, "192.0.2.1".parse().unwrap()];
        let listeners = Listeners::open(&both, 0, false).unwrap();
        assert_eq!(listeners.addresses, [LOOPBACK]);
        assert!(listeners.warnings[0].contains("192.0.2.1"));
        let failure = Listeners::open(&both, 0, true).unwrap_err();
        assert_eq!(failure.exit, Exit::Config);
        assert!(failure.to_string().contains("192.0.2.1"));
    }

    #[test]
    fn only_sockets_that_are_handed_over_outlive_an_exec() {
        let listeners = Listeners::open(&[LOOPBACK], 0, true).unwrap();
        let flags =
            |listeners: &Listeners| FdFlag::from_bits_retain(fcntl(&listeners.sockets[0], FcntlArg::F_GETFD).unwrap());
        assert_eq!(flags(&listeners), FdFlag::FD_CLOEXEC);
        assert_eq!(listeners.inherit().unwrap().len(), 1);
        assert_eq!(flags(&listeners), FdFlag::empty());
    }
}
