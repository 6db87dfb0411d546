//! The walk over the second parser's tree that looks for names the target lacks.

use std::collections::HashMap;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{BoolOp, Comprehension, ExceptHandler, Expr, Stmt, StmtTry};
use ruff_text_size::{Ranged, TextRange};

use super::bindings::{Names, Origin};
use crate::guard::Truth;
use crate::stdlib_additions;
use crate::target::Target;

/// A place that speaks against the text.
pub(super) struct Found {
    pub(super) offset: usize,
    pub(super) construct: String,
    pub(super) reason: String,
}

/// Deeper trees are not walked to the end, and therefore not proved.
const MAX_DEPTH: usize = 1000;

pub(super) fn scan(module: &[Stmt], target: Target) -> Vec<Found> {
    let mut scan = Scan {
        target,
        scopes: vec![Names::of_body(module)],
        constants: module.iter().filter_map(constant).collect(),
        caught: Vec::new(),
        dead: Vec::new(),
        depth: 0,
        found: Vec::new(),
    };
    scan.visit_body(module);
    scan.found
}

/// An assignment of a comparison to a name.
fn constant(statement: &Stmt) -> Option<(&str, &Expr)> {
    let Stmt::Assign(assignment) = statement else {
        return None;
    };
    match (&*assignment.targets, &*assignment.value) {
        ([Expr::Name(name)], value @ Expr::Compare(_)) => Some((name.id.as_str(), value)),
        _ => None,
    }
}

pub(super) struct Scan<'a> {
    pub(super) target: Target,
    pub(super) scopes: Vec<Names<'a>>,
    pub(super) constants: HashMap<&'a str, &'a Expr>,
    /// The names of the exceptions that statements around catch, and whether one statement alone is inside.
    caught: Vec<(&'a str, bool)>,
    /// The branches found so far that never run at the target.
    dead: Vec<TextRange>,
    depth: usize,
    found: Vec<Found>,
}

impl<'a> Scan<'a> {
    fn report(&mut self, node: &impl Ranged, construct: &str, reason: String) {
        self.found.push(Found { offset: node.start().to_usize(), construct: construct.to_owned(), reason });
    }

    fn missing(&mut self, node: &impl Ranged, full: &str) {
        let reason = format!("Python {} has no such name, or not as it is needed", self.target);
        self.report(node, full, reason);
    }

    fn catches(&self, names: &[&str]) -> bool {
        // Only an import that fails has one possible cause; see the guards of the rules.
        let imports = names.contains(&"ImportError");
        self.caught.iter().any(|(caught, alone)| names.contains(caught) && (imports || *alone))
    }

    pub(super) fn resolve(&self, name: &str) -> Option<&[Origin]> {
        let (module, top) = (self.scopes.first()?, self.scopes.last()?);
        if top.globals.contains(name) {
            return module.origins.get(name).map(Vec::as_slice);
        }
        let last = self.scopes.len() - 1;
        let visible = self.scopes.iter().enumerate().rev().filter(|(index, scope)| *index == last || !scope.is_class);
        visible.map(|(_, scope)| scope).find_map(|scope| scope.origins.get(name)).map(Vec::as_slice)
    }

    /// The full names that an expression may stand for.
    fn qualified(&self, expression: &Expr) -> Vec<String> {
        let mut path = Vec::new();
        let mut current = expression;
        let root = loop {
            match current {
                Expr::Attribute(attribute) => {
                    path.push(attribute.attr.as_str());
                    current = &attribute.value;
                }
                Expr::Name(name) => break name.id.as_str(),
                _ => return Vec::new(),
            }
        };
        path.reverse();
        let origins = self.resolve(root).unwrap_or_default().iter();
        let imports = origins.filter_map(|origin| match origin {
            Origin::Import(full, offset) => {
                (!self.dead.iter().any(|range| range.contains(*offset))).then_some(full.as_str())
            }
            Origin::Exception | Origin::Other => None,
        });
        imports.map(|full| std::iter::once(full).chain(path.iter().copied()).collect::<Vec<_>>().join(".")).collect()
    }

    pub(super) fn is(&self, expression: &Expr, full_names: &[&str]) -> bool {
        self.qualified(expression).iter().any(|name| full_names.contains(&name.as_str()))
    }

