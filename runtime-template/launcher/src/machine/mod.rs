//! The hardware of this machine, and earlier findings about it.

pub mod findings;
pub mod nvidia;
pub mod system;

use serde::Serialize;

pub use nvidia::Nvidia;

use speaches_format::system::System;

/// The machine that this program runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The operating system and its version, such as `macOS 15.1` or `Linux 6.1.0-18-amd64`.
    pub system: String,
    /// The version of macOS, major and minor.
    pub macos: Option<(u32, u32)>,
    /// Name of the processor; its architecture where the system does not tell the name.
    pub processor: String,
    /// The instructions of x86 that this processor lacks and that the published wheels of whisper.cpp are compiled for.
    pub missing_instructions: Vec<&'static str>,
    /// The answer of the NVIDIA driver; `None` when it was not asked.
    pub nvidia: Option<Nvidia>,
}

impl Machine {
    /// All that is known without asking a driver.
    #[must_use]
    pub fn here() -> Self {
        let version = system::version();
        let macos = version.as_deref().filter(|_| System::HERE == System::MacOs).and_then(major_and_minor);
        Self {
            system: [Some(System::HERE.name().to_owned()), version].into_iter().flatten().collect::<Vec<_>>().join(" "),
            macos,
            processor: system::processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            missing_instructions: missing_instructions(),
            nvidia: None,
        }
    }
}

/// Of `15.1.1`, 15 and 1.
fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next().unwrap_or(Ok(0)).ok()?))
}

#[cfg(target_arch = "x86_64")]
fn missing_instructions() -> Vec<&'static str> {
    let known = [
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("bmi2", std::is_x86_feature_detected!("bmi2")),
        ("f16c", std::is_x86_feature_detected!("f16c")),
    ];
    known.into_iter().filter(|(_, there)| !there).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn missing_instructions() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_may_have_one_two_or_three_numbers() {
        assert_eq!(major_and_minor("15.1.1"), Some((15, 1)));
        assert_eq!(major_and_minor("26"), Some((26, 0)));
        assert_eq!(major_and_minor("beta"), None);
    }

    #[test]
    fn this_machine_has_a_system_with_a_version_and_a_processor() {
        let machine = Machine::here();
        println!("{machine:?}");
        assert!(!machine.processor.trim().is_empty());
        assert!(cfg!(windows) || machine.system.contains(|character: char| character.is_ascii_digit()));
        assert_eq!(machine.macos.is_some(), cfg!(target_os = "macos"));
    }
}
