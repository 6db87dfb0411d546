//! Imports and uses of standard-library names that the target lacks.

use std::collections::BTreeMap;

use crate::finding::{Construct, Package};
use crate::guard::Reach;
use crate::imports::{Split, names_of};
use crate::scope::{Bound, dotted};
use crate::stdlib_additions::{self, Addition, GENERIC_NAMED_TUPLE, REGISTERED_OVERLOAD};
use crate::syntax::{Field, Kind, NodeId};
use crate::work::Work;

/// Names that this one file needs from a backport although the target has them.
#[derive(Default)]
struct Companions {
    named_tuple: bool,
    overload: bool,
}

pub(crate) fn rewrite(work: &mut Work<'_, '_>) {
    let syntax = work.syntax;
    let companions = companions(work);
    for id in syntax.ids() {
        match syntax.kind(id) {
            Kind::Import => modules(work, id),
            Kind::ImportFrom => members(work, id, &companions),
            Kind::Attribute => attribute(work, id, &companions),
            Kind::DottedName => pattern(work, id),
            Kind::Call => keywords(work, id),
            _ => {}
        }
    }
    for id in work.scopes.uses.clone() {
        name(work, id);
    }
}

fn companions(work: &Work<'_, '_>) -> Companions {
    let (syntax, scopes) = (work.syntax, work.scopes);
    let mut companions = Companions::default();
    for id in syntax.ids() {
        match syntax.kind(id) {
            Kind::ClassDefinition if syntax.child(id, Field::TypeParameters).is_some() => {
                companions.named_tuple |= syntax.child(id, Field::Superclasses).is_some_and(|bases| {
                    syntax.named_children(bases).any(|base| scopes.is_any(base, &[GENERIC_NAMED_TUPLE.0]))
                });
            }
            Kind::Identifier if matches!(syntax.text(id), "get_overloads" | "clear_overloads") => {
                companions.overload = true;
            }
            _ => {}
        }
    }
    companions.named_tuple &= !work.target.has(GENERIC_NAMED_TUPLE.1);
    companions.overload &= !work.target.has(REGISTERED_OVERLOAD.1);
    companions
}

fn lookup(work: &Work<'_, '_>, full_name: &str, companions: &Companions) -> Option<Addition> {
    let backport = |name| Addition::Backport { module: "typing_extensions", name, package: Package::TypingExtensions };
    if companions.named_tuple && full_name == GENERIC_NAMED_TUPLE.0 {
        return Some(backport("NamedTuple"));
    }
    if companions.overload && full_name == REGISTERED_OVERLOAD.0 {
        return Some(backport("overload"));
    }
    stdlib_additions::addition(work.target, full_name)
}

/// `import tomllib`
fn modules(work: &mut Work<'_, '_>, statement: NodeId) {
    let syntax = work.syntax;
    for (_, path, alias) in names_of(syntax, statement) {
        let module = dotted(syntax, path);
        let Some(addition) = stdlib_additions::module_addition(work.target, &module) else {
            continue;
        };
        let reach = work.guards.reach(statement, &["ImportError", "ModuleNotFoundError"]);
        if matches!(reach, Reach::Never | Reach::Caught) {
            continue;
        }
        match addition {
            Addition::Backport { module: stand_in, package, .. } => {
                let text = if alias.is_some() { stand_in.to_owned() } else { format!("{stand_in} as {module}") };
                work.edits.replace(syntax.range(path), text);
                work.found(Construct::Import, statement, module, stand_in);
                require(work, package, reach);
            }
            _ => missing(work, path, &module, addition, reach),
        }
    }
}

/// `from typing import Self`
fn members(work: &mut Work<'_, '_>, statement: NodeId, companions: &Companions) {
    let syntax = work.syntax;
    let Some(from) = syntax.child(statement, Field::ModuleName).filter(|from| syntax.kind(*from) == Kind::DottedName)
    else {
        return;
    };
    let module = dotted(syntax, from);
    if let Some(addition) = stdlib_additions::module_addition(work.target, &module) {
        let reach = work.guards.reach(statement, &["ImportError", "ModuleNotFoundError"]);
        match (reach, addition) {
            (Reach::Never | Reach::Caught, _) => {}
            (_, Addition::Backport { module: stand_in, package, .. }) => {
                work.edits.replace(syntax.range(from), stand_in);
                work.found(Construct::Import, statement, module, stand_in);
                require(work, package, reach);
            }
            _ => missing(work, from, &module, addition, reach),
        }
        return;
    }
    let mut split = Split { statement, moved: Vec::new(), from: BTreeMap::new(), statements: Vec::new() };
    for (node, path, alias) in names_of(syntax, statement) {
        let full = format!("{module}.{}", dotted(syntax, path));
        let Some(addition) = lookup(work, &full, companions) else {
            continue;
        };
        let reach = work.guards.reach(statement, &["ImportError"]);
        if reach == Reach::Never || (reach == Reach::Caught && !stdlib_additions::exists(&full)) {
            continue;
        }
        match addition {
            Addition::Backport { module: stand_in, name, package } => {
                let item = alias.map_or_else(|| name.to_owned(), |alias| format!("{name} as {}", syntax.text(alias)));
                work.found(Construct::Import, node, full, format!("{stand_in}.{name}"));
                split.from.entry(stand_in).or_default().push(item);
                split.moved.push(node);
                require(work, package, reach);
            }
            Addition::Utc => {
                work.found(Construct::Import, node, full, "timezone.utc");
                utc(work, node, alias.unwrap_or(path), &mut split);
            }
            Addition::Missing { .. } => missing(work, node, &full, addition, reach),
        }
    }
    if !split.moved.is_empty() || !split.statements.is_empty() {
        work.imports.split(split);
    }
}

