//! The machine that a benchmark runs on: what of it decides about speed.

use anyhow::{Context as _, Result};
use serde::Serialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};
use xtask::bench_api::human_size;

#[derive(Debug, Serialize)]
pub struct Machine {
    processor: String,
    architecture: String,
    /// How many threads this process may run at the same time.
    processors: usize,
    /// In bytes.
    memory: u64,
    system: String,
    kernel: String,
    /// How many processes ran or waited in the last 1, 5 and 15 minutes; Windows does not count them.
    load: Option<[f64; 3]>,
    /// Whether this was built with the checks that a build for development has.
    debug: bool,
}

impl Machine {
    pub fn here() -> Result<Self> {
        let memory = MemoryRefreshKind::nothing().with_ram();
        let asked = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(memory);
        let system = System::new_with_specifics(asked).context("cannot read the properties of this machine")?;
        let brand = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
        Ok(Self {
            processor: brand.filter(|brand| !brand.is_empty()).unwrap_or_else(|| "unknown processor".to_owned()),
            architecture: System::cpu_arch(),
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory: system.total_memory(),
            system: System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.to_owned()),
            kernel: System::kernel_version().unwrap_or_else(|_| "unknown".to_owned()),
            load: System::load_average()
                .ok()
                .filter(|_| !cfg!(windows))
                .map(|load| [load.one, load.five, load.fifteen]),
            debug: cfg!(debug_assertions),
        })
    }

    pub fn line(&self) -> String {
        let load = self.load.map_or_else(String::new, |[one, five, fifteen]| {
            format!("; load in 1, 5 and 15 minutes before: {one:.2}, {five:.2}, {fifteen:.2}")
        });
        format!(
            "machine: {}, {}, {} at once, {}; {}, kernel {}{load}; this tool {}, built for {}",
            self.processor,
            self.architecture,
            self.processors,
            human_size(self.memory),
            self.system,
            self.kernel,
            env!("CARGO_PKG_VERSION"),
            if self.debug { "development" } else { "release" }
        )
    }
}
