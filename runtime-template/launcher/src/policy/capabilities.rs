//! The capabilities of a runtime on a machine, with the reason for each missing one.

use serde::Serialize;
use speaches_format::description::RuntimeInfo;
use speaches_format::system::{Architecture, System};

use crate::machine::{Machine, Nvidia, nvidia};

/// The oldest macOS whose Accelerate has what whisper.cpp's wheel links against (`cblas_sgemm$NEWLAPACK`).
const MACOS_OF_WHISPERCPP: (u32, u32) = (13, 3);
/// The oldest macOS that runs the format `MLProgram`.
const MACOS_OF_COREML: (u32, u32) = (12, 0);

/// The wheels of a runtime that decide which accelerators it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wheels {
    pub target: String,
    /// `cpu`, `coreml` or `cuda`.
    pub accelerator: String,
    /// Whether whisper.cpp is inside.
    pub whispercpp: bool,
    /// The major version of the CUDA libraries, where there are some.
    pub cuda: Option<u32>,
    /// The system and the processor of the target.
    #[serde(skip)]
    pub platform: (System, Architecture),
}

impl Wheels {
    #[must_use]
    pub fn of(info: &RuntimeInfo) -> Self {
        let wheels = || info.wheels();
        Self {
            target: info.target.clone(),
            accelerator: info.accelerator.clone(),
            whispercpp: wheels().any(|wheel| wheel.name == "pywhispercpp"),
            // Until CUDA 12 it is `nvidia-cuda-runtime-cu12`, since 13 there is no number in the name.
            cuda: wheels()
                .filter(|wheel| wheel.name.starts_with("nvidia-cuda-runtime"))
                .find_map(|wheel| wheel.version.as_deref()?.split('.').next()?.parse().ok())
                .filter(|_| info.accelerator == "cuda"),
            platform: (info.system(), Architecture::of(&info.target)),
        }
    }

    /// Whether the NVIDIA driver has to be asked at all.
    #[must_use]
    pub fn may_use_cuda(&self) -> bool {
        self.accelerator == "cuda"
    }

    fn is_macos(&self) -> bool {
        self.platform.0 == System::MacOs
    }

    /// Whether it is for Macs with a GPU that shares the memory of the processor.
    #[must_use]
    pub fn is_apple_silicon(&self) -> bool {
        self.platform == (System::MacOs, Architecture::Arm64)
    }
}

/// Either nothing is in the way, or what is, as a sentence without its full stop.
pub type Capability = Result<(), String>;

/// Everything but the CPU with faster-whisper and onnxruntime, which is always there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Transcribing with whisper.cpp, on any device.
    pub whispercpp: Capability,
    pub metal: Capability,
    pub coreml: Capability,
    /// Both on a GPU of NVIDIA's.
    pub cuda: Capability,
}

impl Capabilities {
    #[must_use]
    pub fn of(wheels: &Wheels, machine: &Machine) -> Self {
        let whispercpp = whispercpp(wheels, machine);
        let metal = if wheels.is_apple_silicon() {
            whispercpp.clone()
        } else {
            Err("Metal is used on Macs with Apple Silicon only".to_owned())
        };
        Self { whispercpp, metal, coreml: coreml(wheels, machine), cuda: cuda(wheels, machine) }
    }
}

fn whispercpp(wheels: &Wheels, machine: &Machine) -> Capability {
    if !wheels.whispercpp {
        return Err("this runtime was made without whisper.cpp".to_owned());
    }
    if wheels.is_macos() {
        at_least(machine, MACOS_OF_WHISPERCPP, "whisper.cpp")?;
    }
    if machine.missing_instructions.is_empty() {
        return Ok(());
    }
    Err(format!("this processor lacks {}, which whisper.cpp uses", machine.missing_instructions.join(" and ")))
}

fn coreml(wheels: &Wheels, machine: &Machine) -> Capability {
    if !wheels.is_macos() {
        return Err("CoreML is a part of macOS".to_owned());
    }
    if wheels.accelerator != "coreml" {
        return Err("this runtime was made without CoreML".to_owned());
    }
    at_least(machine, MACOS_OF_COREML, "CoreML")
}

fn at_least(machine: &Machine, least: (u32, u32), what: &str) -> Capability {
    match machine.macos {
        Some(version) if version < least => {
            Err(format!("{what} needs macOS {}.{} or newer, and this is {}", least.0, least.1, machine.system))
        }
        // One that does not say its version is new enough for the launcher, at least.
        _ => Ok(()),
    }
}

fn cuda(wheels: &Wheels, machine: &Machine) -> Capability {
    if !wheels.may_use_cuda() {
        let advice = "`cargo xtask provision --accelerator cuda` makes one with it";
        return Err(format!("this runtime was made without CUDA; {advice}"));
    }
    match &machine.nvidia {
        None => Err("the NVIDIA driver was not queried".to_owned()),
        // Within a major version of CUDA, an older driver runs newer libraries.
        Some(Nvidia::Present { devices: 1.., cuda }) => match wheels.cuda.filter(|needed| cuda / 1000 < *needed) {
            None => Ok(()),
            Some(needed) => Err(format!(
                "the NVIDIA driver supports CUDA up to {}, but this runtime needs CUDA {needed}: update the driver",
                nvidia::version_of(*cuda)
            )),
        },
        Some(other) => Err(other.describe()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::info;
    use speaches_format::input::{Input, Kind, Origin};

    #[test]
    fn wheels_are_known_by_their_names() {
        let mut info = info();
        info.accelerator = "cuda".into();
        let wheels = |info: &RuntimeInfo| Wheels::of(info);
        assert_eq!((wheels(&info).cuda, wheels(&info).whispercpp), (None, false));
        let input = |kind: Kind, name: &str, version: &str| Input {
            kind,
            name: name.to_owned(),
            version: Some(version.to_owned()),
            file: None,
            origin: Origin::PackageIndex,
            sha256: String::new(),
            pinned: true,
        };
        let mut add = |kind: Kind, name: &str, version: &str| {
            info.inputs.push(input(kind, name, version));
            wheels(&info)
        };
        assert!(!add(Kind::Model, "pywhispercpp", "1.5.1").whispercpp, "what is no wheel");
        assert!(add(Kind::Wheel, "pywhispercpp", "1.5.1").whispercpp);
        assert_eq!(add(Kind::Wheel, "nvidia-cuda-runtime-cu12", "12.9.79").cuda, Some(12));
        info.inputs = vec![input(Kind::Wheel, "nvidia-cuda-runtime", "13.1.80")];
        assert_eq!(wheels(&info).cuda, Some(13));
    }
}
