//! Services that run, or ran, on this machine: what their `status.json` says and whether it is still true.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::process;

/// The file in the state directory of a service.
pub const STATUS_FILE: &str = "status.json";

#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    pub pid: u32,
    /// IP addresses it listens on.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// TCP port.
    pub port: u16,
    /// `starting`, `serving`, `ready`, `degraded`, `draining` or `stopped`.
    pub phase: String,
    /// ISO 8601, in UTC.
    #[serde(default)]
    pub started_at: Option<String>,
    /// Why it ended, if it failed.
    #[serde(default)]
    pub message: Option<String>,
    /// Its models, each an object.
    #[serde(default)]
    pub models: Value,
}

#[derive(Clone, Debug)]
pub struct Instance {
    pub directory: PathBuf,
    pub status: Status,
    /// The same with everything that this program does not know.
    pub raw: Value,
    pub alive: bool,
}

impl Instance {
    /// Reads a state directory; `None` if no service has written there.
    #[must_use]
    pub fn read(directory: &Path) -> Option<Self> {
        let text = fs_err::read(directory.join(STATUS_FILE)).ok()?;
        let raw: Value = serde_json::from_slice(&text).ok()?;
        let status: Status = serde_json::from_value(raw.clone()).ok()?;
        let alive = status.phase != "stopped" && process::is_service(status.pid);
        Some(Self { directory: directory.to_owned(), status, raw, alive })
    }

    /// The services whose state is below a directory, one per subdirectory, by port.
    #[must_use]
    pub fn find_all(root: &Path) -> Vec<Self> {
        let mut found = fs_err::read_dir(root)
            .map(|entries| entries.flatten().filter_map(|entry| Self::read(&entry.path())).collect::<Vec<_>>())
            .unwrap_or_default();
        found.sort_unstable_by_key(|instance| (instance.status.port, instance.status.pid));
        found
    }

    /// Removes the state of services on free ports (`--port 0`) that have ended: each had a directory of its own, named
    /// by its pid, which nothing would ever use again.
    pub fn forget_ended(root: &Path) {
        let is_passing = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("pid-");
        for ended in Self::find_all(root).iter().filter(|instance| !instance.alive) {
            if ended.directory.file_name().is_some_and(is_passing) {
                // Another process may be removing it too, and a directory that stays does no harm.
                let _ = fs_err::remove_dir_all(&ended.directory);
            }
        }
    }

    /// Its phase, or `died` if its process is gone without having said so.
    #[must_use]
    pub fn phase(&self) -> &str {
        if self.alive || self.status.phase == "stopped" { &self.status.phase } else { "died" }
    }

    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.status.addresses.iter().filter_map(|address| address.parse().ok()).collect()
    }

    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let url = |address: &String| {
            let host = if address.contains(':') { format!("[{address}]") } else { address.clone() };
            format!("http://{host}:{}", self.status.port)
        };
        self.status.addresses.iter().map(url).collect()
    }

    /// How long it has been running, in seconds, if its clock makes sense.
    #[must_use]
    pub fn uptime(&self) -> Option<u64> {
        let started = seconds_of(self.status.started_at.as_deref()?)?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
        now.checked_sub(started)
    }
}

/// Seconds since 1970 of an ISO 8601 time in UTC, such as `2026-11-22T13:14:15.123+00:00`.
fn seconds_of(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    // Days from 1970-01-01 in the proleptic Gregorian calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    Some(((days.checked_sub(719_469)? * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(seconds_of("1970-01-01T00:00:00+00:00"), Some(0));
        assert_eq!(seconds_of("2000-02-29T12:00:00.500+00:00"), Some(951_825_600));
        assert_eq!(seconds_of("2026-11-22T22:28:42.001+00:00"), Some(1_795_386_522));
        assert_eq!(seconds_of("yesterday"), None);
    }

    #[test]
    fn a_process_that_is_gone_has_died_and_one_that_stopped_has_not() {
        let directory = tempfile::tempdir().unwrap();
        let state = |phase: &str| {
            let pid = std::process::id();
            let text = format!(r#"{{"pid": {pid}, "port": 1, "phase": "{phase}", "addresses": ["::1"]}}"#);
            fs_err::write(directory.path().join(STATUS_FILE), text).unwrap();
            Instance::read(directory.path()).unwrap()
        };
        // The pid is there, but it is that of this test, not of a service.
        assert_eq!(state("serving").phase(), "died");
        assert_eq!(state("stopped").phase(), "stopped");
        assert_eq!(state("serving").urls(), ["http://[::1]:1"]);
        fs_err::write(directory.path().join(STATUS_FILE), "{").unwrap();
        assert!(Instance::read(directory.path()).is_none());
    }

    #[test]
    fn only_ended_services_on_free_ports_are_forgotten() {
        let root = tempfile::tempdir().unwrap();
        for name in ["pid-1", "34331", "bytecode"] {
            fs_err::create_dir(root.path().join(name)).unwrap();
            let text = r#"{"pid": 0, "port": 1, "phase": "stopped"}"#;
            if name != "bytecode" {
                fs_err::write(root.path().join(name).join(STATUS_FILE), text).unwrap();
            }
        }
        Instance::forget_ended(root.path());
        assert!(!root.path().join("pid-1").exists());
        assert!(root.path().join("34331").exists() && root.path().join("bytecode").exists());
    }
}