/// `from datetime import UTC` becomes `from datetime import timezone; UTC = timezone.utc`, so that uses,
/// and other modules that import `UTC` from this one, stay as they are.
fn utc(work: &mut Work<'_, '_>, node: NodeId, local: NodeId, split: &mut Split) {
    let syntax = work.syntax;
    let local = syntax.text(local);
    let beside =
        names_of(syntax, split.statement).any(|(_, path, alias)| alias.is_none() && syntax.text(path) == "timezone");
    let timezone = if beside {
        split.moved.push(node);
        "timezone".to_owned()
    } else if !work.imports.is_taken("timezone") || work.imports.is_imported("timezone", &["datetime.timezone"]) {
        work.edits.replace(syntax.range(node), "timezone");
        "timezone".to_owned()
    } else {
        let name = work.imports.free("timezone");
        work.edits.replace(syntax.range(node), format!("timezone as {name}"));
        name
    };
    split.statements.push(format!("{local} = {timezone}.utc"));
}

/// `asyncio.TaskGroup`
fn attribute(work: &mut Work<'_, '_>, id: NodeId, companions: &Companions) {
    let syntax = work.syntax;
    let Some(last) = syntax.child(id, Field::Attribute) else {
        return;
    };
    let name = syntax.text(last);
    if let Some(since) = stdlib_additions::attribute_since(work.target, name) {
        if work.guards.reach(id, &["AttributeError"]) == Reach::Runs {
            let reason = work.lacks(since);
            work.refuse(last, name, reason, None);
        }
        return;
    }
    if name == "add_note" && !work.target.has(11) {
        note(work, id);
        return;
    }
    if !stdlib_additions::may_be_addition(name) {
        return;
    }
    let additions_of = |full_names: &[Option<String>]| {
        full_names.iter().flatten().find_map(|full| {
            let addition = lookup(work, full, companions).or_else(|| {
                stdlib_additions::module_addition(work.target, full)
                    .filter(|addition| matches!(addition, Addition::Missing { .. }))
            });
            addition.map(|addition| (full.clone(), addition))
        })
    };
    let mut full_names = work.scopes.qualified(id);
    let mut found = additions_of(&full_names);
    if found.is_some() && full_names.len() > 1 {
        // `if sys.version_info >= (3, 11): import asyncio as timeouts`, with something else otherwise.
        full_names = work.scopes.qualified_by(id, |binding| work.guards.reach(binding.node, &[]) != Reach::Never);
        found = additions_of(&full_names);
    }
    let Some((full, addition)) = found else {
        return;
    };
    let reach = work.guards.reach(id, &["AttributeError"]);
    if reach == Reach::Never {
        return;
    }
    // The star of `*a.b` stands inside the tree of the attribute.
    let start = syntax.start(id) + syntax.text(id).len() - syntax.text(id).trim_start_matches(['*', ' ']).len();
    let range = start..syntax.end(id);
    if full_names.len() > 1 {
        let reason = format!("may be `{full}`, but the name before the dot is also bound to something else");
        work.refuse(id, syntax.text(id), reason, Some("give the two meanings two names"));
        return;
    }
    let assigned = syntax.parent(id).is_some_and(|parent| {
        matches!(syntax.kind(parent), Kind::Assignment | Kind::AugmentedAssignment) && syntax.field(id) == Field::Left
    });
    match addition {
        Addition::Missing { .. } => missing(work, id, &full, addition, reach),
        _ if assigned || syntax.text(id).contains(['\n', '\\']) => {
            let reason = format!("stands for `{full}` in a form that cannot be rewritten");
            work.refuse(id, syntax.text(id), reason, None);
        }
        Addition::Utc => {
            work.edits.replace(syntax.range(last), "timezone.utc");
            work.found(Construct::Attribute, id, full, "timezone.utc");
        }
        Addition::Backport { module, name, package } => {
            let text = format!("{}.{name}", work.imports.module(module));
            work.edits.replace(range, text.clone());
            work.found(Construct::Attribute, id, full, text);
            work.packages.insert(package);
        }
    }
}

