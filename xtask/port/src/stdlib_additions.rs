//! Standard-library names that the target lacks, and what stands in for them.

mod backport;
mod table;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::finding::Package;
use crate::target::Target;
use backport::{BACKPORTS, HINTS};

/// The replacement of a name that the target lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addition {
    /// A backport has the same name and behaves the same.
    Backport { module: &'static str, name: &'static str, package: Package },
    /// `datetime.UTC`, which has always been `datetime.timezone.utc`.
    Utc,
    /// Nothing stands in for it; the minor of Python 3 that has it.
    Missing { since: u8 },
}

/// Names that are there at the target but lack a part that only some files need.
pub(crate) const GENERIC_NAMED_TUPLE: (&str, u8) = ("typing.NamedTuple", 11);
/// The backport of `typing.get_overloads` knows only what the backport of `overload` saw.
pub(crate) const REGISTERED_OVERLOAD: (&str, u8) = ("typing.overload", 11);

struct Table {
    backports: HashMap<&'static str, (u8, Addition)>,
    members: HashMap<String, u8>,
    /// The last parts of all names above, to pass over almost everything quickly.
    last_parts: HashSet<&'static str>,
    keyword_functions: HashSet<&'static str>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut backports: HashMap<_, _> = BACKPORTS
        .iter()
        .map(|(from, since, module, name, package)| {
            (*from, (*since, Addition::Backport { module, name, package: *package }))
        })
        .collect();
    backports.insert("datetime.UTC", (11, Addition::Utc));
    let mut members = HashMap::new();
    let mut last_parts: HashSet<_> = backports.keys().map(|name| last_part(name)).collect();
    for (since, module, names) in table::MEMBERS {
        for name in *names {
            members.insert(format!("{module}.{name}"), *since);
            last_parts.insert(last_part(name));
        }
    }
    for (since, name) in table::BUILTINS {
        members.insert(format!("builtins.{name}"), *since);
        last_parts.insert(*name);
    }
    for (since, module) in table::MODULES {
        members.insert((*module).to_owned(), *since);
        last_parts.insert(last_part(module));
    }
    last_parts.extend([last_part(GENERIC_NAMED_TUPLE.0), last_part(REGISTERED_OVERLOAD.0)]);
    let keyword_functions = table::KEYWORDS.iter().map(|(_, function, _)| last_part(function)).collect();
    Table { backports, members, last_parts, keyword_functions }
});

fn last_part(name: &'static str) -> &'static str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Whether any name of the table ends in this part.
pub(crate) fn may_be_addition(last_part: &str) -> bool {
    TABLE.last_parts.contains(last_part)
}

/// The replacement of a member of a module (or of a class of one), by its full name.
pub(crate) fn addition(target: Target, full_name: &str) -> Option<Addition> {
    if let Some((since, addition)) = TABLE.backports.get(full_name) {
        return (!target.has(*since)).then_some(*addition);
    }
    let since = *TABLE.members.get(full_name)?;
    (!target.has(since)).then_some(Addition::Missing { since })
}

/// Whether the target has a name of this spelling, so that importing it raises nothing.
pub(crate) fn exists(full_name: &str) -> bool {
    full_name == "typing.TypedDict"
}

/// The replacement of a whole module: `tomllib`, or something inside a module that the target lacks.
pub(crate) fn module_addition(target: Target, module: &str) -> Option<Addition> {
    let (since, _) = table::MODULES
        .iter()
        .find(|(_, name)| module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))?;
    if target.has(*since) {
        return None;
    }
    Some(match module {
        "tomllib" => Addition::Backport { module: "tomli", name: "tomli", package: Package::Tomli },
        _ => Addition::Missing { since: *since },
    })
}

/// Whether a name that is bound nowhere is a builtin that the target lacks.
pub(crate) fn builtin_addition(target: Target, name: &str) -> Option<Addition> {
    table::BUILTINS
        .iter()
        .any(|(_, builtin)| *builtin == name)
        .then(|| addition(target, &format!("builtins.{name}")))?
}

/// The minor that brought an attribute whose name says enough on any object, such as `__type_params__`.
pub(crate) fn attribute_since(target: Target, name: &str) -> Option<u8> {
    table::ATTRIBUTES
        .iter()
        .find(|(since, attribute)| *attribute == name && !target.has(*since))
        .map(|(since, _)| *since)
}

/// Whether some function of this name has learnt keywords.
pub(crate) fn may_learn_keywords(last_part: &str) -> bool {
    TABLE.keyword_functions.contains(last_part)
}

/// The minor that brought a keyword argument of a function.
pub(crate) fn keyword_since(target: Target, function: &str, keyword: &str) -> Option<u8> {
    table::KEYWORDS
        .iter()
        .find(|(since, name, keywords)| *name == function && keywords.contains(&keyword) && !target.has(*since))
        .map(|(since, _, _)| *since)
}

/// The hint for a name without a replacement.
pub(crate) fn hint(full_name: &str) -> Option<&'static str> {
    HINTS.iter().find(|(name, _)| *name == full_name).map(|(_, hint)| *hint)
}

/// The package that a stand-in module belongs to.
pub(crate) fn package_of(module: &str) -> Option<Package> {
    [Package::BackportsStrenum, Package::Exceptiongroup, Package::Taskgroup, Package::Tomli, Package::TypingExtensions]
        .into_iter()
        .find(|package| package.module() == module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_know_what_each_target_lacks() {
        let at = |target, name| addition(target, name);
        assert!(matches!(at(Target::PYTHON_3_10, "typing.Self"), Some(Addition::Backport { .. })));
        assert_eq!(at(Target::PYTHON_3_11, "typing.Self"), None);
        assert!(matches!(at(Target::PYTHON_3_11, "typing.override"), Some(Addition::Backport { .. })));
        assert_eq!(at(Target::PYTHON_3_10, "itertools.batched"), Some(Addition::Missing { since: 12 }));
        assert_eq!(at(Target::PYTHON_3_11, "math.cbrt"), None);
        assert_eq!(at(Target::PYTHON_3_10, "datetime.UTC"), Some(Addition::Utc));
        assert_eq!(at(Target::PYTHON_3_10, "datetime.datetime"), None);
        assert_eq!(module_addition(Target::PYTHON_3_10, "asyncio.timeouts"), Some(Addition::Missing { since: 11 }));
        assert_eq!(module_addition(Target::PYTHON_3_10, "asyncio"), None);
    }

    #[test]
    fn every_hint_is_about_a_name_of_the_tables() {
        for (name, _) in HINTS {
            assert!(
                addition(Target::PYTHON_3_10, name).is_some() || module_addition(Target::PYTHON_3_10, name).is_some(),
                "{name}"
            );
        }
    }
}
