//! Type parameters of classes, functions and aliases (PEP 695).
//!
//! Each becomes a `TypeVar` (or `ParamSpec`, or `TypeVarTuple`) of the module. The new variables are defined
//! with the imports, long before what their bounds name: that is why bounds are written in quotes. A bound
//! may also name what is only imported for type checkers.

mod bound;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::edit::{Edits, Overlap};
use crate::finding::{Construct, Package};
use crate::scope::{Bound, ScopeId, type_parameter_name, type_parameters};
use crate::syntax::{Field, Kind, NodeId, Syntax};
use crate::work::Work;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Variable {
    TypeVar,
    TypeVarTuple,
    ParamSpec,
}

/// Everything that makes two type parameters of the same name the same variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Signature {
    variable: Variable,
    /// The arguments behind the name: `bound="A | B"`, `"int", "str"`.
    arguments: Option<String>,
}

/// The variables of the module so far, and the readers of each type parameter.
struct Registry {
    variables: HashMap<String, Signature>,
    readers: HashMap<(ScopeId, String), Vec<NodeId>>,
    /// The variables that each definition got so far.
    given: HashMap<NodeId, Vec<String>>,
    /// Names that also mean something other than a type parameter somewhere.
    occupied: HashSet<String>,
}

/// The names of the variables that each definition got for its list, in the order of the list.
pub(crate) type Variables = HashMap<NodeId, Vec<String>>;

pub(crate) fn rewrite(work: &mut Work<'_, '_>) -> Result<Variables, Overlap> {
    let syntax = work.syntax;
    let mut variables = Variables::new();
    let definitions: Vec<_> = syntax
        .ids()
        .filter(|id| matches!(syntax.kind(*id), Kind::ClassDefinition | Kind::FunctionDefinition | Kind::TypeAlias))
        .filter_map(|id| type_parameters(syntax, id).map(|list| (id, list)))
        .collect();
    if definitions.is_empty() {
        return Ok(variables);
    }
    let mut registry = registry(work, &definitions);
    for (definition, list) in definitions {
        if let Some(names) = rewrite_definition(work, &mut registry, definition, list)? {
            variables.insert(definition, names);
        }
    }
    Ok(variables)
}

fn registry(work: &Work<'_, '_>, definitions: &[(NodeId, NodeId)]) -> Registry {
    let (syntax, scopes) = (work.syntax, work.scopes);
    let names: HashSet<_> = definitions
        .iter()
        .flat_map(|(_, list)| syntax.named_children(*list))
        .filter_map(|parameter| type_parameter_name(syntax, parameter))
        .map(|name| syntax.text(name))
        .collect();
    let mut readers: HashMap<_, Vec<_>> = HashMap::new();
    let mut occupied: HashSet<_> = scopes.bound_names().into_iter().map(str::to_owned).collect();
    for id in &scopes.uses {
        let name = syntax.text(*id);
        if !names.contains(name) {
            occupied.insert(name.to_owned());
            continue;
        }
        match scopes.resolve(*id) {
            Some((scope, bindings)) if bindings.iter().any(|binding| binding.bound == Bound::TypeParameter) => {
                readers.entry((scope, name.to_owned())).or_default().push(*id);
            }
            // A global of another module, or a builtin: a new variable would hide it.
            _ => {
                occupied.insert(name.to_owned());
            }
        }
    }
    Registry { variables: HashMap::new(), readers, given: HashMap::new(), occupied }
}

fn rewrite_definition(
    work: &mut Work<'_, '_>,
    registry: &mut Registry,
    definition: NodeId,
    list: NodeId,
) -> Result<Option<Vec<String>>, Overlap> {
    let syntax = work.syntax;
    let mut names = Vec::new();
    let parameters: Vec<_> = syntax.named_children(list).collect();
    for parameter in parameters {
        let Some(name) = declare(work, registry, definition, parameter)? else {
            return Ok(None);
        };
        names.push(name);
    }
    // Rewritten parts of the list live on in the bounds; the list itself goes, and leaves its line
    // ends and comments behind.
    let left_over = left_over(syntax, list, syntax.range(list));
    work.edits.take(syntax.source, syntax.range(list), Edits::default())?;
    let list_text = syntax.text(list).split_whitespace().collect::<Vec<_>>().join(" ");
    let head = format!("{}{list_text}", definition_name(syntax, definition));
    match syntax.kind(definition) {
        Kind::ClassDefinition => {
            let arguments = names.iter().map(|(name, variable)| match variable {
                Variable::TypeVarTuple => format!("{}[{name}]", unpack(work)),
                _ => name.clone(),
            });
            let arguments = arguments.collect::<Vec<_>>().join(", ");
            let replacement = bases(work, definition, list, &arguments, &left_over);
            work.found(Construct::GenericClass, definition, head, replacement);
        }
        Kind::FunctionDefinition => {
            work.edits.replace(syntax.range(list), "");
            if let Some(parameters) = syntax.child(definition, Field::Parameters)
                && !left_over.is_empty()
            {
                work.edits.insert(syntax.start(parameters) + 1, left_over);
            }
            let written = names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            work.found(Construct::GenericFunction, definition, head, written);
        }
        // The alias writes its own list, see `alias`.
        _ => {}
    }
    Ok(Some(names.into_iter().map(|(name, _)| name).collect()))
}

