//! Scopes, what is bound in them, and what a name therefore means.

mod binding;

use std::collections::{HashMap, HashSet};

use crate::syntax::{Field, Kind, NodeId, Syntax};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ScopeId(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScopeKind {
    Module,
    Class,
    Function,
    Comprehension,
    /// The scope of type parameters, between a definition and what is around it (PEP 695).
    Annotation,
}

/// The meaning that a binding gives its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// An imported module or member, by its full name: `asyncio`, `datetime.datetime`.
    Import(String),
    TypeParameter,
    /// `except … as name`.
    Exception,
    Other,
}

#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) node: NodeId,
    pub(crate) bound: Bound,
}

struct Scope<'s> {
    kind: ScopeKind,
    parent: Option<ScopeId>,
    names: HashMap<&'s str, Vec<Binding>>,
    globals: HashSet<&'s str>,
    nonlocals: HashSet<&'s str>,
}

/// The scopes that a definition opens.
#[derive(Clone, Copy)]
struct Opened {
    outer: ScopeId,
    annotation: ScopeId,
    body: ScopeId,
}

/// All scopes of a module, and all uses of names in them.
pub(crate) struct Scopes<'t, 's> {
    syntax: &'t Syntax<'s>,
    scopes: Vec<Scope<'s>>,
    scope_of: Vec<ScopeId>,
    opened: HashMap<NodeId, Opened>,
    /// Every identifier that is read (or is the root of something read).
    pub(crate) uses: Vec<NodeId>,
    /// Modules that everything was imported from: `from typing import *`.
    pub(crate) wildcards: Vec<String>,
}

const MODULE: ScopeId = ScopeId(0);

impl<'t, 's> Scopes<'t, 's> {
    pub(crate) fn new(syntax: &'t Syntax<'s>) -> Self {
        let mut scopes = Self {
            syntax,
            scopes: Vec::new(),
            scope_of: Vec::new(),
            opened: HashMap::new(),
            uses: Vec::new(),
            wildcards: Vec::new(),
        };
        scopes.open(ScopeKind::Module, None);
        for id in syntax.ids() {
            let scope = scopes.scope_from_parent(id);
            scopes.scope_of.push(scope);
            scopes.enter(id, scope);
        }
        scopes
    }

    /// Resolves a name that is read at a node: the bindings of the nearest scope that has it.
    pub(crate) fn resolve(&self, node: NodeId) -> Option<(ScopeId, &[Binding])> {
        self.lookup(self.syntax.text(node), self.scope(node))
    }

    /// Resolves a name in a scope.
    pub(crate) fn lookup(&self, name: &str, scope: ScopeId) -> Option<(ScopeId, &[Binding])> {
        let mut current = scope;
        let mut class_visible = true;
        loop {
            let scope = self.get(current);
            if scope.globals.contains(name) {
                return self.own(MODULE, name);
            }
            let visible = scope.kind != ScopeKind::Class || class_visible;
            if visible
                && !scope.nonlocals.contains(name)
                && let Some(found) = self.own(current, name)
            {
                return Some(found);
            }
            // Names of a class are seen by its own statements, and by the type parameters and annotations
            // of what is defined there, but not by the bodies of functions.
            class_visible = class_visible && scope.kind == ScopeKind::Annotation;
            current = scope.parent?;
        }
    }

    /// The full names that an expression may stand for: of imports, followed through attributes.
    ///
    /// `None` among them means that the root is also bound to something else.
    pub(crate) fn qualified(&self, node: NodeId) -> Vec<Option<String>> {
        self.qualified_by(node, |_| true)
    }

