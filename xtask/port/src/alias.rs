//! `type X = …` (PEP 695).
//!
//! It becomes a `TypeAliasType`, not a plain assignment: libraries see the name of such an alias, and pydantic
//! makes a schema component of it.

use crate::finding::Construct;
use crate::guard::Reach;
use crate::scope::{Bound, type_parameters};
use crate::syntax::{Field, Kind, NodeId};
use crate::type_params::{Variables, backported, left_over};
use crate::work::Work;

pub(crate) fn rewrite(work: &mut Work<'_, '_>, variables: &Variables) {
    let syntax = work.syntax;
    for id in syntax.ids().filter(|id| syntax.kind(*id) == Kind::TypeAlias) {
        let list = type_parameters(syntax, id);
        let names = variables.get(&id);
        if list.is_some() && names.is_none() {
            // Its type parameters were refused.
            continue;
        }
        alias(work, id, names.map(Vec::as_slice).unwrap_or_default());
    }
}

fn alias(work: &mut Work<'_, '_>, id: NodeId, variables: &[String]) {
    let syntax = work.syntax;
    let name = syntax
        .child(id, Field::Left)
        .into_iter()
        .flat_map(|left| syntax.descendants(left))
        .find(|node| syntax.kind(*node) == Kind::Identifier);
    let (Some(name), Some(value), Some(equals)) = (name, syntax.child(id, Field::Right), syntax.token(id, "=")) else {
        work.refuse(id, syntax.text(id), "is a type alias of an unknown form", None);
        return;
    };
    let name = syntax.text(name);
    let lazy = is_lazy(work, id, value);
    let quote = if lazy { quote(syntax.text(value)) } else { Some("") };
    let Some(quote) = quote else {
        let reason = "names what is defined later, and cannot be kept as text";
        work.refuse(id, &format!("type {name}"), reason, Some("move the alias below what it names"));
        return;
    };
    let head = syntax.start(id)..syntax.end(equals);
    let left_over = left_over(syntax, id, head.clone());
    let constructor = backported(work, "TypeAliasType", 12);
    work.edits.replace(head, format!("{name} = {constructor}(\"{name}\",{left_over}"));
    work.edits.insert(syntax.start(value), quote);
    let parameters = match variables {
        [] => String::new(),
        [one] => format!(", type_params=({one},)"),
        many => format!(", type_params=({})", many.join(", ")),
    };
    work.edits.insert(syntax.end(value), format!("{quote}{parameters})"));
    let construct = if lazy { Construct::LazyTypeAlias } else { Construct::TypeAlias };
    work.found(construct, id, name, constructor);
}

/// Whether the value cannot be evaluated where the alias stands.
///
/// A `type` statement evaluates its value on first access, a `TypeAliasType` at once.
fn is_lazy(work: &Work<'_, '_>, alias: NodeId, value: NodeId) -> bool {
    let (syntax, scopes) = (work.syntax, work.scopes);
    let here = scopes.scope(alias);
    let mut quoted = None;
    syntax.descendants(value).any(|node| {
        if quoted.is_some_and(|quoted| syntax.contains(quoted, node)) {
            return false;
        }
        match syntax.kind(node) {
            Kind::StringAnnotation => {
                quoted = Some(node);
                false
            }
            // `"Later" | None` has no meaning at run time.
            Kind::BinaryOperator => syntax.children(node).any(|operand| syntax.kind(operand) == Kind::String),
            Kind::Identifier if scopes.uses.binary_search(&node).is_ok() => {
                let Some((scope, bindings)) = scopes.resolve(node) else {
                    return false;
                };
                let deferred = scopes.is_deferred(here, scope);
                !bindings.iter().any(|binding| {
                    // The name of a class is bound at its end.
                    let inside = syntax.parent(binding.node).is_some_and(|class| syntax.contains(class, alias));
                    binding.bound == Bound::TypeParameter
                        || ((deferred || (binding.node < alias && !inside))
                            && matches!(work.guards.reach(binding.node, &[]), Reach::Runs | Reach::Caught))
                })
            }
            _ => false,
        }
    })
}

/// Quotes that can stand around a text as it is.
fn quote(text: &str) -> Option<&'static str> {
    let single = !text.contains(['\n', '\r']);
    ["\"", "'", "\"\"\"", "'''"].into_iter().find(|quote| {
        (single || quote.len() == 3) && !text.contains('\\') && !text.contains(*quote) && !text.ends_with(&quote[..1])
    })
}
