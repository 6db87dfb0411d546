//! Enumerations, whose text, membership and iteration changed.
//!
//! "Changed `Enum.__format__()` (the default for `format()`, `str.format()` and f-strings) to always produce the
//! same result as `Enum.__str__()`" and "Changed `IntEnum.__str__()` to `int.__str__()`" (What's New In Python 3.11);
//! "`value in Enum` now returns `True` for values" (the documentation of `EnumType.__contains__`, 3.12).

use crate::finding::Construct;
use crate::guard::Reach;
use crate::syntax::{Field, Kind, NodeId};
use crate::work::Work;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Plain,
    Integer,
    Flag,
}

const BASES: &[(&str, Family)] = &[
    ("enum.Enum", Family::Plain),
    ("enum.StrEnum", Family::Plain),
    ("enum.IntEnum", Family::Integer),
    ("enum.Flag", Family::Flag),
    ("enum.IntFlag", Family::Flag),
];

/// Enumerations of the standard library whose members are integers.
const STANDARD: &[&str] =
    &["http.HTTPStatus", "signal.Handlers", "signal.Signals", "socket.AddressFamily", "socket.SocketKind"];

/// Types whose `__format__` Python 3.10 uses for the members of an enumeration that mixes them in.
const MIXED_IN: &[&str] = &["bytes", "float", "int", "str"];

pub(crate) fn rewrite(work: &mut Work<'_, '_>) {
    let syntax = work.syntax;
    if work.target.has(12) || !syntax.source.contains("num") && !syntax.source.contains("Status") {
        return;
    }
    for id in syntax.ids() {
        match syntax.kind(id) {
            Kind::ComparisonOperator => membership(work, id),
            Kind::ClassDefinition if !work.target.has(11) => definition(work, id),
            Kind::Call if !work.target.has(11) => call(work, id),
            Kind::ForStatement | Kind::ForInClause if !work.target.has(11) => {
                if let Some(iterable) = syntax.child(id, Field::Right) {
                    iteration(work, iterable);
                }
            }
            _ => {}
        }
    }
}

fn bases(work: &Work<'_, '_>, class: NodeId) -> Vec<NodeId> {
    let superclasses = work.syntax.child(class, Field::Superclasses);
    superclasses.map(|list| work.syntax.named_children(list).collect()).unwrap_or_default()
}

/// The kind of enumeration that an expression stands for, as far as this file tells.
fn family(work: &Work<'_, '_>, class: NodeId, depth: usize) -> Option<Family> {
    let (syntax, scopes) = (work.syntax, work.scopes);
    if let [Some(full)] = &scopes.qualified(class)[..] {
        let base = BASES.iter().find(|(name, _)| name == full).map(|(_, family)| *family);
        return base.or_else(|| STANDARD.contains(&full.as_str()).then_some(Family::Integer));
    }
    if depth > 8 || syntax.kind(class) != Kind::Identifier {
        return None;
    }
    let (_, [binding]) = scopes.resolve(class)? else { return None };
    let definition = syntax.parent(binding.node).filter(|parent| syntax.kind(*parent) == Kind::ClassDefinition)?;
    bases(work, definition).into_iter().find_map(|base| family(work, base, depth + 1))
}

/// Gives the members of an enumeration the text that they have on Python 3.12.
fn definition(work: &mut Work<'_, '_>, class: NodeId) {
    let (syntax, scopes) = (work.syntax, work.scopes);
    let bases = bases(work, class);
    let is_builtin = |name: &str| scopes.lookup(name, scopes.scope(class)).is_none();
    let mixes_in = bases.iter().any(|base| MIXED_IN.contains(&syntax.text(*base)) && is_builtin(syntax.text(*base)));
    let Some(body) = syntax.child(class, Field::Body) else { return };
    let lacks = |name: &str| !syntax.named_children(body).any(|statement| defines(work, statement, name));
    let mut lines = Vec::new();
    if bases.iter().any(|base| scopes.is_any(*base, &["enum.IntEnum", "enum.IntFlag"])) {
        lines.extend(lacks("__str__").then_some("__str__ = int.__repr__"));
        lines.extend(lacks("__format__").then_some("__format__ = int.__format__"));
    } else if mixes_in && bases.iter().any(|base| scopes.is_any(*base, &["enum.Enum", "enum.Flag"])) {
        let line = "__format__ = lambda self, spec: format(str(self), spec)";
        lines.extend((lacks("__format__") && lacks("__str__")).then_some(line));
    }
    if lines.is_empty() || work.guards.reach(class, &[]) == Reach::Never {
        return;
    }
    let simple = syntax.named_children(body).find(|statement| !syntax.kind(*statement).is_compound());
    match simple {
        Some(statement) if ["int", "format", "str"].into_iter().all(is_builtin) => {
            let name = syntax.child(class, Field::Name).map_or("", |name| syntax.text(name));
            let lines = lines.join("; ");
            work.edits.insert(syntax.end(statement), format!("; {lines}"));
            work.found(Construct::Enumeration, class, name, lines);
        }
        _ => work.note(class, "class", "the members of this enumeration have another text"),
    }
}

