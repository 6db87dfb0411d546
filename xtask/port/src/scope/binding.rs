//! Constructs that open scopes, and constructs that bind names in them.

use super::{
    Binding, Bound, MODULE, Opened, ScopeId, ScopeKind, Scopes, dotted, imported, type_parameter_name, type_parameters,
};
use crate::syntax::{Field, Kind, NodeId};

impl Scopes<'_, '_> {
    /// The scope in which a node is evaluated, given that of its parent.
    pub(super) fn scope_from_parent(&self, id: NodeId) -> ScopeId {
        let syntax = self.syntax;
        let Some(parent) = syntax.parent(id) else {
            return MODULE;
        };
        let inherited = self.scope(parent);
        if let Some(opened) = self.opened.get(&parent) {
            return match (syntax.kind(parent), syntax.field(id)) {
                (_, Field::Body) => opened.body,
                (Kind::Lambda, _) | (Kind::FunctionDefinition | Kind::ClassDefinition, Field::Name) => opened.outer,
                (Kind::FunctionDefinition | Kind::ClassDefinition, _) => opened.annotation,
                (Kind::TypeAlias, Field::Left) => opened.outer,
                (Kind::TypeAlias, _) => opened.annotation,
                _ => opened.body,
            };
        }
        // "The iterable expression in the leftmost `for` clause is evaluated directly in the enclosing
        // scope" (the Python language reference, 6.2.4).
        if syntax.kind(parent) == Kind::ForInClause
            && syntax.field(id) == Field::Right
            && let Some(comprehension) = syntax.parent(parent)
            && let Some(opened) = self.opened.get(&comprehension)
            && syntax.children(comprehension).find(|child| syntax.kind(*child) == Kind::ForInClause) == Some(parent)
        {
            return opened.outer;
        }
        // "Decorators and default values are evaluated outside of it" (8.10.1, about the scope of type parameters).
        if matches!(syntax.kind(parent), Kind::DefaultParameter | Kind::TypedDefaultParameter)
            && syntax.field(id) == Field::Value
            && let Some(function) = syntax.ancestors(parent).nth(1)
            && let Some(opened) = self.opened.get(&function)
        {
            return opened.outer;
        }
        inherited
    }

    /// Opens the scopes and makes the bindings of a node.
    pub(super) fn enter(&mut self, id: NodeId, scope: ScopeId) {
        let syntax = self.syntax;
        match syntax.kind(id) {
            Kind::FunctionDefinition | Kind::ClassDefinition | Kind::TypeAlias => {
                let parameters = type_parameters(syntax, id);
                let annotation = match parameters {
                    Some(_) => self.open(ScopeKind::Annotation, Some(scope)),
                    None => scope,
                };
                let body = match syntax.kind(id) {
                    Kind::FunctionDefinition => self.open(ScopeKind::Function, Some(annotation)),
                    Kind::ClassDefinition => self.open(ScopeKind::Class, Some(annotation)),
                    _ => annotation,
                };
                self.opened.insert(id, Opened { outer: scope, annotation, body });
                for parameter in parameters.into_iter().flat_map(|list| syntax.named_children(list)) {
                    if let Some(name) = type_parameter_name(syntax, parameter) {
                        self.bind(annotation, name, Bound::TypeParameter);
                    }
                }
            }
            Kind::Lambda => {
                let body = self.open(ScopeKind::Function, Some(scope));
                self.opened.insert(id, Opened { outer: scope, annotation: scope, body });
            }
            Kind::ListComprehension
            | Kind::SetComprehension
            | Kind::DictionaryComprehension
            | Kind::GeneratorExpression => {
                let body = self.open(ScopeKind::Comprehension, Some(scope));
                self.opened.insert(id, Opened { outer: scope, annotation: body, body });
            }
            Kind::Import | Kind::ImportFrom => self.import(id, scope),
            Kind::Global => {
                for name in syntax.named_children(id) {
                    let text = syntax.text(name);
                    self.scopes[scope.0 as usize].globals.insert(text);
                }
            }
            Kind::Nonlocal => {
                for name in syntax.named_children(id) {
                    let text = syntax.text(name);
                    self.scopes[scope.0 as usize].nonlocals.insert(text);
                }
            }
            Kind::Identifier => self.identifier(id, scope),
            _ => {}
        }
    }

    fn bind(&mut self, scope: ScopeId, node: NodeId, bound: Bound) {
        let name = self.syntax.text(node);
        let scope = if self.get(scope).globals.contains(name) { MODULE } else { scope };
        self.scopes[scope.0 as usize].names.entry(name).or_default().push(Binding { node, bound });
    }

    fn import(&mut self, id: NodeId, scope: ScopeId) {
        let syntax = self.syntax;
        let module = match syntax.kind(id) {
            Kind::ImportFrom => match syntax.child(id, Field::ModuleName) {
                Some(module) if syntax.kind(module) == Kind::DottedName => Some(dotted(syntax, module)),
                // A relative import can bring in anything, but nothing of the standard library.
                _ => None,
            },
            _ => Some(String::new()),
        };
        if let Some(module) = &module
            && syntax.named_children(id).any(|child| syntax.kind(child) == Kind::Wildcard)
        {
            self.wildcards.push(module.clone());
        }
        for name in syntax.children(id).filter(|child| syntax.field(*child) == Field::Name) {
            let (path, alias) = imported(syntax, name);
            let first = syntax.named_children(path).next();
            let Some(node) = alias.or(first) else {
                continue;
            };
            let bound = match &module {
                None => Bound::Other,
                Some(module) if module.is_empty() && alias.is_none() => {
                    Bound::Import(first.map_or("", |first| syntax.text(first)).to_owned())
                }
                Some(module) if module.is_empty() => Bound::Import(dotted(syntax, path)),
                Some(module) => Bound::Import(format!("{module}.{}", dotted(syntax, path))),
            };
            self.bind(scope, node, bound);
        }
    }

