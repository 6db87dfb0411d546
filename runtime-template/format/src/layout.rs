//! The paths inside a runtime, relative to its root, with `/` on every system.

use crate::system::System;

pub const DESCRIPTION: &str = "runtime.json";
pub const PYTHON: &str = "python";
/// Working directory of the service: upstream opens files relative to it.
pub const APP: &str = "app";
pub const SERVICE: &str = "service";
/// The script that the launcher turns into.
pub const SERVICE_MANAGER: &str = "service/speaches_service_manager.py";
/// A Hugging Face cache with the bundled models.
pub const MODELS_HUB: &str = "models/hub";
/// The Harbor contract, which is also the YAML layer of the configuration.
pub const CONTRACT: &str = "speaches_native.yml";
pub const HARBOR: &str = "harbor";
pub const LICENSES: &str = "licenses";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `bin/`, `lib/python3.x/`
    Unix,
    /// `python.exe`, `Lib\`
    Windows,
}

impl Family {
    #[must_use]
    pub fn of(target: &str) -> Self {
        Self::of_system(System::of(target))
    }

    #[must_use]
    pub const fn of_system(system: System) -> Self {
        match system {
            System::Linux | System::MacOs => Self::Unix,
            System::Windows => Self::Windows,
        }
    }

    #[must_use]
    pub const fn launcher(self) -> &'static str {
        match self {
            Self::Unix => "bin/speaches",
            Self::Windows => "bin/speaches.exe",
        }
    }

    /// The interpreter of a Python minor version such as `3.12`, inside [`PYTHON`].
    #[must_use]
    pub fn interpreter(self, minor: &str) -> String {
        match self {
            Self::Unix => format!("bin/python{minor}"),
            Self::Windows => "python.exe".to_owned(),
        }
    }

    /// The standard library, inside [`PYTHON`].
    #[must_use]
    pub fn standard_library(self, minor: &str) -> String {
        match self {
            Self::Unix => format!("lib/python{minor}"),
            Self::Windows => "Lib".to_owned(),
        }
    }

    /// The directory of installed packages, inside [`PYTHON`].
    #[must_use]
    pub fn site_packages(self, minor: &str) -> String {
        format!("{}/site-packages", self.standard_library(minor))
    }
}
