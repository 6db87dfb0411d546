//! New imports and definitions, written on lines that exist already.
//!
//! Line numbers in tracebacks and logs stay those of the original, so nothing gets a line of its own as long
//! as there is one to share.

use std::collections::{BTreeMap, HashSet};

use crate::edit::Edits;
use crate::scope::{Bound, Scopes, imported};
use crate::syntax::{Field, Kind, NodeId, Syntax};
use crate::text::{Lines, declared_encoding, newline};

/// Imports and definitions for the top of the module, collected while the rules run.
pub(crate) struct Imports<'t, 's> {
    syntax: &'t Syntax<'s>,
    scopes: &'t Scopes<'t, 's>,
    /// Every name that new ones have to keep clear of.
    taken: HashSet<String>,
    /// The docstring and the imports that the module begins with.
    leading: Vec<NodeId>,
    /// Module, then name, then what it is called here.
    members: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
    /// Module, then what it is called here.
    modules: BTreeMap<&'static str, String>,
    definitions: Vec<String>,
    splits: Vec<Split>,
}

/// A `from … import …` of which some names now come from elsewhere.
pub(crate) struct Split {
    pub(crate) statement: NodeId,
    /// The names that leave, as nodes of the statement.
    pub(crate) moved: Vec<NodeId>,
    /// Module and items (`Self`, `Self as S`) of the statements that follow.
    pub(crate) from: BTreeMap<&'static str, Vec<String>>,
    /// Further statements that follow.
    pub(crate) statements: Vec<String>,
}

/// The place of new statements.
enum Place {
    /// Behind a simple statement.
    After(usize),
    /// In front of a simple statement.
    Before(usize),
    /// On an empty line.
    Blank(std::ops::Range<usize>),
    /// On the line of a comment, in front of it.
    Comment(usize),
    /// On a line of their own, which moves everything below.
    Line(usize),
}

impl<'t, 's> Imports<'t, 's> {
    pub(crate) fn new(syntax: &'t Syntax<'s>, scopes: &'t Scopes<'t, 's>) -> Self {
        let mut taken: HashSet<String> = scopes.bound_names().into_iter().map(str::to_owned).collect();
        taken.extend(scopes.uses.iter().map(|node| syntax.text(*node).to_owned()));
        Self {
            syntax,
            scopes,
            taken,
            leading: leading(syntax),
            members: BTreeMap::new(),
            modules: BTreeMap::new(),
            definitions: Vec::new(),
            splits: Vec::new(),
        }
    }

