//! The machine that a benchmark ran on, without its name and without paths: this is published.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// What of a machine decides about speed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The model of the processor.
    pub processor: String,
    /// Its instruction set.
    pub architecture: String,
    /// How many threads this process may run at the same time.
    pub processors: usize,
    /// In bytes.
    pub memory: u64,
    /// Operating system and its version.
    pub system: String,
    /// Version of the kernel.
    pub kernel: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Result<Self> {
        let asked = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(asked).context("the system tells nothing about this machine")?;
        let brand = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
        Ok(Self {
            processor: brand.filter(|brand| !brand.is_empty()).unwrap_or_else(|| "unknown processor".to_owned()),
            architecture: System::cpu_arch(),
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory: system.total_memory(),
            system: System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.to_owned()),
            kernel: System::kernel_version().map_or_else(|_| "unknown".to_owned(), |version| release(&version)),
        })
    }
}

/// The numbers of a kernel's version: what follows them may name whoever built it.
fn release(version: &str) -> String {
    version.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect()
}

/// How many processes ran or waited for a processor in the last 1, 5 and 15 minutes; Windows does not count them.
pub fn load() -> Option<[f64; 3]> {
    let load = System::load_average().ok().filter(|_| !cfg!(windows))?;
    Some([load.one, load.five, load.fifteen].map(|load| (load * 100.0).round() / 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described() {
        let machine = Machine::here().unwrap();
        assert!(machine.memory > 64 << 20, "{machine:?}");
        assert!(!machine.system.is_empty() && !machine.kernel.is_empty(), "{machine:?}");
        assert_eq!(release("6.18.44-jane-v2"), "6.18.44");
    }
}
