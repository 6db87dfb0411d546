//! Rewritten places, for a table by construct and file.

use std::collections::BTreeSet;
use std::fmt;

/// A kind of thing that newer Pythons have and the target lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Construct {
    /// `class C[T]` (PEP 695).
    GenericClass,
    /// `def f[T]` (PEP 695).
    GenericFunction,
    /// A type parameter that got another name, since its own was taken.
    RenamedTypeParameter,
    /// `type X = …` (PEP 695).
    TypeAlias,
    /// A `type X = …` whose value can only be evaluated later and is therefore kept as text.
    LazyTypeAlias,
    /// An f-string that only the tokenizer of Python 3.12 reads (PEP 701).
    FString,
    /// `*Ts` in a subscript or an annotation (PEP 646).
    Star,
    /// An import of a standard-library name, or of a whole module.
    Import,
    /// A standard-library name reached through its module.
    Attribute,
    /// A builtin name.
    Builtin,
    /// `except TimeoutError` around code that raises another `TimeoutError` on older Pythons.
    TimeoutHandler,
    /// An enumeration whose text or membership is another one on older Pythons.
    Enumeration,
}

impl fmt::Display for Construct {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::GenericClass => "generic class",
            Self::GenericFunction => "generic function",
            Self::RenamedTypeParameter => "renamed type parameter",
            Self::TypeAlias => "type alias",
            Self::LazyTypeAlias => "lazy type alias",
            Self::FString => "f-string",
            Self::Star => "star expression",
            Self::Import => "import",
            Self::Attribute => "attribute",
            Self::Builtin => "builtin",
            Self::TimeoutHandler => "timeout handler",
            Self::Enumeration => "enumeration",
        })
    }
}

/// One place that was rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The construct that was rewritten.
    pub construct: Construct,
    /// Its subject: `asyncio.TaskGroup`, the name of the alias, the head of the function.
    pub subject: String,
    /// The line it stands on, counted from 1, in the source that came in.
    pub line: usize,
    /// The new text.
    pub replacement: String,
}

/// A place that both Pythons read, and that may do something else on the older one: it depends on types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The line it stands on, counted from 1, in the source that came in.
    pub line: usize,
    /// The code, as the source writes it.
    pub construct: String,
    /// The behavior that may differ.
    pub reason: String,
}

/// A distribution on the Python package index that rewritten source imports from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Package {
    /// `backports.strenum`, for `enum.StrEnum`.
    BackportsStrenum,
    /// `exceptiongroup`, for `ExceptionGroup` and `BaseExceptionGroup`.
    Exceptiongroup,
    /// `taskgroup`, for `asyncio.TaskGroup` and `asyncio.timeout`.
    Taskgroup,
    /// `tomli`, for `tomllib`.
    Tomli,
    /// `typing_extensions`, for everything of `typing`.
    TypingExtensions,
}

impl Package {
    /// The normalised name of the distribution, as a requirement would write it.
    #[must_use]
    pub fn distribution(self) -> &'static str {
        match self {
            Self::BackportsStrenum => "backports-strenum",
            Self::Exceptiongroup => "exceptiongroup",
            Self::Taskgroup => "taskgroup",
            Self::Tomli => "tomli",
            Self::TypingExtensions => "typing-extensions",
        }
    }

    /// The oldest version that has everything this crate writes imports of.
    #[must_use]
    pub fn minimum_version(self) -> &'static str {
        match self {
            Self::BackportsStrenum => "1.2.8",
            Self::Exceptiongroup => "1.0.0",
            Self::Taskgroup => "0.2.2",
            Self::Tomli => "1.1.0",
            Self::TypingExtensions => "4.13.0",
        }
    }

    /// The module that it is imported as.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::BackportsStrenum => "backports.strenum",
            Self::Exceptiongroup => "exceptiongroup",
            Self::Taskgroup => "taskgroup",
            Self::Tomli => "tomli",
            Self::TypingExtensions => "typing_extensions",
        }
    }
}

impl fmt::Display for Package {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.distribution())
    }
}

/// The result for one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The rewritten text, or `None` when the file can stay as it is.
    pub text: Option<String>,
    /// Every place that was rewritten, in the order of the file.
    pub findings: Vec<Finding>,
    /// Every place that may behave differently, in the order of the file.
    pub notes: Vec<Note>,
    /// The distributions that the rewritten text imports and the original did not have to.
    pub packages: BTreeSet<Package>,
    /// The first line (counted from 1, in the source that came in) that no longer has its number, if any.
    pub first_moved_line: Option<usize>,
}