    /// Whether a name is bound or read anywhere in the file, or was given out.
    pub(crate) fn is_taken(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    pub(crate) fn take(&mut self, name: &str) {
        self.taken.insert(name.to_owned());
    }

    /// Asks for a member of a module, and says what it is called in this file.
    pub(crate) fn member(&mut self, module: &'static str, name: &'static str) -> String {
        if let Some(local) = self.members.get(module).and_then(|names| names.get(name)) {
            return local.clone();
        }
        let backport = format!("typing_extensions.{name}");
        let full = format!("{module}.{name}");
        if self.is_imported(name, &[&full, if module == "typing" { &backport } else { &full }]) {
            return name.to_owned();
        }
        let local = self.free(name);
        self.members.entry(module).or_default().insert(name, local.clone());
        local
    }

    /// Asks for a stand-in of a builtin, and says what it is called in this file: the same, if it can be.
    pub(crate) fn builtin(&mut self, module: &'static str, name: &'static str) -> String {
        if self.scopes.scopes_that_bind(name) > 0 {
            return self.member(module, name);
        }
        self.members.entry(module).or_default().entry(name).or_insert_with(|| name.to_owned()).clone()
    }

    /// Asks for a module, and says what it is called in this file.
    pub(crate) fn module(&mut self, module: &'static str) -> String {
        if let Some(local) = self.modules.get(module) {
            return local.clone();
        }
        let root = module.split('.').next().unwrap_or(module);
        let local = if self.is_imported(module, &[module]) {
            return module.to_owned();
        } else if self.is_taken(root) {
            self.free(&module.replace('.', "_"))
        } else {
            self.take(root);
            module.to_owned()
        };
        self.modules.insert(module, local.clone());
        local
    }

    pub(crate) fn define(&mut self, statement: String) {
        self.definitions.push(statement);
    }

    pub(crate) fn split(&mut self, split: Split) {
        self.splits.push(split);
    }

    /// Whether a name means one of these imports in the whole file, from its first line on.
    pub(crate) fn is_imported(&self, name: &str, full_names: &[&str]) -> bool {
        if self.scopes.scopes_that_bind(name) != 1 {
            return false;
        }
        let Some((_, bindings)) = self.scopes.own(self.scopes.module(), name) else {
            return false;
        };
        let early = bindings
            .iter()
            .any(|binding| self.leading.iter().any(|statement| self.syntax.contains(*statement, binding.node)));
        early
            && bindings
                .iter()
                .all(|binding| matches!(&binding.bound, Bound::Import(full) if full_names.contains(&full.as_str())))
    }

    /// A name like this one that nothing in the file uses.
    pub(crate) fn free(&mut self, name: &str) -> String {
        let private = format!("_{}", name.trim_start_matches('_'));
        let numbered = (2..).map(|number| format!("{private}{number}"));
        let found = [name.to_owned(), private.clone()].into_iter().chain(numbered).find(|name| !self.is_taken(name));
        let found = found.unwrap_or(private);
        self.take(&found);
        found
    }

    /// Writes everything that was asked for.
    pub(crate) fn write(mut self, lines: &Lines<'_>, edits: &mut Edits) {
        let mut statements = Vec::new();
        for (module, names) in std::mem::take(&mut self.members) {
            let items: Vec<_> = names
                .iter()
                .map(|(name, local)| if name == local { (*name).to_owned() } else { format!("{name} as {local}") })
                .collect();
            let statement = format!("from {module} import {}", items.join(", "));
            if !self.join(module, items, edits) {
                statements.push(statement);
            }
        }
        for split in &self.splits {
            self.write_split(split, edits);
        }
        for (module, local) in &self.modules {
            statements.push(if module == local {
                format!("import {module}")
            } else {
                format!("import {module} as {local}")
            });
        }
        statements.append(&mut self.definitions);
        if !statements.is_empty() {
            self.write_statements(&statements.join("; "), lines, edits);
        }
    }

    /// Adds names to an import that the module begins with, when it has one from that module.
    fn join(&mut self, module: &str, items: Vec<String>, edits: &mut Edits) -> bool {
        let syntax = self.syntax;
        let leading = &self.leading;
        if let Some(split) =
            self.splits.iter_mut().find(|split| split.from.contains_key(module) && leading.contains(&split.statement))
        {
            let present = split.from.entry(package_key(module)).or_default();
            present.extend(items);
            present.sort();
            present.dedup();
            return true;
        }
        for statement in &self.leading {
            let from = syntax.child(*statement, Field::ModuleName).map(|name| syntax.text(name));
            if syntax.kind(*statement) != Kind::ImportFrom || from != Some(module) {
                continue;
            }
            let moved =
                self.splits.iter().find(|split| split.statement == *statement).map(|split| split.moved.as_slice());
            let last = syntax
                .children(*statement)
                .filter(|child| {
                    syntax.field(*child) == Field::Name && !moved.is_some_and(|moved| moved.contains(child))
                })
                .last();
            if let Some(last) = last {
                edits.insert(syntax.end(last), format!(", {}", items.join(", ")));
                return true;
            }
        }
        false
    }

    fn write_split(&self, split: &Split, edits: &mut Edits) {
        let syntax = self.syntax;
        let names: Vec<_> =
            syntax.children(split.statement).filter(|child| syntax.field(*child) == Field::Name).collect();
        let mut rest = split.from.clone();
        if names.len() == split.moved.len() {
            // All names leave: the statement itself can name the other module.
            if let (Some((module, items)), Some(from), Some(last)) =
                (rest.pop_first(), syntax.child(split.statement, Field::ModuleName), names.last())
            {
                edits.replace(syntax.range(from), module);
                let written: Vec<_> = names.iter().map(|name| syntax.text(*name)).collect();
                let more: Vec<_> = items.iter().filter(|item| !written.contains(&item.as_str())).cloned().collect();
                if !more.is_empty() {
                    edits.insert(syntax.end(*last), format!(", {}", more.join(", ")));
                }
            }
        } else {
            remove_names(syntax, split.statement, &names, &split.moved, edits);
        }
        let from = rest.iter().map(|(module, items)| format!("from {module} import {}", items.join(", ")));
        let mut statements: Vec<_> = from.collect();
        statements.extend(split.statements.iter().cloned());
        for statement in statements {
            edits.insert(syntax.end(split.statement), format!("; {statement}"));
        }
    }

    fn write_statements(&self, statements: &str, lines: &Lines<'_>, edits: &mut Edits) {
        match self.place(lines) {
            Place::After(offset) => edits.insert(offset, format!("; {statements}")),
            Place::Before(offset) => edits.insert(offset, format!("{statements}; ")),
            Place::Blank(range) => edits.replace(range, statements),
            Place::Comment(offset) => edits.insert(offset, format!("{statements}  ")),
            Place::Line(offset) => edits.insert(offset, format!("{statements}{}", newline(self.syntax.source))),
        }
    }

    fn place(&self, lines: &Lines<'_>) -> Place {
        let syntax = self.syntax;
        if let Some(last) = self.leading.last() {
            return Place::After(syntax.end(*last));
        }
        let first = syntax.named_children(syntax.root()).next();
        let Some(first) = first else {
            return Place::Line(syntax.source.len());
        };
        if !syntax.kind(first).is_compound() {
            return Place::Before(syntax.start(first));
        }
        let first_line = lines.line(syntax.start(first));
        let above = (1..first_line).rev().map(|line| lines.range(line));
        let mut comment = None;
        for (range, line) in above.zip((1..first_line).rev()) {
            let text = &syntax.source[range.clone()];
            if text.trim().is_empty() && !text.contains('\x0c') {
                return Place::Blank(range);
            }
            // "#!" and the encoding are read by others than the parser, and only on these two lines.
            let special = line <= 2 && (text.starts_with("#!") || declared_encoding(text).is_some());
            if text.starts_with('#') && !special && comment.is_none() {
                comment = Some(range.start);
            }
        }
        comment.map_or_else(|| Place::Line(syntax.start(first)), Place::Comment)
    }
}

/// The key of a stand-in module, which lives as long as the program.
fn package_key(module: &str) -> &'static str {
    crate::stdlib_additions::package_of(module).map_or("typing", crate::finding::Package::module)
}