fn defines(work: &Work<'_, '_>, statement: NodeId, name: &str) -> bool {
    let syntax = work.syntax;
    match syntax.kind(statement) {
        Kind::FunctionDefinition => {
            syntax.child(statement, Field::Name).is_some_and(|found| syntax.text(found) == name)
        }
        Kind::DecoratedDefinition => {
            syntax.child(statement, Field::Definition).is_some_and(|inner| defines(work, inner, name))
        }
        Kind::ExpressionStatement => syntax.named_children(statement).any(|inner| {
            syntax.kind(inner) == Kind::Assignment
                && syntax.child(inner, Field::Left).is_some_and(|left| syntax.text(left) == name)
        }),
        _ => false,
    }
}

/// `str(HTTPStatus.OK)`, and `list(flags)`
fn call(work: &mut Work<'_, '_>, call: NodeId) {
    let (syntax, scopes) = (work.syntax, work.scopes);
    let (Some(function), Some(arguments)) = (syntax.child(call, Field::Function), syntax.child(call, Field::Arguments))
    else {
        return;
    };
    if syntax.kind(function) != Kind::Identifier || scopes.resolve(function).is_some() {
        return;
    }
    match syntax.text(function) {
        "str" | "print" => {
            for argument in syntax.named_children(arguments) {
                if !is_standard_member(work, argument) {
                    continue;
                }
                work.edits.insert(syntax.end(argument), ".value");
                let text = syntax.text(argument);
                work.found(Construct::Enumeration, argument, text, format!("{text}.value"));
            }
        }
        "list" | "tuple" | "set" | "sorted" | "len" | "any" | "all" => {
            if let Some(iterable) = syntax.named_children(arguments).next() {
                iteration(work, iterable);
            }
        }
        _ => {}
    }
}

fn is_standard_member(work: &Work<'_, '_>, node: NodeId) -> bool {
    let class = match work.syntax.kind(node) {
        Kind::Attribute => work.syntax.child(node, Field::Object),
        Kind::Call => work.syntax.child(node, Field::Function),
        _ => None,
    };
    class.is_some_and(|class| work.scopes.is_any(class, STANDARD))
}

/// `2 in Colour`
fn membership(work: &mut Work<'_, '_>, comparison: NodeId) {
    let syntax = work.syntax;
    let parts = syntax.named_children(comparison).collect::<Vec<_>>();
    let [left, right] = parts[..] else { return };
    let operator = syntax.source[syntax.end(left)..syntax.start(right)].split_whitespace().collect::<Vec<_>>();
    if !matches!(operator[..], ["in"] | ["not", "in"]) {
        return;
    }
    let Some(family) = family(work, right, 0) else { return };
    let is_member = syntax.kind(left) == Kind::Attribute
        && syntax.child(left, Field::Object).is_some_and(|object| syntax.text(object) == syntax.text(right));
    if is_member || work.guards.reach(comparison, &["TypeError"]) != Reach::Runs {
        return;
    }
    let is_literal = match syntax.kind(left) {
        Kind::Integer => true,
        Kind::String => !syntax.descendants(left).any(|node| syntax.kind(node) == Kind::Interpolation),
        _ => false,
    };
    if is_literal && family != Family::Flag {
        work.edits.insert(syntax.end(right), "._value2member_map_");
        let text = syntax.text(right);
        work.found(Construct::Enumeration, comparison, text, format!("{text}._value2member_map_"));
    } else {
        work.note(comparison, syntax.text(comparison), "a value that is no member is a `TypeError` before 3.12");
    }
}

/// `for permission in Permission.READ | Permission.WRITE`
fn iteration(work: &mut Work<'_, '_>, iterable: NodeId) {
    if is_flag(work, iterable, 0) && work.guards.reach(iterable, &["TypeError"]) == Reach::Runs {
        work.note(
            iterable,
            work.syntax.text(iterable),
            "the value of a flag has neither members nor a length before 3.11",
        );
    }
}

fn is_flag(work: &Work<'_, '_>, value: NodeId, depth: usize) -> bool {
    let syntax = work.syntax;
    let is_family = |class: NodeId| family(work, class, 0) == Some(Family::Flag);
    match syntax.kind(value) {
        Kind::Attribute => syntax.child(value, Field::Object).is_some_and(is_family),
        Kind::Call => syntax.child(value, Field::Function).is_some_and(is_family),
        Kind::BinaryOperator | Kind::Parenthesized if depth < 50 => {
            syntax.named_children(value).any(|part| is_flag(work, part, depth + 1))
        }
        Kind::Identifier => {
            let Some((_, [binding])) = work.scopes.resolve(value) else { return false };
            let parameter = syntax.parent(binding.node);
            let annotation = parameter.and_then(|parameter| syntax.child(parameter, Field::Type));
            annotation.and_then(|annotation| syntax.named_children(annotation).next()).is_some_and(is_family)
        }
        _ => false,
    }
}
