//! The names of runtimes, for people and for programs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of the real runtime, with which all names begin.
const SPEACHES: &str = "speaches";
/// The suffixes of the two miniatures: the sample for users, and the one for tests.
const MINIATURES: [&str; 2] = ["sample", "tones"];

/// The name of a runtime: `speaches`, or `speaches-sample` for the sample. The names of directories begin with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name {
    kind: Option<String>,
}

impl Name {
    pub const SPEACHES: Self = Self { kind: None };

    /// Whether it is a miniature of this repository.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| MINIATURES.contains(&kind))
    }

    /// The kind in capitals, such as `SAMPLE`; the real runtime has none.
    #[must_use]
    pub fn label(&self) -> Option<String> {
        self.kind.as_ref().map(|kind| kind.to_uppercase())
    }

    /// `speaches` or `the SAMPLE of speaches`.
    #[must_use]
    pub fn title(&self) -> String {
        self.label().map_or_else(|| SPEACHES.to_owned(), |label| format!("the {label} of {SPEACHES}"))
    }

    /// `the runtime` or `the SAMPLE runtime`.
    #[must_use]
    pub fn of_runtime(&self) -> String {
        self.label().map_or_else(|| "the runtime".to_owned(), |label| format!("the {label} runtime"))
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name == SPEACHES {
            return Ok(Self::SPEACHES);
        }
        let kind = name.strip_prefix(SPEACHES).and_then(|rest| rest.strip_prefix('-'));
        // It becomes a part of paths.
        match kind.filter(|kind| !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase())) {
            Some(kind) => Ok(Self { kind: Some(kind.to_owned()) }),
            None => Err(format!(
                "`{name}` is not the name of a runtime; valid names are `{SPEACHES}` and `{SPEACHES}-KIND`"
            )),
        }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.to_string()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Some(kind) => write!(formatter, "{SPEACHES}-{kind}"),
            None => formatter.write_str(SPEACHES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_people_are_told() {
        let sample = Name::try_from("speaches-sample".to_owned()).unwrap();
        let told = [sample.title(), sample.of_runtime(), sample.to_string()];
        assert_eq!(told, ["the SAMPLE of speaches", "the SAMPLE runtime", "speaches-sample"]);
        let real = Name::try_from("speaches".to_owned()).unwrap();
        assert_eq!([real.title(), real.of_runtime(), real.to_string()], ["speaches", "the runtime", "speaches"]);
        assert!(sample.is_sample() && !real.is_sample() && real.label().is_none());
    }

    #[test]
    fn a_name_that_is_no_part_of_a_path_is_refused() {
        for name in ["", "sample", "speaches-", "speachessample", "speaches-../x", "speaches-a b", "speaches-A"] {
            assert!(Name::try_from(name.to_owned()).is_err(), "{name}");
        }
    }
}