/// The docstring, the `__future__` imports and the imports behind them.
fn leading(syntax: &Syntax<'_>) -> Vec<NodeId> {
    let mut found = Vec::new();
    for statement in syntax.named_children(syntax.root()) {
        let docstring = found.is_empty()
            && syntax.kind(statement) == Kind::ExpressionStatement
            && syntax
                .named_children(statement)
                .all(|value| matches!(syntax.kind(value), Kind::String | Kind::ConcatenatedString));
        if !docstring && !matches!(syntax.kind(statement), Kind::Import | Kind::ImportFrom | Kind::FutureImport) {
            break;
        }
        found.push(statement);
    }
    found
}

/// Takes names out of an import, each with one comma, and leaves every line end and comment where it is.
fn remove_names(syntax: &Syntax<'_>, statement: NodeId, names: &[NodeId], moved: &[NodeId], edits: &mut Edits) {
    let source = syntax.source;
    let parenthesized = syntax.token(statement, "(").is_some();
    let commas: Vec<_> =
        syntax.children(statement).filter(|child| !syntax.is_named(*child) && syntax.text(*child) == ",").collect();
    let mut used = HashSet::new();
    let mut kept_before = false;
    for (position, name) in names.iter().enumerate() {
        if !moved.contains(name) {
            kept_before = true;
            continue;
        }
        let before =
            position.checked_sub(1).and_then(|index| commas.get(index)).filter(|comma| !used.contains(*comma)).copied();
        let after = commas.get(position).copied();
        let starts_line = source[..syntax.start(*name)].trim_end_matches([' ', '\t']).ends_with('\n');
        let comma =
            if kept_before && !(parenthesized && starts_line && after.is_some()) { before.or(after) } else { after };
        used.extend(comma);
        let (mut start, mut end) = (syntax.start(*name), syntax.end(*name));
        match comma {
            Some(comma) if comma > *name => end = syntax.end(comma),
            Some(comma) if source[syntax.end(comma)..start].trim_matches([' ', '\t']).is_empty() => {
                start = syntax.start(comma);
            }
            Some(comma) => edits.replace(syntax.range(comma), ""),
            None => {}
        }
        // Do not leave blanks at the end of a line, nor two between what stays.
        let blanks = source[end..].len() - source[end..].trim_start_matches([' ', '\t']).len();
        let ends_line = source[end + blanks..].starts_with(['\n', '\r']);
        if ends_line && starts_line {
            start = source[..start].trim_end_matches([' ', '\t']).len();
            end += blanks;
        } else if comma.is_some_and(|comma| comma > *name) && !ends_line && !source[end + blanks..].starts_with('#') {
            end += blanks;
        }
        edits.replace(start..end, "");
    }
}

/// The names of an import statement that are kept or moved, with their paths.
pub(crate) fn names_of<'t>(
    syntax: &'t Syntax<'_>,
    statement: NodeId,
) -> impl Iterator<Item = (NodeId, NodeId, Option<NodeId>)> + 't {
    syntax.children(statement).filter(|child| syntax.field(*child) == Field::Name).map(|name| {
        let (path, alias) = imported(syntax, name);
        (name, path, alias)
    })
}
