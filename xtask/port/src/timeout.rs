//! Handlers of `TimeoutError`, which had namesakes.
//!
//! "Deprecated alias of `TimeoutError`. Changed in version 3.11: this class was made an alias of `TimeoutError`" (the
//! documentation of `asyncio.TimeoutError`, and that of `concurrent.futures.TimeoutError`). On Python 3.10
//! `asyncio.wait_for` raises a class of its own, and the backport of `asyncio.timeout` the builtin one. The code that
//! raises may stand in any function, so a handler of one of them becomes a handler of all that the file may meet.

use crate::finding::Construct;
use crate::guard::Reach;
use crate::scope::dotted;
use crate::syntax::{Field, Kind, NodeId};
use crate::work::Work;

const ASYNCIO: &[&str] = &["asyncio.TimeoutError", "asyncio.exceptions.TimeoutError"];
const FUTURES: &[&str] = &["concurrent.futures.TimeoutError", "concurrent.futures._base.TimeoutError"];

/// The modules of whose timeouts a file may hear.
#[derive(Clone, Copy)]
struct Timeouts {
    asyncio: bool,
    futures: bool,
}

pub(crate) fn rewrite(work: &mut Work<'_, '_>) {
    let syntax = work.syntax;
    if work.target.has(11) || !syntax.source.contains("TimeoutError") {
        return;
    }
    let timeouts = Timeouts {
        asyncio: imports(work, "asyncio") || syntax.ids().any(|id| syntax.kind(id) == Kind::Await),
        futures: imports(work, "concurrent") || syntax.source.contains("run_coroutine_threadsafe"),
    };
    for clause in syntax.ids().filter(|id| syntax.kind(*id) == Kind::ExceptClause) {
        let Some(value) = syntax.child(clause, Field::Value) else {
            continue;
        };
        let value = match syntax.kind(value) {
            Kind::AsPattern => syntax.named_children(value).next().unwrap_or(value),
            _ => value,
        };
        if work.guards.reach(clause, &[]) == Reach::Runs {
            handler(work, clause, value, timeouts);
        }
    }
}

/// Whether a file imports a module or something of it.
fn imports(work: &Work<'_, '_>, module: &str) -> bool {
    let syntax = work.syntax;
    syntax.ids().any(|id| {
        syntax.kind(id) == Kind::DottedName
            && dotted(syntax, id).split('.').next() == Some(module)
            && syntax.ancestors(id).take(2).any(|above| matches!(syntax.kind(above), Kind::Import | Kind::ImportFrom))
    })
}

fn handler(work: &mut Work<'_, '_>, clause: NodeId, value: NodeId, timeouts: Timeouts) {
    let (syntax, scopes) = (work.syntax, work.scopes);
    let is_tuple = syntax.kind(value) == Kind::Tuple;
    let caught: Vec<_> = if is_tuple { syntax.named_children(value).collect() } else { vec![value] };
    let is_builtin = |node: &NodeId| syntax.text(*node) == "TimeoutError" && scopes.resolve(*node).is_none();
    let builtin = caught.iter().any(is_builtin);
    let catches = |names| caught.iter().any(|node| scopes.is_any(*node, names));
    let (asyncio, futures) = (catches(ASYNCIO), catches(FUTURES));
    if !(builtin || asyncio || futures) {
        return;
    }
    let mut others = Vec::new();
    if !builtin {
        if scopes.lookup("TimeoutError", scopes.scope(clause)).is_none() {
            others.push("TimeoutError".to_owned());
        } else {
            others.push(format!("{}.TimeoutError", work.imports.module("builtins")));
        }
    }
    if timeouts.asyncio && !asyncio {
        others.push(format!("{}.TimeoutError", work.imports.module("asyncio")));
    }
    if timeouts.futures && !futures {
        others.push(format!("{}.TimeoutError", work.imports.module("concurrent.futures")));
    }
    let (Some(last), false) = (caught.last(), others.is_empty()) else { return };
    let others = others.join(", ");
    if is_tuple {
        work.edits.insert(syntax.end(*last), format!(", {others}"));
    } else {
        work.edits.insert(syntax.start(value), "(");
        work.edits.insert(syntax.end(value), format!(", {others})"));
    }
    work.found(Construct::TimeoutHandler, clause, syntax.text(value), others);
}