    fn member(&mut self, node: &impl Ranged, full: &str, excuses: &[&str]) {
        let addition = stdlib_additions::addition(self.target, full).is_some()
            || stdlib_additions::module_addition(self.target, full).is_some();
        if addition && (stdlib_additions::exists(full) || !self.catches(excuses)) {
            self.missing(node, full);
        }
    }

    fn branch(&mut self, truth: Truth, body: &'a [Stmt]) {
        match truth {
            Truth::Yes | Truth::Unknown => self.visit_body(body),
            Truth::TypeChecking => {}
            Truth::No => {
                if let (Some(first), Some(last)) = (body.first(), body.last()) {
                    self.dead.push(TextRange::new(first.start(), last.end()));
                }
            }
        }
    }

    fn try_statement(&mut self, statement: &'a StmtTry) {
        let before = self.caught.len();
        let alone = statement.body.len() == 1;
        for ExceptHandler::ExceptHandler(handler) in &statement.handlers {
            let types = match handler.type_.as_deref() {
                None => continue,
                Some(Expr::Tuple(tuple)) => tuple.elts.as_slice(),
                Some(single) => std::slice::from_ref(single),
            };
            self.caught.extend(types.iter().filter_map(name_of).map(|name| (name, alone)));
        }
        self.visit_body(&statement.body);
        self.caught.truncate(before);
        for handler in &statement.handlers {
            self.visit_except_handler(handler);
        }
        self.visit_body(&statement.orelse);
        self.visit_body(&statement.finalbody);
    }

    fn in_scope(&mut self, names: Names<'a>, walk: impl FnOnce(&mut Self)) {
        self.scopes.push(names);
        // A handler around a definition does not catch what its call raises.
        let caught = std::mem::take(&mut self.caught);
        walk(self);
        self.caught = caught;
        self.scopes.pop();
    }

    fn comprehension(&mut self, generators: &'a [Comprehension], results: &[&'a Expr]) {
        let mut names = Names::default();
        for generator in generators {
            names.origins.extend(Names::of_expression(&generator.target).origins);
        }
        if let Some(first) = generators.first() {
            self.visit_expr(&first.iter);
        }
        self.scopes.push(names);
        for (index, generator) in generators.iter().enumerate() {
            if index > 0 {
                self.visit_expr(&generator.iter);
            }
            for condition in &generator.ifs {
                self.visit_expr(condition);
            }
        }
        for result in results {
            self.visit_expr(result);
        }
        self.scopes.pop();
    }
}

fn name_of(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Name(name) => Some(name.id.as_str()),
        _ => None,
    }
}

fn runs(truth: Truth) -> bool {
    matches!(truth, Truth::Yes | Truth::Unknown)
}

