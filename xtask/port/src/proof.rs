//! The proof that nothing newer than the target is left.
//!
//! It shares with the rules only the tables of names: another parser reads the text, and another walk finds
//! out what the names mean. So it does not repeat oversights of the rules.

mod bindings;
mod condition;
mod scan;

use ruff_python_ast::PythonVersion;
use ruff_python_parser::{Mode, ParseOptions, UnsupportedSyntaxErrorKind, parse_unchecked};
use ruff_text_size::Ranged;

use crate::refusal::Refusal;
use crate::syntax::{Syntax, Unparsed};
use crate::target::Target;
use crate::text::Lines;
use crate::work::refusal_at;

/// Bytes of stack for a tree of known depth.
const STACK: usize = 16 << 20;
/// Bytes of stack for the tree of any text of at most `EXPLAINED` bytes.
const DEEP_STACK: usize = 256 << 20;
const EXPLAINED: usize = 200_000;

/// Something in a text that the target cannot read or does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {reason}")]
pub struct Violation {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The construct, as the source writes it.
    pub construct: String,
    /// The reason.
    pub reason: String,
    offset: usize,
}

impl Violation {
    fn new(lines: &Lines<'_>, source: &str, offset: usize, construct: Option<String>, reason: String) -> Self {
        let line = lines.line(offset);
        let construct = construct.unwrap_or_else(|| source[lines.range(line)].trim().to_owned());
        Self { line, column: lines.column(offset), construct, reason, offset }
    }

    pub(crate) fn refusal(self, path: &str, lines: &Lines<'_>) -> Refusal {
        refusal_at(path, lines, self.offset, &self.construct, format!("failed the proof: {}", self.reason), None)
    }
}

/// Proves that a text holds no syntax and no standard-library name that the target lacks.
///
/// Code that a version check or `TYPE_CHECKING` keeps from running at the target may name what it likes.
///
/// # Errors
/// Everything that speaks against it, in the order of the text.
pub fn prove(source: &str, target: Target) -> Result<(), Vec<Violation>> {
    // The second parser's tree is walked with recursion, so its depth has to be known before.
    let lines = Lines::new(source);
    let violation = |offset, construct: &str, reason: &str| {
        Err(vec![Violation::new(&lines, source, offset, Some(construct.to_owned()), reason.to_owned())])
    };
    match Syntax::parse(source) {
        Ok(_) => {}
        Err(Unparsed::TooDeep(offset)) => {
            return violation(offset, "nesting", "is deeper than any Python reads");
        }
        Err(Unparsed::Error(offset)) => {
            let line = source[lines.range(lines.line(offset))].trim();
            return violation(offset, line, "cannot be parsed");
        }
        Err(Unparsed::Nothing) => return violation(0, "file", "cannot be parsed at all"),
    }
    prove_shallow(source, target)
}

/// The same as [`prove`], for a text that is known not to be nested too deeply.
pub(crate) fn prove_shallow(source: &str, target: Target) -> Result<(), Vec<Violation>> {
    // A few hundred levels take more than the two megabytes of a thread's stack, without optimisation.
    stacker::maybe_grow(STACK / 2, STACK, || prove_on_this_stack(source, target))
}