/// Gives a type parameter its variable; `None` when it was refused.
fn declare(
    work: &mut Work<'_, '_>,
    registry: &mut Registry,
    definition: NodeId,
    parameter: NodeId,
) -> Result<Option<(String, Variable)>, Overlap> {
    let syntax = work.syntax;
    let Some(node) = type_parameter_name(syntax, parameter) else {
        work.refuse(parameter, syntax.text(parameter), "is a type parameter of an unknown form", None);
        return Ok(None);
    };
    let Some(arguments) = bound::arguments(work, parameter)? else {
        return Ok(None);
    };
    let variable = match syntax.text(parameter) {
        text if text.starts_with("**") => Variable::ParamSpec,
        text if text.starts_with('*') => Variable::TypeVarTuple,
        _ => Variable::TypeVar,
    };
    let original = syntax.text(node);
    // A parameter never shares the variable of one beside or around it: they are different ones.
    let around: Vec<_> = std::iter::once(definition)
        .chain(syntax.ancestors(definition))
        .filter_map(|above| registry.given.get(&above))
        .flatten()
        .cloned()
        .collect();
    let signature = Signature { variable, arguments };
    let unshared = refers_forward(work, definition, parameter);
    let name = choose(work, registry, original, &signature, &around, unshared);
    registry.given.entry(definition).or_default().push(name.clone());
    if !registry.variables.contains_key(&name) {
        let constructor = constructor(work, variable);
        let arguments = signature.arguments.as_ref().map_or_else(String::new, |arguments| format!(", {arguments}"));
        work.imports.take(&name);
        work.imports.define(format!("{name} = {constructor}(\"{name}\"{arguments})"));
        registry.variables.insert(name.clone(), signature);
    }
    if name != original {
        let scope = work.scopes.type_parameter_scope(definition).unwrap_or_else(|| work.scopes.module());
        for reader in registry.readers.get(&(scope, original.to_owned())).into_iter().flatten() {
            work.edits.replace(syntax.range(*reader), name.clone());
        }
        work.found(Construct::RenamedTypeParameter, node, original, name.clone());
    }
    Ok(Some((name, variable)))
}

/// Whether the bound of a parameter names one that stands behind it in the same list, whose name is not
/// settled yet.
fn refers_forward(work: &Work<'_, '_>, definition: NodeId, parameter: NodeId) -> bool {
    let (syntax, scope) = (work.syntax, work.scopes.type_parameter_scope(definition));
    syntax.descendants(parameter).filter(|node| syntax.kind(*node) == Kind::Identifier).any(|node| {
        scope.is_some_and(|scope| {
            work.scopes
                .own(scope, syntax.text(node))
                .is_some_and(|(_, bindings)| bindings.iter().any(|binding| binding.node > node))
        })
    })
}

/// The name itself, or the first numbered one that is free or already means the same.
fn choose(
    work: &Work<'_, '_>,
    registry: &Registry,
    original: &str,
    signature: &Signature,
    around: &[String],
    unshared: bool,
) -> String {
    // A name of two underscores is another one inside each class.
    let base =
        if original.starts_with("__") { format!("_{}", original.trim_start_matches('_')) } else { original.to_owned() };
    let numbered = (2..).map(|number| format!("{base}{number}"));
    let fits = |name: &String| match registry.variables.get(name) {
        Some(known) => known == signature && !unshared && !around.contains(name),
        None => !registry.occupied.contains(name) && (name == original || !work.imports.is_taken(name)),
    };
    std::iter::once(base.clone()).chain(numbered).find(fits).unwrap_or(base)
}

