//! Chooses the linker of a launcher: the linker of this machine, or zig.

use std::process::Command;

use crate::base::program;
use crate::pins::target::Target;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Linker {
    /// The linker of this machine. On Linux the launcher then needs the glibc of this machine.
    Host,
    /// zig, for any system and, on Linux, for the oldest glibc that the target promises.
    Zig,
}

impl Linker {
    /// rustc alone has no linker for another system, and that of a Linux machine links to the glibc it finds there.
    pub(super) fn choose(target: &Target) -> Self {
        let foreign = !target.is_host();
        if foreign || (target.glibc_floor().is_some() && has_zig()) { Self::Zig } else { Self::Host }
    }

    /// The target's name in rustc. zig has none of the libraries of Microsoft's compiler, which a launcher links to
    /// on Windows; one that is linked to MinGW's runs there as well.
    pub(super) fn rust_target(self, target: &Target) -> String {
        match self {
            Self::Host => target.triple.clone(),
            Self::Zig => target.triple.replace("-windows-msvc", "-windows-gnu"),
        }
    }
}

/// Whether PATH has cargo-zigbuild; it may be there without the zig that it is to call.
pub(super) fn has_zig() -> bool {
    let asked = program::output(Command::new("cargo-zigbuild").args(["zig", "cc", "--", "--version"]));
    asked.is_ok_and(|output| output.status.success())
}