fn prove_on_this_stack(source: &str, target: Target) -> Result<(), Vec<Violation>> {
    let lines = Lines::new(source);
    let parsed = parse_unchecked(source, options(target));
    let mut violations = syntax_violations(&parsed, source, &lines);
    if let Some(module) = parsed.try_into_module() {
        for found in scan::scan(module.suite(), target) {
            violations.push(Violation::new(&lines, source, found.offset, Some(found.construct), found.reason));
        }
    }
    violations.sort_by_key(|violation| violation.offset);
    violations.dedup();
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

/// The errors of the second parser for a text that the first one cannot read.
pub(crate) fn explain(path: &str, source: &str, lines: &Lines<'_>, target: Target) -> Vec<Refusal> {
    // How deep such a text is nested is not known; its length bounds the stack that dropping its tree takes.
    if source.len() > EXPLAINED {
        return Vec::new();
    }
    stacker::maybe_grow(DEEP_STACK / 2, DEEP_STACK, || explain_on_this_stack(path, source, lines, target))
}

fn explain_on_this_stack(path: &str, source: &str, lines: &Lines<'_>, target: Target) -> Vec<Refusal> {
    let parsed = parse_unchecked(source, options(target));
    let mut violations = syntax_violations(&parsed, source, lines);
    // Constructs that the rules rewrite do not explain the failure of the first parser.
    let rewritable: Vec<_> = parsed
        .unsupported_syntax_errors()
        .iter()
        .filter(|error| {
            matches!(
                error.kind,
                UnsupportedSyntaxErrorKind::TypeParameterList | UnsupportedSyntaxErrorKind::TypeAliasStatement
            )
        })
        .map(|error| error.to_string())
        .collect();
    if violations.iter().any(|violation| !rewritable.contains(&violation.reason)) {
        violations.retain(|violation| !rewritable.contains(&violation.reason));
    }
    violations
        .into_iter()
        .map(|found| {
            refusal_at(path, lines, found.offset, &found.construct, format!("cannot be parsed: {}", found.reason), None)
        })
        .collect()
}

fn options(target: Target) -> ParseOptions {
    let version = PythonVersion { major: target.major(), minor: target.minor() };
    ParseOptions::from(Mode::Module).with_target_version(version)
}

fn syntax_violations<T>(parsed: &ruff_python_parser::Parsed<T>, source: &str, lines: &Lines<'_>) -> Vec<Violation> {
    let errors = parsed.errors().iter().map(|error| (error.location.start(), error.error.to_string()));
    let unsupported = parsed.unsupported_syntax_errors().iter().map(|error| (error.start(), error.to_string()));
    errors
        .chain(unsupported)
        .map(|(offset, reason)| Violation::new(lines, source, offset.to_usize(), None, reason))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(source: &str) -> Vec<(usize, String)> {
        let found = prove(source, Target::PYTHON_3_10).err().unwrap_or_default();
        found.into_iter().map(|violation| (violation.line, violation.construct)).collect()
    }

    #[test]
    fn newer_syntax_is_found() {
        assert_eq!(violations("x = 1\ntype X = int\n"), [(2, "type X = int".to_owned())]);
        assert_eq!(violations("def f[T](x: T): ...\n").len(), 1);
        assert_eq!(violations("x = f\"{a[\"b\"]}\"\n").len(), 1);
        assert_eq!(violations("try: pass\nexcept* E: pass\n").len(), 1);
    }

    #[test]
    fn newer_names_are_found_through_aliases() {
        assert_eq!(violations("from typing import Self as S\n"), [(1, "typing.Self".to_owned())]);
        assert_eq!(violations("import asyncio as a\na.TaskGroup()\n"), [(2, "asyncio.TaskGroup".to_owned())]);
        assert_eq!(violations("import tomllib\n"), [(1, "tomllib".to_owned())]);
        assert_eq!(
            violations("def f():\n    raise ExceptionGroup('', [])\n"),
            [(2, "builtins.ExceptionGroup".to_owned())]
        );
        assert_eq!(violations("from pathlib import Path\nPath.walk\n"), [(2, "pathlib.Path.walk".to_owned())]);
    }

    #[test]
    fn other_meanings_of_a_name_are_left_alone() {
        let quiet = [
            "import asyncio\ndef f(asyncio): return asyncio.TaskGroup\n",
            "class A:\n    def f(self): return self.TaskGroup\n",
            "import sys\nif sys.version_info >= (3, 11):\n    import tomllib\nelse:\n    import tomli as tomllib\n",
            "try:\n    import tomllib\nexcept ImportError:\n    tomllib = None\n",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from typing import Self\n",
            "from exceptiongroup import ExceptionGroup\nExceptionGroup\n",
            "from datetime import datetime\ndatetime.UTC\n",
        ];
        for source in quiet {
            assert_eq!(violations(source), [], "{source}");
        }
    }
}
