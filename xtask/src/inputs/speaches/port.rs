//! Ports several files at once, and reports all refusals together.

use std::borrow::Cow;
use std::collections::BTreeSet;

use anyhow::{Result, bail};
use downlevel::{Finding, Note, Package, Target};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::base::failure::{Exit, Failure};

pub struct PortedFile<'a> {
    pub path: &'a str,
    pub original: &'a [u8],
    /// The ported bytes; borrowed when nothing had to change.
    pub content: Cow<'a, [u8]>,
    pub findings: Vec<Finding>,
    /// Code that may behave differently.
    pub notes: Vec<Note>,
    /// The packages that it imports and the original did not.
    pub packages: BTreeSet<Package>,
    /// The first line that has another number than before.
    pub first_moved_line: Option<usize>,
}

/// Ports the Python files among these; `None` leaves all as they are.
///
/// Either all files can be ported, or the error names every construct that cannot.
pub fn port<'a>(files: Vec<(&'a str, &'a [u8])>, target: Option<Target>) -> Result<Vec<PortedFile<'a>>> {
    let ported = files.into_par_iter().map(|(path, bytes)| one(path, bytes, target)).collect::<Vec<_>>();
    let mut refusals = Vec::new();
    let mut files = Vec::with_capacity(ported.len());
    for result in ported {
        match result {
            Ok(file) => files.push(file),
            Err(refused) => refusals.push(refused),
        }
    }
    match target {
        Some(target) if !refusals.is_empty() => bail!(
            Failure::new(Exit::Data, format!("this cannot be ported to Python {target}:\n{}", refusals.join("\n")))
                .hint("Python 3.12 needs no port")
        ),
        _ => Ok(files),
    }
}

fn one<'a>(path: &'a str, bytes: &'a [u8], target: Option<Target>) -> Result<PortedFile<'a>, String> {
    let mut file = PortedFile {
        path,
        original: bytes,
        content: Cow::Borrowed(bytes),
        findings: Vec::new(),
        notes: Vec::new(),
        packages: BTreeSet::new(),
        first_moved_line: None,
    };
    let Some(target) = target.filter(|_| path.ends_with(".py")) else {
        return Ok(file);
    };
    let text = std::str::from_utf8(bytes).map_err(|error| format!("{path}: is not UTF-8: {error}"))?;
    let outcome = downlevel::downlevel(path, text, target).map_err(|refused| refused.to_string())?;
    if let Some(text) = outcome.text {
        file.content = Cow::Owned(text.into_bytes());
    }
    file.findings = outcome.findings;
    file.notes = outcome.notes;
    file.packages = outcome.packages;
    file.first_moved_line = outcome.first_moved_line;
    Ok(file)
}
