//! The binaries that machines of a target run, and the floor that the target promises.

use std::fmt;

use anyhow::{Context as _, Result};

use super::image::Format;
use crate::pins::target::Target;

/// A version of glibc, macOS or a library, such as `2.28`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u32; 3]);

impl Version {
    /// Up to three numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self([major, minor, patch])
    }

    /// Reads `2.28` and the like.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = [0; 3];
        for (index, part) in text.split('.').enumerate() {
            *numbers.get_mut(index)? = part.parse().ok()?;
        }
        Some(Self(numbers))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}")?;
        if patch > 0 { write!(f, ".{patch}") } else { Ok(()) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// AMD64
    X86_64,
    /// AArch64
    Arm64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        })
    }
}

/// The platform that a binary must run on.
#[derive(Clone, Debug)]
pub struct Platform {
    pub format: Format,
    pub architecture: Architecture,
    /// The oldest glibc or macOS that the target promises to run on. Windows has no such number in its binaries.
    pub floor: Option<Version>,
}

impl Platform {
    /// The platform of a target, for a runtime with this minor version of Python.
    pub fn of(target: &Target, minor: &str) -> Result<Self> {
        let architecture =
            if target.triple.starts_with("aarch64-") { Architecture::Arm64 } else { Architecture::X86_64 };
        let (format, floor) = if let Some(floor) = target.macos_floor(minor) {
            (Format::MachO, Some(floor.to_owned()))
        } else if let Some(floor) = target.glibc_floor() {
            (Format::Elf, Some(floor))
        } else {
            (Format::Pe, None)
        };
        let floor = match floor {
            None => None,
            Some(text) => Some(Version::parse(&text).with_context(|| format!("`{text}` is not a version"))?),
        };
        Ok(Self { format, architecture, floor })
    }

    pub fn system(&self) -> &'static str {
        if self.format == Format::MachO { "macOS" } else { "glibc" }
    }
}
