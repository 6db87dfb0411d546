//! The operating systems that runtimes are made for.

/// An operating system.
///
/// Callers pass the system as a value, so that the tests on one system cover the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// With glibc.
    Linux,
    /// On Apple Silicon or Intel.
    MacOs,
    /// 10 or newer.
    Windows,
}

impl System {
    /// The one that this program was compiled for.
    pub const HERE: Self = if cfg!(target_os = "macos") {
        Self::MacOs
    } else if cfg!(windows) {
        Self::Windows
    } else {
        Self::Linux
    };

    #[must_use]
    pub fn of(target: &str) -> Self {
        // "<arch><sub>-<vendor>-<sys>-<env>", as Rust's Platform Support names its targets
        match target.split('-').nth(2) {
            Some("windows") => Self::Windows,
            Some("darwin") => Self::MacOs,
            _ => Self::Linux,
        }
    }

    /// As its maker writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::MacOs => "macOS",
            Self::Windows => "Windows",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    Arm64,
    /// Intel's and AMD's.
    X86,
}

impl Architecture {
    #[must_use]
    pub fn of(target: &str) -> Self {
        match target.split('-').next() {
            Some("aarch64") => Self::Arm64,
            _ => Self::X86,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triples_name_a_processor_and_a_system() {
        for (target, architecture, system) in [
            ("aarch64-apple-darwin", Architecture::Arm64, System::MacOs),
            ("x86_64-apple-darwin", Architecture::X86, System::MacOs),
            ("x86_64-pc-windows-msvc", Architecture::X86, System::Windows),
            ("x86_64-pc-windows-gnu", Architecture::X86, System::Windows),
            ("aarch64-unknown-linux-gnu", Architecture::Arm64, System::Linux),
            ("x86_64-unknown-linux-gnu", Architecture::X86, System::Linux),
        ] {
            assert_eq!((Architecture::of(target), System::of(target)), (architecture, system), "{target}");
        }
    }
}
