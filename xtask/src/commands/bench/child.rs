//! The processes that are measured.

use std::process::Output;

use anyhow::{Context as _, Result, bail};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::failure::{Exit, Failure};

/// Fails when one of them did, with what it said.
pub fn check(who: &str, output: &Output) -> Result<()> {
    if !output.status.success() {
        bail!(Failure::new(
            Exit::Unavailable,
            format!("{who} failed: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end())
        ));
    }
    Ok(())
}

/// How much memory this process had at most, in bytes.
#[cfg(target_os = "linux")]
pub fn peak_memory() -> Option<u64> {
    // N.B. `getrusage` begins with what the parent had when it started this one.
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))?;
    Some(kibibytes.parse::<u64>().ok()? * 1024)
}

/// How much memory this process had at most, in bytes.
#[cfg(target_vendor = "apple")]
pub fn peak_memory() -> Option<u64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).ok()?;
    u64::try_from(usage.max_rss()).ok()
}

/// How much memory this process had at most, in bytes.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub fn peak_memory() -> Option<u64> {
    None
}

/// How much memory a process has, in bytes.
pub fn resident(pid: u32) -> Result<u64> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new().context("this system does not tell about processes")?;
    let memory = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, memory);
    Ok(system.process(pid).with_context(|| format!("there is no process {pid} any more"))?.memory())
}

/// Processor time of a process, its threads and its ended children, in seconds.
pub fn processor_time(pid: u32) -> Result<f64> {
    if !cfg!(target_os = "linux") {
        bail!(Failure::new(Exit::Unavailable, "processor time is read from /proc, which only Linux has"));
    }
    let text = fs_err::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may contain spaces. After it the state is field 3, so these are fields 14 to 17.
    let (_, fields) = text.rsplit_once(')').context("a name in parentheses")?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks as f64 / 100.0)
}
