//! The kinds of problems of binaries.

use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It cannot be read.
    Damaged,
    Format,
    Architecture,
    /// It loads from a place outside the runtime and the system.
    LoadPath,
    /// It loads something that neither the runtime nor the system has.
    Library,
    /// It loads a library that CPython brings on this target, and this CPython does not.
    PythonLibrary,
    /// It is for a newer system than the target promises.
    Floor,
    /// It is not signed, or not as its bytes are.
    Signature,
    /// It wants a stack with executable memory.
    Stack,
}

impl Kind {
    pub fn why(self) -> &'static str {
        match self {
            Self::Damaged => "no system loads it",
            Self::Format => "the system of the target cannot load it",
            Self::Architecture => "the processor of the target cannot run it",
            Self::LoadPath => "what lies there differs from machine to machine",
            Self::Library | Self::PythonLibrary => "loading it fails on a machine that has no such library",
            Self::Floor => "it does not load on the oldest systems that the target promises",
            Self::Signature => "Apple Silicon kills a process that runs it",
            Self::Stack => "glibc 2.41 and newer refuse to load it",
        }
    }
}