/// `error.add_note(…)` on what a handler caught; on any other object the name may mean anything.
fn note(work: &mut Work<'_, '_>, id: NodeId) {
    let syntax = work.syntax;
    let Some(object) = syntax.child(id, Field::Object) else {
        return;
    };
    if syntax.kind(object) != Kind::Identifier || work.guards.reach(id, &["AttributeError"]) != Reach::Runs {
        return;
    }
    if let Some((_, bindings)) = work.scopes.resolve(object)
        && bindings.iter().any(|binding| binding.bound == Bound::Exception)
    {
        let reason = work.lacks(11);
        work.refuse(
            id,
            "BaseException.add_note",
            reason,
            Some("put the note into the message, or check for the attribute"),
        );
    }
}

/// `case http.HTTPMethod.GET:`, where the grammar has no attribute but a chain of names.
fn pattern(work: &mut Work<'_, '_>, id: NodeId) {
    let syntax = work.syntax;
    let above = syntax.parent(id).map_or(Kind::Other, |parent| syntax.kind(parent));
    if matches!(
        above,
        Kind::Import | Kind::ImportFrom | Kind::AliasedImport | Kind::FutureImport | Kind::RelativeImport
    ) {
        return;
    }
    let parts = syntax.named_children(id).count();
    for full in work.scopes.qualified(id).into_iter().flatten() {
        // Any beginning of the chain may be the name that is missing.
        let own: Vec<_> = full.split('.').collect();
        for length in own.len().saturating_sub(parts) + 1..=own.len() {
            let full = own[..length].join(".");
            let Some(addition) = stdlib_additions::addition(work.target, &full) else {
                continue;
            };
            let reach = work.guards.reach(id, &["AttributeError"]);
            match addition {
                _ if reach == Reach::Never || stdlib_additions::exists(&full) => {}
                Addition::Missing { .. } => missing(work, id, &full, addition, reach),
                _ => {
                    let reason = format!("stands for `{full}` in a pattern, which cannot be rewritten");
                    work.refuse(id, syntax.text(id), reason, Some("import the name itself"));
                }
            }
        }
    }
}

/// `shutil.rmtree(path, onexc=…)`
fn keywords(work: &mut Work<'_, '_>, call: NodeId) {
    let syntax = work.syntax;
    let (Some(function), Some(arguments)) = (syntax.child(call, Field::Function), syntax.child(call, Field::Arguments))
    else {
        return;
    };
    let last = syntax.text(function).rsplit('.').next().unwrap_or("").trim();
    let imported = syntax.kind(function) == Kind::Identifier;
    if syntax.kind(arguments) != Kind::ArgumentList || !(imported || stdlib_additions::may_learn_keywords(last)) {
        return;
    }
    let [Some(full)] = &work.scopes.qualified(function)[..] else {
        return;
    };
    for argument in syntax.named_children(arguments) {
        let Some(keyword) =
            syntax.child(argument, Field::Name).filter(|_| syntax.kind(argument) == Kind::KeywordArgument)
        else {
            continue;
        };
        let keyword = syntax.text(keyword);
        if let Some(since) = stdlib_additions::keyword_since(work.target, full, keyword)
            && work.guards.reach(call, &["TypeError"]) == Reach::Runs
        {
            let reason = work.lacks(since);
            work.refuse(argument, &format!("{full}({keyword}=)"), reason, None);
        }
    }
}

/// A name that no scope binds: a builtin, or something that came with `from … import *`.
fn name(work: &mut Work<'_, '_>, id: NodeId) {
    let syntax = work.syntax;
    let name = syntax.text(id);
    if !stdlib_additions::may_be_addition(name) || work.scopes.resolve(id).is_some() {
        return;
    }
    for module in &work.scopes.wildcards {
        if stdlib_additions::addition(work.target, &format!("{module}.{name}")).is_some() {
            let reason =
                format!("comes out of `from {module} import *`, which does not bring it on Python {}", work.target);
            work.refuse(id, name, reason, Some("import the name itself"));
            return;
        }
    }
    let Some(addition) = stdlib_additions::builtin_addition(work.target, name) else {
        return;
    };
    let reach = work.guards.reach(id, &["NameError"]);
    if reach == Reach::Never {
        return;
    }
    match addition {
        Addition::Backport { module, name: member, package } => {
            let local = work.imports.builtin(module, member);
            if local != name {
                work.edits.replace(syntax.range(id), local);
            }
            work.found(Construct::Builtin, id, name, format!("{module}.{member}"));
            work.packages.insert(package);
        }
        _ => missing(work, id, name, addition, reach),
    }
}

fn missing(work: &mut Work<'_, '_>, node: NodeId, full: &str, addition: Addition, reach: Reach) {
    if reach != Reach::Runs {
        return;
    }
    let Addition::Missing { since } = addition else {
        return;
    };
    let reason = work.lacks(since);
    work.refuse(node, full, reason, stdlib_additions::hint(full));
}

/// Records that the result imports a package, unless only type checkers see the import.
fn require(work: &mut Work<'_, '_>, package: Package, reach: Reach) {
    if reach != Reach::TypeChecking {
        work.packages.insert(package);
    }
}
