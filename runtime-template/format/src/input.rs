//! The inputs of a runtime, as `runtime.json` records them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that went into a runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    pub kind: Kind,
    /// `CPython`; `speaches` for its source and for the launcher; `service` for the template; the normalised name of a
    /// wheel; the name of a model in `--models`.
    pub name: String,
    /// A version; the revision of a model. Inputs from this repository have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// For a wheel: its file name, as package indexes have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    pub origin: Origin,
    /// Identifies the input, as 64 hexadecimal digits. For an archive, a wheel or a given launcher: the sha256 of the
    /// file. For speaches, a copied CPython and the template: that of a list of their files. For a model: that of its
    /// id, revision and files as JSON. For a built launcher: that of everything it is built from.
    pub sha256: String,
    /// Whether the committed manifests and locks pin these bytes.
    pub pinned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Python,
    /// An interpreter that compiles bytecode for another system. It is in no runtime.
    Compiler,
    Speaches,
    Wheel,
    Model,
    /// Programs that link the launcher for another system. They are in no runtime.
    Linker,
    Launcher,
    /// The service manager and the Harbor contract.
    Template,
}

impl Kind {
    /// Whether runtimes contain inputs of this kind.
    #[must_use]
    pub const fn is_in_runtimes(self) -> bool {
        match self {
            Self::Compiler | Self::Linker => false,
            Self::Python | Self::Speaches | Self::Wheel | Self::Model | Self::Launcher | Self::Template => true,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Python => "python",
            Self::Compiler => "compiler",
            Self::Speaches => "speaches",
            Self::Wheel => "wheel",
            Self::Model => "model",
            Self::Linker => "linker",
            Self::Launcher => "launcher",
            Self::Template => "template",
        })
    }
}

/// The source of an input, without anything about the machine that fetched it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Url(String),
    Git {
        repository: String,
        /// 40 hexadecimal digits.
        commit: String,
    },
    PackageIndex,
    /// A Hugging Face cache of the user.
    ModelCache,
    /// A directory of the repository of the tool.
    Repository {
        /// git's id of it.
        tree: String,
    },
    UserTree {
        /// git's id of it.
        tree: String,
    },
    UserArchive,
    Interpreter,
    Given,
    /// Built from the workspace of the tool.
    Built {
        /// Whether it runs only on systems as new as that of the building machine.
        needs_this_system: bool,
    },
    /// Files of the workspace of the tool.
    Workspace,
}

impl Origin {
    /// The public address of the input, if it has one.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Url(url) => Some(url),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Git { repository, commit } => write!(f, "{repository}@{commit}"),
            Self::PackageIndex => f.write_str("the package index"),
            Self::ModelCache => f.write_str("a Hugging Face cache"),
            Self::Repository { tree } => write!(f, "this repository (git tree {tree})"),
            Self::UserTree { tree } => write!(f, "a tree of the user (git tree {tree})"),
            Self::UserArchive => f.write_str("an archive of the user"),
            Self::Interpreter => f.write_str("copied from an interpreter of the building machine"),
            Self::Given => f.write_str("given"),
            Self::Built { needs_this_system: false } => f.write_str("built from the workspace"),
            Self::Built { needs_this_system: true } => {
                f.write_str("built from the workspace, for systems as new as that of the building machine")
            }
            Self::Workspace => f.write_str("the workspace"),
        }
    }
}
