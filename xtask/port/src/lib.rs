//! Rewrites Python source for an older minor version of CPython, or says why it cannot.
//!
//! A library without any input or output: source text goes in, rewritten text and findings come out.
//!
//! ```
//! use downlevel::{Target, downlevel};
//!
//! let source = "type Number = int | float\n";
//! let outcome = downlevel("numbers.py", source, Target::PYTHON_3_10)?;
//! assert_eq!(
//!     outcome.text.as_deref(),
//!     Some("from typing_extensions import TypeAliasType; Number = TypeAliasType(\"Number\", int | float)\n"),
//! );
//! # Ok::<(), downlevel::Refusals>(())
//! ```
//!
//! Every rule edits byte ranges found by one parser (tree-sitter), so formatting, comments and line numbers
//! stay. Every result is then proved by a second, unrelated parser (ruff's): see [`prove`].

#![warn(missing_docs)]

mod alias;
mod doubtful;
mod edit;
mod enums;
mod finding;
mod fstring;
mod guard;
mod imports;
mod names;
mod proof;
mod refusal;
mod scope;
mod star;
mod stdlib_additions;
mod syntax;
mod target;
mod text;
mod timeout;
mod type_params;
mod unportable;
mod work;

pub use finding::{Construct, Finding, Note, Outcome, Package};
pub use proof::{Violation, prove};
pub use refusal::{Refusal, Refusals};
pub use target::{Target, UnknownTarget};

use edit::{Edits, Overlap};
use guard::Guards;
use imports::Imports;
use scope::Scopes;
use syntax::{Syntax, Unparsed};
use text::Lines;
use work::{Work, refusal_at};

/// A fingerprint of the rules: another one may rewrite the same source differently.
pub const RULES: &str = env!("DOWNLEVEL_RULES");

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Rewrites one file for a target.
///
/// `path` only names the file in refusals. Running it on its own result changes nothing more.
///
/// # Errors
/// Every construct that has no faithful form at the target is a [`Refusal`]; all of a file's come at once.
pub fn downlevel(path: &str, source: &str, target: Target) -> Result<Outcome, Refusals> {
    let body = source.strip_prefix(BYTE_ORDER_MARK).unwrap_or(source);
    let lines = Lines::new(body);
    let refuse = |offset, construct: &str, reason: &str, hint| {
        Refusals::check(vec![refusal_at(path, &lines, offset, construct, reason.to_owned(), hint)])
    };
    if let Some((offset, encoding)) = text::foreign_encoding(body) {
        refuse(offset, encoding, "is an encoding other than UTF-8", Some("convert the file"))?;
    }
    let syntax = match Syntax::parse(body) {
        Ok(syntax) => syntax,
        Err(Unparsed::TooDeep(offset)) => {
            refuse(offset, "nesting", "is deeper than any Python reads", None)?;
            return Ok(Outcome::default());
        }
        Err(Unparsed::Nothing) => {
            refuse(0, "file", "cannot be parsed at all", None)?;
            return Ok(Outcome::default());
        }
        Err(Unparsed::Error(offset)) => {
            Refusals::check(proof::explain(path, body, &lines, target))?;
            refuse(offset, line_of(body, &lines, offset), "cannot be parsed", None)?;
            return Ok(Outcome::default());
        }
    };
    let mut outcome = rewrite(path, &syntax, &lines, target)?;
    let result = outcome.text.as_deref().unwrap_or(body);
    if let Err(violations) = proof::prove_shallow(result, target) {
        let lines = Lines::new(result);
        let refusals = violations.into_iter().map(|violation| violation.refusal(path, &lines)).collect();
        Refusals::check(refusals)?;
    }
    if let Some(text) = &mut outcome.text {
        outcome.first_moved_line = first_moved_line(&lines, body, text);
        if source.len() > body.len() {
            text.insert(0, BYTE_ORDER_MARK);
        }
    }
    Ok(outcome)
}

fn rewrite(path: &str, syntax: &Syntax<'_>, lines: &Lines<'_>, target: Target) -> Result<Outcome, Refusals> {
    let scopes = Scopes::new(syntax);
    let mut work = Work {
        path,
        target,
        syntax,
        scopes: &scopes,
        guards: Guards { syntax, scopes: &scopes, target },
        lines,
        imports: Imports::new(syntax, &scopes),
        edits: Edits::default(),
        findings: Vec::new(),
        notes: Vec::new(),
        refusals: Vec::new(),
        packages: std::collections::BTreeSet::new(),
    };
    unportable::refuse(&mut work);
    names::rewrite(&mut work);
    timeout::rewrite(&mut work);
    enums::rewrite(&mut work);
    doubtful::note(&mut work);
    star::rewrite(&mut work);
    fstring::rewrite(&mut work);
    // Last, since the bounds of type parameters are copied together with what was rewritten in them.
    let overlap = |Overlap(offset): Overlap| {
        let reason = "is rewritten in two ways at once, which is a fault of this tool";
        Refusals::check(vec![refusal_at(
            path,
            lines,
            offset,
            line_of(syntax.source, lines, offset),
            reason.to_owned(),
            None,
        )])
    };
    match type_params::rewrite(&mut work) {
        Ok(variables) => alias::rewrite(&mut work, &variables),
        Err(meeting) => overlap(meeting)?,
    }
    let Work { imports, mut edits, mut findings, mut notes, mut refusals, packages, .. } = work;
    notes.sort_by_key(|note| note.line);
    imports.write(lines, &mut edits);
    if !edits.is_empty() && text::has_lone_carriage_return(syntax.source) {
        let reason = "ends a line on its own, which is not supported in a file that has to change";
        refusals.push(refusal_at(path, lines, 0, "carriage return", reason.to_owned(), Some("convert the line ends")));
    }
    Refusals::check(refusals)?;
    if edits.is_empty() {
        return Ok(Outcome { notes, ..Outcome::default() });
    }
    findings.sort_by_key(|finding| finding.line);
    match edits.apply(syntax.source) {
        Ok(text) => Ok(Outcome { text: Some(text), findings, notes, packages, first_moved_line: None }),
        Err(meeting) => {
            overlap(meeting)?;
            Ok(Outcome::default())
        }
    }
}

fn line_of<'s>(source: &'s str, lines: &Lines<'_>, offset: usize) -> &'s str {
    source[lines.range(lines.line(offset))].trim()
}

/// The first line that moved, if the number of lines changed.
fn first_moved_line(lines: &Lines<'_>, before: &str, after: &str) -> Option<usize> {
    let moved = Lines::new(after);
    if moved.count() == lines.count() {
        return None;
    }
    // Whole lines are only ever put in front of the first statement.
    let same =
        (1..=lines.count().min(moved.count())).find(|line| before[lines.range(*line)] != after[moved.range(*line)]);
    Some(same.unwrap_or(lines.count()))
}