    /// The same as [`Self::qualified`], going by some of the bindings of the root only.
    pub(crate) fn qualified_by(&self, node: NodeId, counts: impl Fn(&Binding) -> bool) -> Vec<Option<String>> {
        let syntax = self.syntax;
        let mut path = Vec::new();
        let mut current = node;
        let root = loop {
            match syntax.kind(current) {
                Kind::Identifier => break current,
                Kind::Attribute => {
                    let (Some(object), Some(attribute)) =
                        (syntax.child(current, Field::Object), syntax.child(current, Field::Attribute))
                    else {
                        return Vec::new();
                    };
                    path.push(syntax.text(attribute));
                    current = object;
                }
                // `a.b` in a pattern is a chain without a tree.
                Kind::DottedName => {
                    let mut names: Vec<_> = syntax.named_children(current).collect();
                    if names.is_empty() {
                        return Vec::new();
                    }
                    let first = names.remove(0);
                    path.extend(names.iter().rev().map(|name| syntax.text(*name)));
                    break first;
                }
                // The grammar binds the star of `*a.b` to `a`.
                Kind::Type | Kind::Parenthesized | Kind::ListSplat => match syntax.named_children(current).next() {
                    Some(inner) => current = inner,
                    None => return Vec::new(),
                },
                _ => return Vec::new(),
            }
        };
        let Some((_, bindings)) = self.resolve(root) else {
            return Vec::new();
        };
        let mut names = Vec::new();
        for binding in bindings.iter().filter(|binding| counts(binding)) {
            let name = match &binding.bound {
                Bound::Import(name) => {
                    let mut name = name.clone();
                    for part in path.iter().rev() {
                        name.push('.');
                        name.push_str(part);
                    }
                    Some(name)
                }
                _ => None,
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Whether an expression certainly stands for one of these full names.
    pub(crate) fn is_any(&self, node: NodeId, full_names: &[&str]) -> bool {
        let names = self.qualified(node);
        !names.is_empty() && names.iter().all(|name| name.as_deref().is_some_and(|name| full_names.contains(&name)))
    }

    pub(crate) fn scope(&self, node: NodeId) -> ScopeId {
        self.scope_of[node.index()]
    }

    pub(crate) fn module(&self) -> ScopeId {
        MODULE
    }

    /// Whether code of the inner scope runs at another time than that of the outer one.
    pub(crate) fn is_deferred(&self, inner: ScopeId, outer: ScopeId) -> bool {
        std::iter::successors(Some(inner), |scope| self.get(*scope).parent)
            .take_while(|scope| *scope != outer)
            .any(|scope| self.get(scope).kind == ScopeKind::Function)
    }

    /// The bindings of a name in one scope.
    pub(crate) fn own(&self, scope: ScopeId, name: &str) -> Option<(ScopeId, &[Binding])> {
        self.get(scope).names.get(name).map(|bindings| (scope, bindings.as_slice()))
    }

    /// In how many scopes a name is bound.
    pub(crate) fn scopes_that_bind(&self, name: &str) -> usize {
        self.scopes.iter().filter(|scope| scope.names.contains_key(name)).count()
    }

    /// The scope that holds the type parameters of a definition.
    pub(crate) fn type_parameter_scope(&self, definition: NodeId) -> Option<ScopeId> {
        self.opened.get(&definition).map(|opened| opened.annotation)
    }

    /// Every name that is bound anywhere to something other than a type parameter.
    pub(crate) fn bound_names(&self) -> HashSet<&'s str> {
        let other = |bindings: &[Binding]| bindings.iter().any(|binding| binding.bound != Bound::TypeParameter);
        self.scopes
            .iter()
            .flat_map(|scope| scope.names.iter())
            .filter(|(_, bindings)| other(bindings))
            .map(|(name, _)| *name)
            .collect()
    }

    fn get(&self, scope: ScopeId) -> &Scope<'s> {
        &self.scopes[scope.0 as usize]
    }

    fn open(&mut self, kind: ScopeKind, parent: Option<ScopeId>) -> ScopeId {
        let id = ScopeId(self.scopes.len() as u32);
        self.scopes.push(Scope {
            kind,
            parent,
            names: HashMap::new(),
            globals: HashSet::new(),
            nonlocals: HashSet::new(),
        });
        id
    }
}

/// The list of type parameters of a definition or a type alias.
///
/// Found by field and place, never by kind: the grammar calls the subscripts of annotations by the same name.
pub(crate) fn type_parameters(syntax: &Syntax<'_>, definition: NodeId) -> Option<NodeId> {
    if syntax.kind(definition) != Kind::TypeAlias {
        return syntax.child(definition, Field::TypeParameters);
    }
    let left = syntax.child(definition, Field::Left)?;
    let generic = syntax.named_children(left).next()?;
    if syntax.kind(generic) != Kind::GenericType {
        return None;
    }
    syntax.named_children(generic).find(|child| syntax.kind(*child) == Kind::TypeParameter)
}

/// The identifier that a type parameter declares.
pub(crate) fn type_parameter_name(syntax: &Syntax<'_>, parameter: NodeId) -> Option<NodeId> {
    let mut current = parameter;
    loop {
        current = match syntax.kind(current) {
            Kind::Identifier => return Some(current),
            Kind::Type | Kind::ConstrainedType | Kind::SplatType => syntax.named_children(current).next()?,
            _ => return None,
        };
    }
}

/// The path and the alias of one name of an import statement.
pub(crate) fn imported(syntax: &Syntax<'_>, name: NodeId) -> (NodeId, Option<NodeId>) {
    match syntax.kind(name) {
        Kind::AliasedImport => (syntax.child(name, Field::Name).unwrap_or(name), syntax.child(name, Field::Alias)),
        _ => (name, None),
    }
}

/// A dotted name without the blanks that may stand in it.
pub(crate) fn dotted(syntax: &Syntax<'_>, name: NodeId) -> String {
    let parts: Vec<_> = syntax.named_children(name).map(|part| syntax.text(part)).collect();
    parts.join(".")
}
