//! Text files that show whether a user or another program has changed them: one line is a comment with the sha256 of
//! all others.
//!
//! So they need no separate record, which could be lost, or contradict the files after half an installation.

use sha2::{Digest as _, Sha256};
use speaches_format::hex;

const MARK: &str = "# speaches-native ";
const WHAT: &str = " made by `speaches harbor install`; a file that was changed is left alone";

/// The state of a file that may have been marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    Untouched,
    /// It has a mark, and is not as it was written.
    Changed,
    /// It was never marked.
    Foreign,
}

/// The text with a mark, behind the line that names its interpreter if it has one.
pub fn mark(text: &str) -> String {
    let end_of_first = text.find('\n').map_or(text.len(), |end| end + 1);
    let at = if text.starts_with("#!") { end_of_first } else { 0 };
    format!("{}{MARK}{}{WHAT}\n{}", &text[..at], digest(text), &text[at..])
}

/// Whether a text is as [`mark`] made it.
pub fn state_of(text: &str) -> Marked {
    let Some((line, digest_in_line)) = text.lines().find_map(|line| {
        let digest = line.strip_prefix(MARK)?.split(' ').next()?;
        Some((line, digest))
    }) else {
        return Marked::Foreign;
    };
    let rest = text.replacen(&format!("{line}\n"), "", 1);
    if digest(&rest) == digest_in_line { Marked::Untouched } else { Marked::Changed }
}

fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_text_is_untouched_until_anything_in_it_changes() {
        for text in ["#!/bin/sh\nexec true\n", "services:\n  a: b\n", "# a comment\nx: 1\n"] {
            let marked = mark(text);
            assert_eq!(state_of(&marked), Marked::Untouched, "{marked}");
            assert_eq!(marked.starts_with("#!"), text.starts_with("#!"));
            assert_eq!(state_of(&format!("{marked}\n")), Marked::Changed);
            assert_eq!(state_of(&marked.replacen(text.lines().last().unwrap(), "another line", 1)), Marked::Changed);
            assert_eq!(state_of(text), Marked::Foreign);
        }
    }
}
