//! Why a file could not be rewritten.

use std::fmt;

/// One construct that has no faithful form at the target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The file, as the caller named it.
    pub path: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The construct, as the source writes it.
    pub construct: String,
    /// Why it was refused, as the rest of a sentence that begins with the construct.
    pub reason: String,
    /// The hint for a person.
    pub hint: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, construct, reason, hint, .. } = self;
        write!(formatter, "{path}:{line}: `{construct}` {reason}")?;
        match hint {
            Some(hint) => write!(formatter, "; hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything in one file that has no faithful form at the target; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusals(Vec<Refusal>);

impl Refusals {
    /// `Err` with the refusals in the order of the file, or `Ok` when there are none.
    pub(crate) fn check(mut refusals: Vec<Refusal>) -> Result<(), Self> {
        if refusals.is_empty() {
            return Ok(());
        }
        refusals.sort_by_key(|refusal| (refusal.line, refusal.column));
        refusals.dedup();
        Err(Self(refusals))
    }

    /// The refusals, in the order of the file.
    #[must_use]
    pub fn as_slice(&self) -> &[Refusal] {
        &self.0
    }
}

impl IntoIterator for Refusals {
    type Item = Refusal;
    type IntoIter = std::vec::IntoIter<Refusal>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refusal) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            refusal.fmt(formatter)?;
        }
        Ok(())
    }
}
