//! Bounds and constraints of type parameters, as text.

use crate::edit::{Edits, Overlap};
use crate::syntax::{Kind, NodeId, Syntax};
use crate::text::quoted;
use crate::work::Work;

/// The arguments of the variable: a bound or constraints, in quotes.
pub(super) fn arguments(work: &mut Work<'_, '_>, parameter: NodeId) -> Result<Option<Option<String>>, Overlap> {
    let syntax = work.syntax;
    let constrained = syntax.descendants(parameter).find(|node| syntax.kind(*node) == Kind::ConstrainedType);
    let Some(bound) = constrained.and_then(|node| syntax.named_children(node).nth(1)) else {
        return Ok(Some(None));
    };
    let value = syntax.named_children(bound).next().unwrap_or(bound);
    if syntax.kind(value) != Kind::Tuple {
        return Ok(written(work, bound)?.map(|text| Some(format!("bound={}", quoted(&text)))));
    }
    let mut constraints = Vec::new();
    for constraint in syntax.named_children(value) {
        let Some(text) = written(work, constraint)? else {
            return Ok(None);
        };
        constraints.push(quoted(&text));
    }
    if constraints.len() < 2 {
        // CPython compiles it and fails when the constraints are asked for; `TypeVar` fails at once.
        work.refuse(parameter, syntax.text(parameter), "has fewer than two constraints", None);
        return Ok(None);
    }
    Ok(Some(Some(constraints.join(", "))))
}

/// The text of an expression as it is rewritten, on one line.
fn written(work: &mut Work<'_, '_>, node: NodeId) -> Result<Option<String>, Overlap> {
    let syntax = work.syntax;
    // A bound that is a string already means what is in it.
    let inner = syntax.descendants(node).find(|child| syntax.kind(*child) == Kind::StringAnnotation).filter(|_| {
        std::iter::once(node)
            .chain(syntax.descendants(node))
            .find(|child| syntax.kind(*child) != Kind::Type)
            .is_some_and(|child| syntax.kind(child) == Kind::String)
    });
    let node = inner.unwrap_or(node);
    let Some(flat) = flatten(syntax, node) else {
        work.refuse(node, syntax.text(node), "is a bound that spreads a string over several lines", None);
        return Ok(None);
    };
    work.edits.preview(syntax.source, syntax.range(node), flat).map(Some)
}

/// Edits that put the tokens of an expression on one line, without comments.
fn flatten(syntax: &Syntax<'_>, node: NodeId) -> Option<Edits> {
    let mut edits = Edits::default();
    if !syntax.text(node).contains(['\n', '\r', '#', '\\']) {
        return Some(edits);
    }
    let mut end: Option<usize> = None;
    let mut skipped: Option<NodeId> = None;
    for token in std::iter::once(node).chain(syntax.descendants(node)) {
        if skipped.is_some_and(|string| syntax.contains(string, token)) {
            continue;
        }
        let kind = syntax.kind(token);
        if kind == Kind::String {
            skipped = Some(token);
            if syntax.text(token).contains(['\n', '\r']) {
                return None;
            }
        } else if syntax.children(token).next().is_some() || matches!(kind, Kind::Comment | Kind::LineContinuation) {
            continue;
        }
        let start = syntax.start(token);
        if let Some(end) = end.filter(|end| syntax.source[*end..start].contains(['\n', '\r', '#', '\\'])) {
            edits.replace(end..start, " ");
        }
        end = Some(syntax.end(token));
    }
    Some(edits)
}