impl<'a> Visitor<'a> for Scan<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                for decorator in &function.decorator_list {
                    self.visit_decorator(decorator);
                }
                self.visit_parameters(&function.parameters);
                if let Some(returns) = &function.returns {
                    self.visit_annotation(returns);
                }
                let mut names = Names::of_body(&function.body);
                names.add_parameters(&function.parameters);
                self.in_scope(names, |scan| scan.visit_body(&function.body));
            }
            Stmt::ClassDef(class) => {
                for decorator in &class.decorator_list {
                    self.visit_decorator(decorator);
                }
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
                let mut names = Names::of_body(&class.body);
                names.is_class = true;
                let caught = self.caught.clone();
                self.in_scope(names, |scan| {
                    scan.caught = caught;
                    scan.visit_body(&class.body);
                });
            }
            Stmt::If(conditional) => {
                self.visit_expr(&conditional.test);
                let mut before = self.truth(&conditional.test);
                self.branch(before, &conditional.body);
                for clause in &conditional.elif_else_clauses {
                    let own = clause.test.as_ref().map_or(Truth::Yes, |test| self.truth(test));
                    if let Some(test) = &clause.test {
                        self.visit_expr(test);
                    }
                    self.branch(before.not().and(own), &clause.body);
                    before = before.or(own);
                }
            }
            Stmt::Try(statement) => self.try_statement(statement),
            Stmt::With(with) => {
                let before = self.caught.len();
                for item in &with.items {
                    self.visit_with_item(item);
                    if let Expr::Call(call) = &item.context_expr
                        && self.is(&call.func, &["contextlib.suppress"])
                    {
                        let alone = with.body.len() == 1;
                        self.caught.extend(call.arguments.args.iter().filter_map(name_of).map(|name| (name, alone)));
                    }
                }
                self.visit_body(&with.body);
                self.caught.truncate(before);
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    if stdlib_additions::module_addition(self.target, &alias.name).is_some()
                        && !self.catches(&["ImportError", "ModuleNotFoundError"])
                    {
                        self.missing(alias, &alias.name);
                    }
                }
            }
            Stmt::ImportFrom(import) => {
                let Some(module) = import.module.as_ref().filter(|_| import.level == 0) else {
                    return;
                };
                if stdlib_additions::module_addition(self.target, module).is_some() {
                    if !self.catches(&["ImportError", "ModuleNotFoundError"]) {
                        self.missing(import, module);
                    }
                    return;
                }
                for alias in &import.names {
                    self.member(alias, &format!("{module}.{}", alias.name), &["ImportError"]);
                }
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if self.depth >= MAX_DEPTH {
            if self.depth == MAX_DEPTH {
                self.report(expression, "nesting", "is too deep to be walked".to_owned());
            }
            return;
        }
        self.depth += 1;
        match expression {
            Expr::Name(name) => {
                if self.resolve(&name.id).is_none()
                    && stdlib_additions::builtin_addition(self.target, &name.id).is_some()
                    && !self.catches(&["NameError"])
                {
                    self.missing(name, &format!("builtins.{}", name.id));
                }
            }
            Expr::Attribute(attribute) => {
                for full in self.qualified(expression) {
                    // The members of a module that stands in under an old name are its own affair.
                    if stdlib_additions::addition(self.target, &full).is_some() {
                        self.member(attribute, &full, &["AttributeError"]);
                    }
                }
                if stdlib_additions::attribute_since(self.target, &attribute.attr).is_some()
                    && !self.catches(&["AttributeError"])
                {
                    self.missing(attribute, &attribute.attr);
                }
                self.visit_expr(&attribute.value);
            }
            Expr::Call(call) => {
                for full in self.qualified(&call.func) {
                    for keyword in call.arguments.keywords.iter().filter_map(|keyword| keyword.arg.as_ref()) {
                        if stdlib_additions::keyword_since(self.target, &full, keyword).is_some()
                            && !self.catches(&["TypeError"])
                        {
                            self.missing(keyword, &format!("{full}({keyword}=)"));
                        }
                    }
                }
                walk_expr(self, expression);
            }
            Expr::BoolOp(operation) => {
                for value in &operation.values {
                    self.visit_expr(value);
                    let truth = self.truth(value);
                    let goes_on = match operation.op {
                        BoolOp::And => truth,
                        BoolOp::Or => truth.not(),
                    };
                    if !runs(goes_on) {
                        break;
                    }
                }
            }
            Expr::If(conditional) => {
                self.visit_expr(&conditional.test);
                let truth = self.truth(&conditional.test);
                if runs(truth) {
                    self.visit_expr(&conditional.body);
                }
                if runs(truth.not()) {
                    self.visit_expr(&conditional.orelse);
                }
            }
            Expr::Lambda(lambda) => {
                let mut names = Names::default();
                if let Some(parameters) = &lambda.parameters {
                    self.visit_parameters(parameters);
                    names.add_parameters(parameters);
                }
                self.in_scope(names, |scan| scan.visit_expr(&lambda.body));
            }
            Expr::ListComp(list) => self.comprehension(&list.generators, &[&list.elt]),
            Expr::SetComp(set) => self.comprehension(&set.generators, &[&set.elt]),
            Expr::Generator(generator) => {
                self.comprehension(&generator.generators, &[&generator.elt]);
            }
            Expr::DictComp(dict) => {
                let mut results: Vec<&'a Expr> = vec![&dict.value];
                results.extend(dict.key.as_deref());
                self.comprehension(&dict.generators, &results);
            }
            _ => walk_expr(self, expression),
        }
        self.depth -= 1;
    }
}