/// The line ends and comments of a range that goes.
pub(crate) fn left_over(syntax: &Syntax<'_>, node: NodeId, range: Range<usize>) -> String {
    let mut text = String::new();
    let mut position = range.start;
    let comments = syntax
        .descendants(node)
        .filter(|inner| syntax.kind(*inner) == Kind::Comment && syntax.end(*inner) <= range.end)
        .map(|inner| syntax.range(inner));
    for comment in comments.chain(std::iter::once(range.end..range.end)) {
        let gap = syntax.source[position..comment.start].chars();
        text.extend(gap.filter(|character| matches!(character, '\n' | '\r')));
        if !comment.is_empty() {
            text.push_str("  ");
            text.push_str(&syntax.source[comment.clone()]);
        }
        position = comment.end;
    }
    text
}

fn definition_name<'s>(syntax: &Syntax<'s>, definition: NodeId) -> &'s str {
    syntax.child(definition, Field::Name).map_or("", |name| syntax.text(name))
}

fn constructor(work: &mut Work<'_, '_>, variable: Variable) -> String {
    match variable {
        Variable::TypeVar => work.imports.member("typing", "TypeVar"),
        Variable::ParamSpec => work.imports.member("typing", "ParamSpec"),
        Variable::TypeVarTuple => backported(work, "TypeVarTuple", 11),
    }
}

/// `Unpack`, from where the target has it.
pub(crate) fn unpack(work: &mut Work<'_, '_>) -> String {
    backported(work, "Unpack", 11)
}

/// A name of `typing`, or of its backport when the target lacks it.
pub(crate) fn backported(work: &mut Work<'_, '_>, name: &'static str, since: u8) -> String {
    if work.target.has(since) {
        return work.imports.member("typing", name);
    }
    work.packages.insert(Package::TypingExtensions);
    work.imports.member("typing_extensions", name)
}

/// Adds `Generic[…]` behind the bases, or the arguments to a bare `Protocol`; says what was written.
fn bases(work: &mut Work<'_, '_>, definition: NodeId, list: NodeId, arguments: &str, left_over: &str) -> String {
    const PROTOCOL: &[&str] = &["typing.Protocol", "typing_extensions.Protocol"];
    const GENERIC: &[&str] =
        &["typing.Protocol", "typing_extensions.Protocol", "typing.Generic", "typing_extensions.Generic"];
    let syntax = work.syntax;
    let Some(bases) = syntax.child(definition, Field::Superclasses) else {
        let generic = format!("{}[{arguments}]", work.imports.member("typing", "Generic"));
        work.edits.replace(syntax.range(list), format!("({generic}{left_over})"));
        return generic;
    };
    work.edits.replace(syntax.range(list), "");
    if !left_over.is_empty() {
        work.edits.insert(syntax.start(bases) + 1, left_over);
    }
    let is_keyword = |child: &NodeId| matches!(syntax.kind(*child), Kind::KeywordArgument | Kind::DictionarySplat);
    let (keywords, positional): (Vec<_>, Vec<_>) = syntax.named_children(bases).partition(is_keyword);
    if syntax.kind(bases) != Kind::ArgumentList
        || positional.last().zip(keywords.first()).is_some_and(|(last, first)| first < last)
    {
        work.refuse(bases, syntax.text(bases), "has no place for `Generic` behind the bases", None);
        return String::new();
    }
    if let Some(protocol) = positional.iter().find(|base| work.scopes.is_any(**base, PROTOCOL)) {
        work.edits.insert(syntax.end(*protocol), format!("[{arguments}]"));
        return format!("{}[{arguments}]", syntax.text(*protocol));
    }
    let subscripted = positional.iter().find(|base| {
        syntax.kind(**base) == Kind::Subscript
            && syntax.child(**base, Field::Value).is_some_and(|value| work.scopes.is_any(value, GENERIC))
    });
    if let Some(base) = subscripted {
        work.refuse(*base, syntax.text(*base), "stands beside type parameters, which Python 3.12 rejects too", None);
        return String::new();
    }
    let generic = format!("{}[{arguments}]", work.imports.member("typing", "Generic"));
    match (positional.last(), keywords.first()) {
        (Some(last), _) => work.edits.insert(syntax.end(*last), format!(", {generic}")),
        (None, Some(_)) => work.edits.insert(syntax.start(bases) + 1, format!("{generic}, ")),
        (None, None) => work.edits.insert(syntax.start(bases) + 1, generic.clone()),
    }
    generic
}
