//! The operating systems that runtimes are made for.

/// An operating system.
///
/// What depends on one asks for it as a value, so that the tests on one system cover the others.
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

    /// The system of a target triple.
    #[must_use]
    pub fn of(target: &str) -> Self {
        if target.contains("-windows-") {
            Self::Windows
        } else if target.ends_with("-apple-darwin") {
            Self::MacOs
        } else {
            Self::Linux
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triples_name_a_system() {
        assert_eq!(System::of("aarch64-apple-darwin"), System::MacOs);
        assert_eq!(System::of("x86_64-pc-windows-msvc"), System::Windows);
        assert_eq!(System::of("aarch64-unknown-linux-gnu"), System::Linux);
    }
}
