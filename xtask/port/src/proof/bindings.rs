//! Names bound in one scope of the second parser's tree.

use std::collections::{HashMap, HashSet};

use ruff_python_ast::visitor::{Visitor, walk_except_handler, walk_expr, walk_pattern, walk_stmt};
use ruff_python_ast::{ExceptHandler, Expr, ExprContext, Parameters, Pattern, Stmt};
use ruff_text_size::{Ranged, TextSize};

/// The meaning that one binding gives a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The full name of something imported, and where the import stands.
    Import(String, TextSize),
    Exception,
    Other,
}

/// The names of one scope.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub(super) origins: HashMap<&'a str, Vec<Origin>>,
    pub(super) globals: HashSet<&'a str>,
    pub(super) is_class: bool,
}

impl<'a> Names<'a> {
    pub(super) fn of_body(body: &'a [Stmt]) -> Self {
        let mut collector = Collector { names: Self::default() };
        for statement in body {
            collector.visit_stmt(statement);
        }
        collector.names
    }

    pub(super) fn of_expression(target: &'a Expr) -> Self {
        let mut collector = Collector { names: Self::default() };
        collector.visit_expr(target);
        collector.names
    }

    pub(super) fn add_parameters(&mut self, parameters: &'a Parameters) {
        for parameter in parameters {
            self.bind(parameter.name().as_str(), Origin::Other);
        }
    }

    fn bind(&mut self, name: &'a str, origin: Origin) {
        self.origins.entry(name).or_default().push(origin);
    }
}

struct Collector<'a> {
    names: Names<'a>,
}

impl<'a> Visitor<'a> for Collector<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => self.names.bind(function.name.as_str(), Origin::Other),
            Stmt::ClassDef(class) => self.names.bind(class.name.as_str(), Origin::Other),
            Stmt::Import(import) => {
                for alias in &import.names {
                    let full = alias.name.as_str();
                    match &alias.asname {
                        Some(local) => self.names.bind(local.as_str(), Origin::Import(full.to_owned(), alias.start())),
                        None => {
                            let root = full.split('.').next().unwrap_or(full);
                            self.names.bind(root, Origin::Import(root.to_owned(), alias.start()));
                        }
                    }
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    let local = alias.asname.as_ref().unwrap_or(&alias.name);
                    let origin = match &import.module {
                        Some(module) if import.level == 0 => {
                            Origin::Import(format!("{module}.{}", alias.name), alias.start())
                        }
                        _ => Origin::Other,
                    };
                    self.names.bind(local.as_str(), origin);
                }
            }
            Stmt::Global(global) => self.names.globals.extend(global.names.iter().map(|name| name.as_str())),
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if !matches!(name.ctx, ExprContext::Load) => {
                self.names.bind(name.id.as_str(), Origin::Other);
            }
            // These have scopes of their own.
            Expr::Lambda(_) | Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_) => {}
            _ => walk_expr(self, expression),
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(inner) = handler;
        if let Some(name) = &inner.name {
            self.names.bind(name.as_str(), Origin::Exception);
        }
        walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(pattern) => pattern.name.as_ref(),
            Pattern::MatchStar(pattern) => pattern.name.as_ref(),
            Pattern::MatchMapping(pattern) => pattern.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            self.names.bind(name.as_str(), Origin::Other);
        }
        walk_pattern(self, pattern);
    }
}
