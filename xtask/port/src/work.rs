//! One file on its way through the rules.

use std::collections::BTreeSet;

use crate::edit::Edits;
use crate::finding::{Construct, Finding, Note, Package};
use crate::guard::Guards;
use crate::imports::Imports;
use crate::refusal::Refusal;
use crate::scope::Scopes;
use crate::syntax::{NodeId, Syntax};
use crate::target::Target;
use crate::text::Lines;

/// The input of every rule, and its edits, findings and refusals.
pub(crate) struct Work<'t, 's> {
    pub(crate) path: &'t str,
    pub(crate) target: Target,
    pub(crate) syntax: &'t Syntax<'s>,
    pub(crate) scopes: &'t Scopes<'t, 's>,
    pub(crate) guards: Guards<'t, 's>,
    pub(crate) lines: &'t Lines<'s>,
    pub(crate) imports: Imports<'t, 's>,
    pub(crate) edits: Edits,
    pub(crate) findings: Vec<Finding>,
    pub(crate) notes: Vec<Note>,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) packages: BTreeSet<Package>,
}

impl Work<'_, '_> {
    pub(crate) fn found(
        &mut self,
        construct: Construct,
        node: NodeId,
        subject: impl Into<String>,
        replacement: impl Into<String>,
    ) {
        let line = self.lines.line(self.syntax.start(node));
        self.findings.push(Finding { construct, subject: subject.into(), line, replacement: replacement.into() });
    }

    pub(crate) fn note(&mut self, node: NodeId, construct: &str, reason: impl Into<String>) {
        let line = self.lines.line(self.syntax.start(node));
        let construct = construct.split_whitespace().collect::<Vec<_>>().join(" ");
        self.notes.push(Note { line, construct, reason: reason.into() });
    }

    pub(crate) fn refuse(&mut self, node: NodeId, construct: &str, reason: impl Into<String>, hint: Option<&str>) {
        let refusal = refusal_at(self.path, self.lines, self.syntax.start(node), construct, reason.into(), hint);
        self.refusals.push(refusal);
    }

    /// The reason for something that appeared later than the target.
    pub(crate) fn lacks(&self, since: u8) -> String {
        format!("appeared in Python 3.{since} and has no form in Python {}", self.target)
    }
}

pub(crate) fn refusal_at(
    path: &str,
    lines: &Lines<'_>,
    offset: usize,
    construct: &str,
    reason: String,
    hint: Option<&str>,
) -> Refusal {
    Refusal {
        path: path.to_owned(),
        line: lines.line(offset),
        column: lines.column(offset),
        construct: construct.to_owned(),
        reason,
        hint: hint.map(str::to_owned),
    }
}
