//! `*Ts` in subscripts and in the annotation of `*args` (PEP 646), new in Python 3.11.

use crate::finding::Construct;
use crate::scope::Bound;
use crate::syntax::{Field, Kind, NodeId};
use crate::type_params::unpack;
use crate::work::Work;

pub(crate) fn rewrite(work: &mut Work<'_, '_>) {
    if work.target.has(11) {
        return;
    }
    let syntax = work.syntax;
    let mut done = None;
    for id in syntax.ids() {
        if !matches!(syntax.kind(id), Kind::SplatType | Kind::ListSplat) {
            continue;
        }
        let whole = whole(work, id);
        let Some(parent) = syntax.parent(whole) else {
            continue;
        };
        match syntax.kind(parent) {
            Kind::Type if is_annotation_part(work, parent) => in_type(work, id, whole),
            Kind::Subscript if syntax.field(whole) == Field::Subscript => {
                if is_type(work, id) {
                    in_type(work, id, whole);
                } else if done != Some(parent) {
                    done = Some(parent);
                    in_index(work, parent);
                }
            }
            _ => {}
        }
    }
}

/// The starred expression: the grammar binds the star of `*a[b]` to `a`, Python to all of it.
fn whole(work: &Work<'_, '_>, splat: NodeId) -> NodeId {
    let syntax = work.syntax;
    let mut whole = splat;
    while let Some(parent) = syntax.parent(whole)
        && matches!(
            (syntax.kind(parent), syntax.field(whole)),
            (Kind::Subscript, Field::Value) | (Kind::Attribute, Field::Object) | (Kind::Call, Field::Function)
        )
    {
        whole = parent;
    }
    whole
}

/// Whether a type is an element of a generic type or the annotation of a parameter, and no declaration.
fn is_annotation_part(work: &Work<'_, '_>, node: NodeId) -> bool {
    let syntax = work.syntax;
    let Some(parent) = syntax.parent(node) else {
        return false;
    };
    match syntax.kind(parent) {
        Kind::TypedParameter => true,
        Kind::TypeParameter => syntax.parent(parent).is_some_and(|generic| {
            let declares = syntax.ancestors(generic).nth(1).is_some_and(|alias| syntax.kind(alias) == Kind::TypeAlias)
                && syntax.parent(generic).is_some_and(|left| syntax.field(left) == Field::Left);
            syntax.kind(generic) == Kind::GenericType && !declares
        }),
        _ => false,
    }
}

/// Whether a subscript is that of a type: inside an annotation, an alias or the bases of a class, or with a
/// type parameter starred.
fn is_type(work: &Work<'_, '_>, splat: NodeId) -> bool {
    let syntax = work.syntax;
    let starred = syntax.named_children(splat).next();
    if let Some(starred) = starred
        && syntax.kind(starred) == Kind::Identifier
        && let Some((_, bindings)) = work.scopes.resolve(starred)
        && bindings.iter().any(|binding| binding.bound == Bound::TypeParameter)
    {
        return true;
    }
    // `*tuple[int, ...]`
    if let Some(starred) = starred
        && whole(work, splat) != splat
        && (work.scopes.is_any(starred, &["typing.Tuple"])
            || (syntax.text(starred) == "tuple" && work.scopes.resolve(starred).is_none()))
    {
        return true;
    }
    let mut below = splat;
    for above in syntax.ancestors(splat) {
        match syntax.kind(above) {
            Kind::Type => return true,
            Kind::ArgumentList if syntax.field(above) == Field::Superclasses => {
                return syntax.kind(below) != Kind::KeywordArgument;
            }
            Kind::Call | Kind::Lambda | Kind::Block => return false,
            _ => below = above,
        }
    }
    false
}

fn in_type(work: &mut Work<'_, '_>, splat: NodeId, whole: NodeId) {
    let syntax = work.syntax;
    let Some(star) = syntax.token(splat, "*") else {
        return;
    };
    let unpack = unpack(work);
    work.edits.replace(syntax.range(star), format!("{unpack}["));
    work.edits.insert(syntax.end(whole), "]");
    work.found(Construct::Star, splat, syntax.text(whole), unpack);
}

/// `a[*b, c]` has always been `a[(*b, c)]`.
fn in_index(work: &mut Work<'_, '_>, subscript: NodeId) {
    let syntax = work.syntax;
    let elements: Vec<_> =
        syntax.children(subscript).filter(|child| syntax.field(*child) == Field::Subscript).collect();
    let elements: Vec<_> = elements.into_iter().filter(|child| syntax.is_named(*child)).collect();
    let (Some(first), Some(last), Some(close)) = (elements.first(), elements.last(), syntax.token(subscript, "]"))
    else {
        return;
    };
    if elements.iter().any(|element| syntax.kind(*element) == Kind::Slice) {
        let reason = format!("stars an index beside a slice, which has no form in Python {}", work.target);
        work.refuse(subscript, syntax.text(subscript), reason, Some("build the tuple of the index with `slice(…)`"));
        return;
    }
    work.edits.insert(syntax.start(*first), "(");
    let trailing = syntax.children(subscript).any(|child| child > *last && syntax.text(child) == ",");
    if elements.len() == 1 && !trailing {
        work.edits.insert(syntax.end(*last), ",");
    }
    work.edits.insert(syntax.start(close), ")");
    work.found(Construct::Star, subscript, syntax.text(subscript), "tuple");
}
