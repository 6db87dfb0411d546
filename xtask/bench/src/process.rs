//! The processes that are measured.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use xtask::bench_api::{Exit, Failure, output};

/// Runs one to its end and returns what it says; fails with what it said when it did.
pub fn run(who: &str, command: &mut Command, input: &[u8]) -> Result<String> {
    let ended = output(command, input).with_context(|| format!("cannot run {who}"))?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        bail!(Failure::new(Exit::Unavailable, format!("{who} failed: {}\n{}", ended.status, said.trim_end())));
    }
    Ok(String::from_utf8_lossy(&ended.stdout).trim().to_owned())
}

/// The version of a program, asked as most of them are asked.
pub fn version(name: &str) -> Result<String> {
    version_of(Command::new(name).arg("--version")).ok_or_else(|| {
        Failure::new(Exit::Unavailable, format!("cannot compare this tool with {name}: it is not on PATH"))
            .hint(format!("install {name}"))
            .into()
    })
}

/// The version in what a command says, when it succeeds.
pub fn version_of(command: &mut Command) -> Option<String> {
    let ended = output(command, b"").ok().filter(|ended| ended.status.success())?;
    Some(first_version(&String::from_utf8_lossy(&ended.stdout)).unwrap_or("unknown").to_owned())
}

/// The first word with a digit and a point; it is in the first line, others are about compilers and libraries.
fn first_version(text: &str) -> Option<&str> {
    let mut words = text.lines().next()?.split(|c: char| c.is_whitespace() || ",()".contains(c));
    let version = words.find(|word| word.contains('.') && word.contains(|c: char| c.is_ascii_digit()))?;
    Some(version.trim_start_matches(|c: char| c.is_ascii_alphabetic()))
}

/// How much memory this process had at most, in bytes; nothing where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    #[cfg(target_vendor = "apple")]
    {
        let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).ok()?;
        u64::try_from(usage.max_rss()).ok()
    }
    #[cfg(not(target_vendor = "apple"))]
    {
        // N.B. `getrusage` begins with what the parent had when it started this one.
        let status = fs_err::read_to_string("/proc/self/status").ok()?;
        let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))?;
        Some(kibibytes.parse::<u64>().ok()? * 1024)
    }
}

/// How much memory a process has, in bytes.
pub fn resident(pid: u32) -> Result<f64> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new().context("cannot read the processes of this system")?;
    let memory = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, memory);
    Ok(system.process(pid).with_context(|| format!("process {pid} has ended"))?.memory() as f64)
}

/// Processor time of a process, its threads and its ended children, in seconds.
pub fn processor_time(pid: u32) -> Result<f64> {
    if !cfg!(target_os = "linux") {
        bail!(Failure::new(Exit::Unavailable, "cannot measure processor time: it needs /proc, which only Linux has"));
    }
    let text = fs_err::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may contain spaces. After it the state is field 3, so these are fields 14 to 17.
    let (_, fields) = text.rsplit_once(')').context("a name in parentheses")?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (says, version) in [
            ("*** Zstandard CLI (64-bit) v1.5.4, by Yann Collet ***\n", "1.5.4"),
            ("tar (GNU tar) 1.34\nCopyright (C) 2021", "1.34"),
            ("curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1", "7.88.1"),
            ("pip 24.0 from a place (python 3.12)", "24.0"),
            ("ffmpeg version n9.0.2-17-g2a571b Copyright\nbuilt with gcc 16.2.0", "9.0.2-17-g2a571b"),
        ] {
            assert_eq!(first_version(says), Some(version));
        }
        assert_eq!(first_version("no version at all. 5 files"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_this_process_uses_is_known() {
        let id = std::process::id();
        assert!(peak_memory().unwrap() > 1 << 20);
        assert!(resident(id).unwrap() > 1e6);
        assert!(processor_time(id).unwrap() < 600.0);
    }
}
