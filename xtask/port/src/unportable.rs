//! Syntax that no rule rewrites.

use crate::syntax::{Field, Kind, NodeId};
use crate::work::Work;

pub(crate) fn refuse(work: &mut Work<'_, '_>) {
    let syntax = work.syntax;
    for id in syntax.ids() {
        match syntax.kind(id) {
            Kind::ExceptClause if !work.target.has(11) && syntax.token(id, "*").is_some() => {
                let reason = format!("has no form in Python {}", work.target);
                let hint = "catch `ExceptionGroup` and split it, or use `exceptiongroup.catch`";
                work.refuse(id, "except*", reason, Some(hint));
            }
            Kind::ListComprehension | Kind::SetComprehension | Kind::DictionaryComprehension
                if !work.target.has(11) && is_asynchronous(work, id) && stands_in_synchronous(work, id) =>
            {
                let reason = format!("stands inside a synchronous one, which Python {} rejects", work.target);
                work.refuse(id, "asynchronous comprehension", reason, Some("write the outer one as a loop"));
            }
            _ => {}
        }
    }
}

fn is_comprehension(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ListComprehension | Kind::SetComprehension | Kind::DictionaryComprehension | Kind::GeneratorExpression
    )
}

/// Whether a comprehension has an `async for` or an `await` of its own.
fn is_asynchronous(work: &Work<'_, '_>, comprehension: NodeId) -> bool {
    let syntax = work.syntax;
    syntax.descendants(comprehension).any(|node| match syntax.kind(node) {
        Kind::ForInClause => syntax.parent(node) == Some(comprehension) && syntax.token(node, "async").is_some(),
        Kind::Await => scope_around(work, node) == Some(comprehension),
        _ => false,
    })
}

/// Whether the scope right around a comprehension is that of another one without anything asynchronous.
fn stands_in_synchronous(work: &Work<'_, '_>, comprehension: NodeId) -> bool {
    scope_around(work, comprehension)
        .is_some_and(|outer| is_comprehension(work.syntax.kind(outer)) && !is_asynchronous(work, outer))
}

/// The comprehension or function whose scope a node is evaluated in.
fn scope_around(work: &Work<'_, '_>, node: NodeId) -> Option<NodeId> {
    let syntax = work.syntax;
    syntax.ancestors(node).find(|above| match syntax.kind(*above) {
        Kind::Lambda | Kind::FunctionDefinition | Kind::ClassDefinition => true,
        kind if is_comprehension(kind) => {
            // The iterable of the first `for` is evaluated outside.
            let first = syntax.children(*above).find(|child| syntax.kind(*child) == Kind::ForInClause);
            let iterable = first.and_then(|clause| syntax.child(clause, Field::Right));
            !iterable.is_some_and(|iterable| syntax.contains(iterable, node))
        }
        _ => false,
    })
}
