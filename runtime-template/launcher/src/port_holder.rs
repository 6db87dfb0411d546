//! Which process listens on a port, where the system tells.

use std::net::IpAddr;

#[derive(Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    /// As `ps` shows it: on Linux at most 15 bytes.
    pub name: String,
}

/// The process whose listening socket is in the way of `address` and `port`, if this process may see it.
#[must_use]
pub fn find(address: IpAddr, port: u16) -> Option<Holder> {
    system::find(address, port)
}

#[cfg(target_os = "linux")]
mod system {
    use std::net::{IpAddr, Ipv6Addr};
    use std::path::Path;

    use super::Holder;

    /// TCP_LISTEN in the column `st` of /proc/net/tcp; see proc(5).
    const LISTENING: &str = "0A";

    pub fn find(address: IpAddr, port: u16) -> Option<Holder> {
        let targets = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|table| fs_err::read_to_string(table).ok())
            .flat_map(|table| inodes(&table, address, port))
            .map(|inode| format!("socket:[{inode}]"))
            .collect::<Vec<_>>();
        if targets.is_empty() {
            return None;
        }
        for process in fs_err::read_dir("/proc").ok()?.flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            if has_open(&process.path(), &targets) {
                let name = fs_err::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some(Holder { pid, name: name.trim_end().to_owned() });
            }
        }
        None
    }

    /// The sockets of a table that are in the way.
    fn inodes(table: &str, address: IpAddr, port: u16) -> Vec<String> {
        let in_the_way = |line: &str| {
            let columns = line.split_whitespace().collect::<Vec<_>>();
            let (host, local_port) = columns.get(1)?.split_once(':')?;
            let listens = columns.get(3) == Some(&LISTENING) && u16::from_str_radix(local_port, 16) == Ok(port);
            let host = decode(host)?;
            // The same address, or one of them is the wildcard.
            let collides = host == address || host.is_unspecified() || address.is_unspecified();
            (listens && collides).then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
        };
        table.lines().skip(1).filter_map(in_the_way).collect()
    }

    /// The kernel prints each 32-bit word of an address as one number in the byte order of the machine.
    fn decode(host: &str) -> Option<IpAddr> {
        let mut bytes = Vec::with_capacity(16);
        for at in (0..host.len()).step_by(8) {
            bytes.extend(u32::from_str_radix(host.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
        }
        if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
            return Some(IpAddr::from(four));
        }
        let six = Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?);
        Some(six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4))
    }

    fn has_open(process: &Path, targets: &[String]) -> bool {
        // The process may belong to another user, or be gone meanwhile.
        let Ok(descriptors) = fs_err::read_dir(process.join("fd")) else { return false };
        descriptors.flatten().any(|descriptor| {
            fs_err::read_link(descriptor.path())
                .is_ok_and(|link| link.to_str().is_some_and(|link| targets.iter().any(|target| target == link)))
        })
    }
}

#[cfg(target_os = "macos")]
mod system {
    use std::net::IpAddr;
    use std::process::Command;

    use super::Holder;

    pub fn find(address: IpAddr, port: u16) -> Option<Holder> {
        let query = format!("-iTCP:{port}");
        let output = Command::new("/usr/sbin/lsof").args(["-nP", &query, "-sTCP:LISTEN", "-Fpcn"]).output().ok()?;
        super::parse_lsof(&String::from_utf8_lossy(&output.stdout), address)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod system {
    use std::net::IpAddr;

    use super::Holder;

    pub fn find(_address: IpAddr, _port: u16) -> Option<Holder> {
        None
    }
}

/// The first process of `lsof -F pcn` that is in the way: a line `p` with its pid, a line `c` with its name, and for each
/// of its sockets a line `n` with address and port.
#[cfg(any(target_os = "macos", test))]
fn parse_lsof(text: &str, address: IpAddr) -> Option<Holder> {
    let (mut pid, mut name) = (None, "unknown");
    for line in text.lines() {
        let Some(field) = line.split_at_checked(1) else { continue };
        match field {
            ("p", rest) => (pid, name) = (rest.parse().ok(), "unknown"),
            ("c", rest) => name = rest,
            ("n", rest) => {
                let host = rest.rsplit_once(':')?.0.trim_matches(['[', ']']);
                let host = host.parse::<IpAddr>().ok();
                // Without an address it is `*`. The same address, or one of them is the wildcard.
                if address.is_unspecified() || host.is_none_or(|host| host == address) {
                    return Some(Holder { pid: pid?, name: name.to_owned() });
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[cfg(target_os = "linux")]
    fn assert_held_by_us(listen: &str, ask: &str) {
        // A machine may have no IPv6.
        let Ok(listener) = TcpListener::bind((listen, 0)) else { return };
        let port = listener.local_addr().unwrap().port();
        let holder = find(ask.parse().unwrap(), port).unwrap();
        assert_eq!(holder.pid, std::process::id());
        assert!(!holder.name.is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_is_found_by_the_same_address_and_by_the_wildcard() {
        assert_held_by_us("127.0.0.1", "127.0.0.1");
        assert_held_by_us("0.0.0.0", "127.0.0.1");
        assert_held_by_us("127.0.0.1", "0.0.0.0");
        assert_held_by_us("::1", "::1");
    }

    #[test]
    fn a_free_port_has_no_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if cfg!(target_os = "linux") {
            assert_eq!(find("127.0.0.2".parse().unwrap(), port), None);
        }
        drop(listener);
        assert_eq!(find("127.0.0.1".parse().unwrap(), port), None);
    }

    #[test]
    fn what_lsof_prints_is_understood() {
        let said = "p1\ncother\nf9\nn[::1]:34331\np4711\ncControlCenter\nf10\nn*:34331\n";
        let loopback = "127.0.0.1".parse().unwrap();
        let holder = parse_lsof(said, loopback).unwrap();
        assert_eq!(holder, Holder { pid: 4711, name: "ControlCenter".to_owned() });
        assert_eq!(parse_lsof(said, "::1".parse().unwrap()).unwrap().pid, 1);
        assert_eq!(parse_lsof(said, "0.0.0.0".parse().unwrap()).unwrap().pid, 1);
        assert_eq!(parse_lsof("p1\ncother\nf9\nn192.168.0.2:34331\n", loopback), None);
        assert_eq!(parse_lsof("", loopback), None);
    }
}
