//! Handlers of `TimeoutError` around code of `asyncio`.
//!
//! "Deprecated alias of `TimeoutError`. Changed in version 3.11: this class was made an alias of
//! `TimeoutError`" (the documentation of `asyncio.TimeoutError`). On Python 3.10 `asyncio.wait_for` raises a
//! class of its own, and the backport of `asyncio.timeout` the builtin one. A handler of one of them has to
//! become a handler of both.

use crate::finding::Construct;
use crate::guard::Reach;
use crate::syntax::{Field, Kind, NodeId};
use crate::work::Work;

/// Functions that raise either of the two on Python 3.10.
const RAISING: &[&str] = &["asyncio.timeout", "asyncio.timeout_at", "asyncio.wait_for", "asyncio.as_completed"];
const OWN: &[&str] = &["asyncio.TimeoutError", "asyncio.exceptions.TimeoutError"];

pub(crate) fn rewrite(work: &mut Work<'_, '_>) {
    let (syntax, scopes) = (work.syntax, work.scopes);
    if work.target.has(11) || !syntax.source.contains("TimeoutError") {
        return;
    }
    let raises = syntax.ids().any(|id| {
        matches!(syntax.kind(id), Kind::Call)
            && syntax.child(id, Field::Function).is_some_and(|function| {
                scopes.qualified(function).iter().flatten().any(|name| RAISING.contains(&name.as_str()))
            })
    });
    if !raises {
        return;
    }
    for clause in syntax.ids().filter(|id| syntax.kind(*id) == Kind::ExceptClause) {
        let Some(value) = syntax.child(clause, Field::Value) else {
            continue;
        };
        let value = match syntax.kind(value) {
            Kind::AsPattern => syntax.named_children(value).next().unwrap_or(value),
            _ => value,
        };
        if work.guards.reach(clause, &[]) == Reach::Runs {
            handler(work, clause, value);
        }
    }
}

fn handler(work: &mut Work<'_, '_>, clause: NodeId, value: NodeId) {
    let (syntax, scopes) = (work.syntax, work.scopes);
    let is_tuple = syntax.kind(value) == Kind::Tuple;
    let caught: Vec<_> = if is_tuple { syntax.named_children(value).collect() } else { vec![value] };
    let is_builtin = |node: &NodeId| syntax.text(*node) == "TimeoutError" && scopes.resolve(*node).is_none();
    let builtin = caught.iter().any(is_builtin);
    let own = caught.iter().any(|node| scopes.is_any(*node, OWN));
    if builtin == own {
        return;
    }
    let other = if !own {
        format!("{}.TimeoutError", work.imports.module("asyncio"))
    } else if work.scopes.lookup("TimeoutError", scopes.scope(clause)).is_none() {
        "TimeoutError".to_owned()
    } else {
        format!("{}.TimeoutError", work.imports.module("builtins"))
    };
    let Some(last) = caught.last() else { return };
    if is_tuple {
        work.edits.insert(syntax.end(*last), format!(", {other}"));
    } else {
        work.edits.insert(syntax.start(value), "(");
        work.edits.insert(syntax.end(value), format!(", {other})"));
    }
    work.found(Construct::TimeoutHandler, clause, syntax.text(value), other);
}
