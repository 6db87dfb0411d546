//! The NVIDIA driver, asked by a child of this process: a broken one may crash or hang.
//!
//! The providers that onnxruntime was compiled with tell nothing about the machine, and a file in `/proc` or a tool
//! that is installed not whether CUDA can be used. The driver itself does.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use libloading::Library;
use serde::{Deserialize, Serialize};

use crate::child;

/// The hidden subcommand of the child.
pub const SUBCOMMAND: &str = "nvidia-driver";
pub const LIBRARY: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
/// How long the driver may take. Several hundred milliseconds are usual with many GPUs.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// `CUDA_ERROR_NO_DEVICE`: the driver works, and there is nothing that it could drive or may show.
const NO_DEVICE: c_int = 100;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Nvidia {
    Absent,
    /// The driver exists and cannot be used.
    Broken {
        /// Why, in the middle of a sentence.
        reason: String,
    },
    Present {
        /// How many GPUs it offers; none is possible.
        devices: u32,
        /// The newest CUDA that it knows: 12040 is 12.4.
        cuda: u32,
    },
}

impl Nvidia {
    /// Asks in a child.
    #[must_use]
    pub fn ask() -> Self {
        let Ok(executable) = std::env::current_exe() else {
            return Self::broken("it cannot be queried: this program does not know its own path");
        };
        let mut command = Command::new(executable);
        command.arg(SUBCOMMAND).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        match child::run(&mut command, TIMEOUT) {
            Ok(Some(output)) => Self::understand(&output),
            Ok(None) => Self::broken(format!("it did not answer within {} s", TIMEOUT.as_secs())),
            Err(error) => Self::broken(format!("it cannot be queried: {error}")),
        }
    }

    /// The answer of the child, or how it ended without one.
    fn understand(output: &Output) -> Self {
        // The driver may print something as well, before or after.
        let found = output.stdout.split(|byte| *byte == b'\n').find_map(|line| serde_json::from_slice(line).ok());
        found
            .filter(|_| output.status.success())
            .unwrap_or_else(|| Self::broken(format!("the program that queried it crashed ({})", describe(output))))
    }

    /// Asks in this process, which may not survive it.
    #[must_use]
    pub fn ask_here() -> Self {
        // SAFETY: none can be given for what a driver does when it is loaded; that is why this runs in a child.
        let library = match unsafe { Library::new(LIBRARY) } {
            Ok(library) => library,
            Err(error) => return Self::unloadable(&error),
        };
        // SAFETY: the signatures are those of cuda.h, where every function is `CUDAAPI`.
        let asked = unsafe {
            let initialize = library.get::<unsafe extern "system" fn(c_uint) -> c_int>(b"cuInit\0");
            let version = library.get::<unsafe extern "system" fn(*mut c_int) -> c_int>(b"cuDriverGetVersion\0");
            let count = library.get::<unsafe extern "system" fn(*mut c_int) -> c_int>(b"cuDeviceGetCount\0");
            let (Ok(initialize), Ok(version), Ok(count)) = (initialize, version, count) else {
                return Self::broken(format!("`{LIBRARY}` is not the library of a driver"));
            };
            let initialized = initialize(0);
            let (mut devices, mut cuda) = (0, 0);
            let versioned = version(&raw mut cuda);
            let counted = if initialized == 0 { count(&raw mut devices) } else { 0 };
            let steps = [("cuInit", initialized), ("cuDriverGetVersion", versioned), ("cuDeviceGetCount", counted)];
            steps.into_iter().find(|(_, code)| ![0, NO_DEVICE].contains(code)).map_or(Ok((devices, cuda)), Err)
        };
        match asked {
            Ok((devices, cuda)) => Self::Present {
                devices: u32::try_from(devices).unwrap_or_default(),
                cuda: u32::try_from(cuda).unwrap_or_default(),
            },
            Err((function, code)) => {
                let name = error_name(&library, code).map_or_else(String::new, |name| format!(" ({name})"));
                Self::broken(format!("{function} failed with {code}{name}"))
            }
        }
    }

    /// The loader's message names the file that it did not find; that may be one which the driver needs.
    fn unloadable(error: &libloading::Error) -> Self {
        let (said, missing) = match error {
            libloading::Error::DlOpen { source } => {
                let said = source.to_string();
                let missing = said.starts_with(LIBRARY) && said.contains("No such file");
                (said, missing)
            }
            libloading::Error::LoadLibraryExW { source } => {
                let said = source.to_string();
                let missing = said.contains("(os error 126)"); // ERROR_MOD_NOT_FOUND
                (said, missing)
            }
            other => (other.to_string(), false),
        };
        if missing { Self::Absent } else { Self::broken(format!("it cannot be loaded: {said}")) }
    }

    fn broken(reason: impl Into<String>) -> Self {
        Self::Broken { reason: reason.into() }
    }

    /// Such as `2 GPUs, CUDA 12.4`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Absent => "no NVIDIA driver is installed".to_owned(),
            Self::Broken { reason } => format!("the NVIDIA driver does not work: {reason}"),
            Self::Present { devices: 0, .. } => "the NVIDIA driver offers no GPU".to_owned(),
            Self::Present { devices, cuda } => {
                let plural = if *devices == 1 { "" } else { "s" };
                format!("the NVIDIA driver offers {devices} GPU{plural} with CUDA {}", version_of(*cuda))
            }
        }
    }
}

/// Of 12040, `12.4`.
#[must_use]
pub fn version_of(cuda: u32) -> String {
    format!("{}.{}", cuda / 1000, cuda % 1000 / 10)
}

/// As the driver calls it.
fn error_name(library: &Library, code: c_int) -> Option<String> {
    let mut name: *const c_char = std::ptr::null();
    // SAFETY: the signature is that of cuda.h, and the text that it gives is a constant of the library, if it is one.
    unsafe {
        let function =
            library.get::<unsafe extern "system" fn(c_int, *mut *const c_char) -> c_int>(b"cuGetErrorName\0");
        let found = function.ok()?(code, &raw mut name);
        (found == 0 && !name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}

#[cfg(unix)]
fn describe(output: &Output) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    let signal = output.status.signal().and_then(|number| nix::sys::signal::Signal::try_from(number).ok());
    signal.map_or_else(|| output.status.to_string(), |signal| signal.as_str().to_owned())
}

#[cfg(not(unix))]
fn describe(output: &Output) -> String {
    output.status.to_string()
}
