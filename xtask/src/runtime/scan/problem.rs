//! Problems of binaries: the kind, the subject, and the sentence for people.
//!
//! The tool compares entries of `manifests/binaries.toml` with kind and subject, never with the sentence.

use std::fmt;

use super::image::Format;
use super::kind::Kind;
use super::platform::{Architecture, Version};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It cannot be read, for this reason.
    Damaged(String),
    Format {
        format: Format,
        wanted: Format,
    },
    /// It is of another system of Apple's, by its number in `LC_BUILD_VERSION`.
    ApplePlatform(u32),
    /// It is for another processor, or for another form of the right one.
    ElfMachine {
        bits: u8,
        machine: u16,
        wanted: Architecture,
    },
    MachOProcessor {
        processor: u32,
        wanted: Architecture,
    },
    PeMachine {
        machine: u16,
        wanted: Architecture,
    },
    /// It is universal, and none of its slices is for the processor.
    NoSlice {
        wanted: Architecture,
    },
    Loader {
        path: String,
        wanted: &'static str,
    },
    /// It looks for all of its libraries in a directory, too.
    Directory(String),
    /// It looks for one library in a directory.
    DirectoryOf {
        library: String,
        directory: String,
    },
    File(String),
    /// It needs a library that is nowhere.
    Library(String),
    /// It needs a library that CPython brings, and this CPython does not.
    PythonLibrary(String),
    /// The first file of a chain is missing.
    NoChain {
        files: String,
        reason: String,
    },
    /// A library of a chain is not loaded.
    NotLoaded {
        library: String,
        reason: String,
    },
    /// It needs a newer glibc.
    Glibc {
        needed: Version,
        floor: Version,
    },
    /// It is built for a newer macOS.
    MacOs {
        needed: Version,
        floor: Version,
    },
    /// It needs a symbol version that a library of the system does not promise.
    SymbolVersion {
        library: String,
        version: String,
    },
    /// It has no signature.
    Unsigned,
    /// Its signature has no list of hashes that macOS knows.
    NoCodeDirectory,
    /// A part of it has no hash.
    PartlySigned,
    /// The bytes of a page differ from the signed ones.
    ChangedPage {
        index: u64,
        count: u64,
    },
    /// It wants a stack with executable memory.
    ExecutableStack,
}