    fn identifier(&mut self, id: NodeId, scope: ScopeId) {
        let syntax = self.syntax;
        let Some(parent) = syntax.parent(id) else {
            return;
        };
        let field = syntax.field(id);
        match syntax.kind(parent) {
            Kind::FunctionDefinition | Kind::ClassDefinition if field == Field::Name => {
                self.bind(scope, id, Bound::Other);
            }
            Kind::Attribute if field == Field::Attribute => {}
            Kind::KeywordArgument if field == Field::Name => {}
            Kind::KeywordPattern | Kind::Global | Kind::Nonlocal | Kind::AliasedImport => {}
            Kind::Parameters | Kind::LambdaParameters => self.parameter(id, parent),
            Kind::DefaultParameter | Kind::TypedDefaultParameter if field == Field::Name => {
                self.parameter(id, parent);
            }
            Kind::TypedParameter if field == Field::Other => self.parameter(id, parent),
            Kind::ListSplatPattern | Kind::DictionarySplatPattern if self.is_parameter(parent) => {
                self.parameter(id, parent);
            }
            Kind::DottedName => self.dotted_part(id, parent, scope),
            Kind::SplatPattern => self.bind_in_function(scope, id),
            Kind::AsPattern
                if syntax.parent(parent).is_some_and(|above| syntax.kind(above) == Kind::CasePattern)
                    && syntax.named_children(parent).last() == Some(id) =>
            {
                self.bind_in_function(scope, id);
            }
            Kind::NamedExpression if field == Field::Name => self.bind_in_function(scope, id),
            _ => match self.target(id) {
                Some(bound) => self.bind(scope, id, bound),
                None if self.is_binder(id) => {}
                None => self.uses.push(id),
            },
        }
    }

    /// A name in an assignment expression or a pattern belongs to the function around comprehensions.
    fn bind_in_function(&mut self, scope: ScopeId, id: NodeId) {
        let mut scope = scope;
        while self.get(scope).kind == ScopeKind::Comprehension
            && let Some(parent) = self.get(scope).parent
        {
            scope = parent;
        }
        self.bind(scope, id, Bound::Other);
    }

    fn parameter(&mut self, id: NodeId, parent: NodeId) {
        let syntax = self.syntax;
        let owner = std::iter::once(parent).chain(syntax.ancestors(parent)).find_map(|node| {
            self.opened.get(&node).filter(|_| matches!(syntax.kind(node), Kind::FunctionDefinition | Kind::Lambda))
        });
        if let Some(opened) = owner.copied() {
            self.bind(opened.body, id, Bound::Other);
        }
    }

    fn is_parameter(&self, splat: NodeId) -> bool {
        self.syntax.parent(splat).is_some_and(|above| {
            matches!(self.syntax.kind(above), Kind::Parameters | Kind::LambdaParameters | Kind::TypedParameter)
        })
    }

    fn dotted_part(&mut self, id: NodeId, dotted: NodeId, scope: ScopeId) {
        let syntax = self.syntax;
        let above = syntax.parent(dotted).map_or(Kind::Other, |above| syntax.kind(above));
        let mut names = syntax.named_children(dotted);
        let (first, second) = (names.next(), names.next());
        match above {
            Kind::Import | Kind::ImportFrom | Kind::AliasedImport | Kind::FutureImport | Kind::RelativeImport => {}
            _ if first != Some(id) => {}
            Kind::ClassPattern => self.uses.push(id),
            _ if second.is_some() => self.uses.push(id),
            _ => self.bind_in_function(scope, id),
        }
    }

    /// Whether an identifier is assigned to, and as what.
    fn target(&self, id: NodeId) -> Option<Bound> {
        let syntax = self.syntax;
        let mut below = id;
        for node in syntax.ancestors(id) {
            let field = syntax.field(below);
            match syntax.kind(node) {
                Kind::Tuple
                | Kind::List
                | Kind::Parenthesized
                | Kind::PatternList
                | Kind::TuplePattern
                | Kind::ListPattern
                | Kind::ListSplatPattern
                | Kind::ListSplat
                | Kind::ExpressionList => below = node,
                Kind::Assignment | Kind::AugmentedAssignment | Kind::ForStatement | Kind::ForInClause => {
                    return (field == Field::Left).then_some(Bound::Other);
                }
                Kind::DeleteStatement => return Some(Bound::Other),
                Kind::AsPatternTarget => {
                    let handler =
                        syntax.ancestors(node).nth(1).is_some_and(|above| syntax.kind(above) == Kind::ExceptClause);
                    return Some(if handler { Bound::Exception } else { Bound::Other });
                }
                // The name of a `type` alias.
                Kind::Type if field == Field::Other => below = node,
                Kind::GenericType if syntax.named_children(node).next() == Some(below) => {
                    below = node;
                }
                Kind::TypeAlias => return (field == Field::Left).then_some(Bound::Other),
                _ => return None,
            }
        }
        None
    }

    /// Whether an identifier is the declaration of a type parameter.
    fn is_binder(&self, id: NodeId) -> bool {
        let name = self.syntax.text(id);
        self.syntax.ancestors(id).find_map(|above| self.opened.get(&above)).is_some_and(|opened| {
            self.own(opened.annotation, name)
                .is_some_and(|(_, bindings)| bindings.iter().any(|binding| binding.node == id))
        })
    }
}