impl Problem {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Damaged(_) => Kind::Damaged,
            Self::Format { .. } | Self::ApplePlatform(_) => Kind::Format,
            Self::ElfMachine { .. } | Self::MachOProcessor { .. } | Self::PeMachine { .. } | Self::NoSlice { .. } => {
                Kind::Architecture
            }
            Self::Loader { .. } | Self::Directory(_) | Self::DirectoryOf { .. } | Self::File(_) => Kind::LoadPath,
            Self::Library(_) | Self::NoChain { .. } | Self::NotLoaded { .. } => Kind::Library,
            Self::PythonLibrary(_) => Kind::PythonLibrary,
            Self::Glibc { .. } | Self::MacOs { .. } | Self::SymbolVersion { .. } => Kind::Floor,
            Self::Unsigned | Self::NoCodeDirectory | Self::PartlySigned | Self::ChangedPage { .. } => Kind::Signature,
            Self::ExecutableStack => Kind::Stack,
        }
    }

    /// The subject, in a form that does not depend on the wording. The head of `binaries.toml` lists
    /// the forms.
    pub fn about(&self) -> String {
        match self {
            // Nothing but the file itself.
            Self::Damaged(_) | Self::ExecutableStack => String::new(),
            Self::Format { format, .. } => format.to_string(),
            Self::ApplePlatform(number) => format!("Apple {number}"),
            Self::ElfMachine { bits, machine, .. } => format!("ELF{bits} {machine}"),
            Self::MachOProcessor { processor, .. } => format!("Mach-O {processor:#x}"),
            Self::PeMachine { machine, .. } => format!("PE {machine:#06x}"),
            Self::NoSlice { .. } => "universal".to_owned(),
            Self::Loader { path: place, .. }
            | Self::Directory(place)
            | Self::DirectoryOf { directory: place, .. }
            | Self::File(place) => place.clone(),
            Self::Library(name) | Self::PythonLibrary(name) => name.clone(),
            Self::NoChain { files: name, .. } | Self::NotLoaded { library: name, .. } => name.clone(),
            Self::Glibc { needed, .. } => format!("glibc {needed}"),
            Self::MacOs { needed, .. } => format!("macOS {needed}"),
            // As package managers write it.
            Self::SymbolVersion { library, version } => format!("{library}({version})"),
            Self::Unsigned => "none".to_owned(),
            Self::NoCodeDirectory => "directory".to_owned(),
            Self::PartlySigned => "size".to_owned(),
            Self::ChangedPage { .. } => "bytes".to_owned(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(why) => write!(f, "it is damaged: {why}"),
            Self::Format { format, wanted } => write!(f, "it is {format}, not {wanted}"),
            Self::ApplePlatform(number) => write!(f, "it is for Apple's platform {number}, which is not macOS"),
            Self::ElfMachine { bits, machine, wanted } => {
                write!(f, "it is for the {bits}-bit ELF machine {machine}, not for {wanted}")
            }
            Self::MachOProcessor { processor, wanted } => {
                write!(f, "it is for the Mach-O processor {processor:#x}, not for {wanted}")
            }
            Self::PeMachine { machine, wanted } => {
                write!(f, "it is for the PE machine {machine:#06x}, not for {wanted}")
            }
            Self::NoSlice { wanted } => write!(f, "it is universal, without {wanted}"),
            Self::Loader { path, wanted } => write!(f, "it is started by `{path}` instead of `{wanted}`"),
            Self::Directory(directory) => write!(f, "it looks for libraries in `{directory}`"),
            Self::DirectoryOf { library, directory } => write!(f, "it looks for `{library}` in `{directory}`"),
            Self::File(path) => write!(f, "it loads `{path}`"),
            Self::Library(name) | Self::PythonLibrary(name) => write!(f, "it needs `{name}`"),
            Self::NoChain { reason, .. } => write!(f, "it is missing, and is for {reason}"),
            Self::NotLoaded { library, reason } => write!(f, "it does not load `{library}…`, which is for {reason}"),
            Self::Glibc { needed, floor } => write!(f, "it needs glibc {needed}, and the target promises {floor}"),
            Self::MacOs { needed, floor } => {
                write!(f, "it is for macOS {needed} or newer, and the target promises {floor}")
            }
            Self::SymbolVersion { library, version } => write!(f, "it needs {version} of `{library}`"),
            Self::Unsigned => f.write_str("it is not signed"),
            Self::NoCodeDirectory => f.write_str("its signature has no code directory that macOS knows"),
            Self::PartlySigned => f.write_str("its signature does not cover all of it"),
            Self::ChangedPage { index, count } => {
                write!(f, "its signature is not that of its bytes, from page {index} of {count} on")
            }
            Self::ExecutableStack => f.write_str("it asks for an executable stack"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_has_a_thing_for_the_manifest_and_a_sentence_for_people() {
        let (x86_64, arm64) = (Architecture::X86_64, Architecture::Arm64);
        let (low, high) = (Version::new(2, 28, 0), Version::new(2, 36, 1));
        let text = str::to_owned;
        let all = [
            (Problem::Damaged(text("why")), "", "it is damaged: why"),
            (Problem::Format { format: Format::Pe, wanted: Format::Elf }, "PE", "it is PE, not ELF"),
            (Problem::ApplePlatform(7), "Apple 7", "it is for Apple's platform 7, which is not macOS"),
            (
                Problem::ElfMachine { bits: 64, machine: 183, wanted: x86_64 },
                "ELF64 183",
                "it is for the 64-bit ELF machine 183, not for x86_64",
            ),
            (
                Problem::MachOProcessor { processor: 0x0100_0007, wanted: arm64 },
                "Mach-O 0x1000007",
                "it is for the Mach-O processor 0x1000007, not for arm64",
            ),
            (
                Problem::PeMachine { machine: 0x14c, wanted: x86_64 },
                "PE 0x014c",
                "it is for the PE machine 0x014c, not for x86_64",
            ),
            (Problem::NoSlice { wanted: arm64 }, "universal", "it is universal, without arm64"),
            (Problem::Loader { path: text("/a"), wanted: "/b" }, "/a", "it is started by `/a` instead of `/b`"),
            (Problem::Directory(text("/a")), "/a", "it looks for libraries in `/a`"),
            (Problem::DirectoryOf { library: text("b"), directory: text("/a") }, "/a", "it looks for `b` in `/a`"),
            (Problem::File(text("/a/b")), "/a/b", "it loads `/a/b`"),
            (Problem::Library(text("a.so")), "a.so", "it needs `a.so`"),
            (Problem::PythonLibrary(text("a.dll")), "a.dll", "it needs `a.dll`"),
            (Problem::NoChain { files: text("a*"), reason: text("speed") }, "a*", "it is missing, and is for speed"),
            (
                Problem::NotLoaded { library: text("a."), reason: text("speed") },
                "a.",
                "it does not load `a.…`, which is for speed",
            ),
            (
                Problem::Glibc { needed: high, floor: low },
                "glibc 2.36.1",
                "it needs glibc 2.36.1, and the target promises 2.28",
            ),
            (
                Problem::MacOs { needed: high, floor: low },
                "macOS 2.36.1",
                "it is for macOS 2.36.1 or newer, and the target promises 2.28",
            ),
            (
                Problem::SymbolVersion { library: text("a.so"), version: text("A_1") },
                "a.so(A_1)",
                "it needs A_1 of `a.so`",
            ),
            (Problem::Unsigned, "none", "it is not signed"),
            (Problem::NoCodeDirectory, "directory", "its signature has no code directory that macOS knows"),
            (Problem::PartlySigned, "size", "its signature does not cover all of it"),
            (
                Problem::ChangedPage { index: 1, count: 3 },
                "bytes",
                "its signature is not that of its bytes, from page 1 of 3 on",
            ),
            (Problem::ExecutableStack, "", "it asks for an executable stack"),
        ];
        for (problem, about, sentence) in all {
            assert_eq!((problem.about().as_str(), problem.to_string().as_str()), (about, sentence));
        }
    }
}
