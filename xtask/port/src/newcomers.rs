//! Standard-library names that the target lacks, and what stands in for them.

mod table;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::finding::Package;
use crate::target::Target;

/// What to do about a name that the target lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Newcomer {
    /// A backport has the same name and behaves the same.
    Backport {
        module: &'static str,
        name: &'static str,
        package: Package,
    },
    /// `datetime.UTC`, which has always been `datetime.timezone.utc`.
    Utc,
    /// Nothing stands in for it; the minor of Python 3 that has it.
    Missing { since: u8 },
}

/// A name, the first minor of Python 3 that has it as it is needed, and its backport.
type Backport = (&'static str, u8, &'static str, &'static str, Package);

const TYPING: Package = Package::TypingExtensions;
const BACKPORTS: &[Backport] = &[
    (
        "asyncio.TaskGroup",
        11,
        "taskgroup",
        "TaskGroup",
        Package::Taskgroup,
    ),
    (
        "asyncio.Timeout",
        11,
        "taskgroup",
        "Timeout",
        Package::Taskgroup,
    ),
    (
        "asyncio.timeout",
        11,
        "taskgroup",
        "timeout",
        Package::Taskgroup,
    ),
    (
        "asyncio.timeout_at",
        11,
        "taskgroup",
        "timeout_at",
        Package::Taskgroup,
    ),
    (
        "builtins.BaseExceptionGroup",
        11,
        "exceptiongroup",
        "BaseExceptionGroup",
        Package::Exceptiongroup,
    ),
    (
        "builtins.ExceptionGroup",
        11,
        "exceptiongroup",
        "ExceptionGroup",
        Package::Exceptiongroup,
    ),
    (
        "collections.abc.Buffer",
        12,
        "typing_extensions",
        "Buffer",
        TYPING,
    ),
    (
        "enum.StrEnum",
        11,
        "backports.strenum",
        "StrEnum",
        Package::BackportsStrenum,
    ),
    (
        "types.get_original_bases",
        12,
        "typing_extensions",
        "get_original_bases",
        TYPING,
    ),
    (
        "typing.LiteralString",
        11,
        "typing_extensions",
        "LiteralString",
        TYPING,
    ),
    ("typing.Never", 11, "typing_extensions", "Never", TYPING),
    (
        "typing.NoDefault",
        13,
        "typing_extensions",
        "NoDefault",
        TYPING,
    ),
    (
        "typing.NotRequired",
        11,
        "typing_extensions",
        "NotRequired",
        TYPING,
    ),
    (
        "typing.ReadOnly",
        13,
        "typing_extensions",
        "ReadOnly",
        TYPING,
    ),
    (
        "typing.Required",
        11,
        "typing_extensions",
        "Required",
        TYPING,
    ),
    ("typing.Self", 11, "typing_extensions", "Self", TYPING),
    (
        "typing.TypeAliasType",
        12,
        "typing_extensions",
        "TypeAliasType",
        TYPING,
    ),
    ("typing.TypeIs", 13, "typing_extensions", "TypeIs", TYPING),
    (
        "typing.TypeVarTuple",
        11,
        "typing_extensions",
        "TypeVarTuple",
        TYPING,
    ),
    // There all along, but libraries that read typed dictionaries at run time want the backport's: pydantic
    // says "Please use `typing_extensions.TypedDict` instead of `typing.TypedDict` on Python < 3.12".
    (
        "typing.TypedDict",
        12,
        "typing_extensions",
        "TypedDict",
        TYPING,
    ),
    ("typing.Unpack", 11, "typing_extensions", "Unpack", TYPING),
    (
        "typing.assert_never",
        11,
        "typing_extensions",
        "assert_never",
        TYPING,
    ),
    (
        "typing.assert_type",
        11,
        "typing_extensions",
        "assert_type",
        TYPING,
    ),
    (
        "typing.clear_overloads",
        11,
        "typing_extensions",
        "clear_overloads",
        TYPING,
    ),
    (
        "typing.dataclass_transform",
        11,
        "typing_extensions",
        "dataclass_transform",
        TYPING,
    ),
    (
        "typing.get_overloads",
        11,
        "typing_extensions",
        "get_overloads",
        TYPING,
    ),
    (
        "typing.get_protocol_members",
        13,
        "typing_extensions",
        "get_protocol_members",
        TYPING,
    ),
    (
        "typing.is_protocol",
        13,
        "typing_extensions",
        "is_protocol",
        TYPING,
    ),
    (
        "typing.override",
        12,
        "typing_extensions",
        "override",
        TYPING,
    ),
    (
        "typing.reveal_type",
        11,
        "typing_extensions",
        "reveal_type",
        TYPING,
    ),
    (
        "warnings.deprecated",
        13,
        "typing_extensions",
        "deprecated",
        TYPING,
    ),
];

/// Names that are there at the target but lack a part that only some files need.
pub(crate) const GENERIC_NAMED_TUPLE: (&str, u8) = ("typing.NamedTuple", 11);
/// The backport of `typing.get_overloads` knows only what the backport of `overload` saw.
pub(crate) const REGISTERED_OVERLOAD: (&str, u8) = ("typing.overload", 11);

/// Hints for names that have no stand-in here.
const HINTS: &[(&str, &str)] = &[
    (
        "asyncio.Runner",
        "`asyncio.run`, or `taskgroup.Runner` where its limits are known to be harmless",
    ),
    (
        "asyncio.taskgroups",
        "import `TaskGroup` from `asyncio` itself",
    ),
    ("asyncio.timeouts", "import `timeout` from `asyncio` itself"),
    ("contextlib.chdir", "`os.chdir` and a `try`/`finally`"),
    ("datetime.UTC", "`datetime.timezone.utc`"),
    ("enum.EnumType", "`enum.EnumMeta`, its older name"),
    (
        "hashlib.file_digest",
        "feed the file to `hashlib.new(…).update` in blocks",
    ),
    ("http.HTTPMethod", "the plain strings"),
    (
        "inspect.getmembers_static",
        "`inspect.getattr_static` over `dir(…)`",
    ),
    (
        "itertools.batched",
        "`itertools.islice` in a loop, or `more_itertools.batched`",
    ),
    ("math.cbrt", "`math.copysign(abs(x) ** (1 / 3), x)`"),
    ("math.exp2", "`2.0 ** x`"),
    ("operator.call", "`lambda f, *a, **k: f(*a, **k)`"),
    ("pathlib.Path.walk", "`os.walk`"),
    ("sys.exception", "`sys.exc_info()[1]`"),
    ("wsgiref.types", "import it under `TYPE_CHECKING` only"),
];

struct Table {
    backports: HashMap<&'static str, (u8, Newcomer)>,
    members: HashMap<String, u8>,
    /// The last parts of all names above, to pass over almost everything quickly.
    last_parts: HashSet<&'static str>,
    keyword_functions: HashSet<&'static str>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut backports: HashMap<_, _> = BACKPORTS
        .iter()
        .map(|(from, since, module, name, package)| {
            (
                *from,
                (
                    *since,
                    Newcomer::Backport {
                        module,
                        name,
                        package: *package,
                    },
                ),
            )
        })
        .collect();
    backports.insert("datetime.UTC", (11, Newcomer::Utc));
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
    last_parts.extend([
        last_part(GENERIC_NAMED_TUPLE.0),
        last_part(REGISTERED_OVERLOAD.0),
    ]);
    let keyword_functions = table::KEYWORDS
        .iter()
        .map(|(_, function, _)| last_part(function))
        .collect();
    Table {
        backports,
        members,
        last_parts,
        keyword_functions,
    }
});

fn last_part(name: &'static str) -> &'static str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Whether any name of the table ends in this part.
pub(crate) fn may_be_newcomer(last_part: &str) -> bool {
    TABLE.last_parts.contains(last_part)
}

/// What to do about a member of a module (or of a class of one), by its full name.
pub(crate) fn newcomer(target: Target, full_name: &str) -> Option<Newcomer> {
    if let Some((since, newcomer)) = TABLE.backports.get(full_name) {
        return (!target.has(*since)).then_some(*newcomer);
    }
    let since = *TABLE.members.get(full_name)?;
    (!target.has(since)).then_some(Newcomer::Missing { since })
}

/// Whether the target has a name of this spelling, so that importing it raises nothing.
pub(crate) fn exists(full_name: &str) -> bool {
    full_name == "typing.TypedDict"
}

/// What to do about a whole module: `tomllib`, or something inside a module that the target lacks.
pub(crate) fn module_newcomer(target: Target, module: &str) -> Option<Newcomer> {
    let (since, _) = table::MODULES.iter().find(|(_, name)| {
        module
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })?;
    if target.has(*since) {
        return None;
    }
    Some(match module {
        "tomllib" => Newcomer::Backport {
            module: "tomli",
            name: "tomli",
            package: Package::Tomli,
        },
        _ => Newcomer::Missing { since: *since },
    })
}

/// Whether a name that is bound nowhere is a builtin that the target lacks.
pub(crate) fn builtin_newcomer(target: Target, name: &str) -> Option<Newcomer> {
    table::BUILTINS
        .iter()
        .any(|(_, builtin)| *builtin == name)
        .then(|| newcomer(target, &format!("builtins.{name}")))?
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
        .find(|(since, name, keywords)| {
            *name == function && keywords.contains(&keyword) && !target.has(*since)
        })
        .map(|(since, _, _)| *since)
}

/// What a person could do about a name that has no stand-in.
pub(crate) fn hint(full_name: &str) -> Option<&'static str> {
    HINTS
        .iter()
        .find(|(name, _)| *name == full_name)
        .map(|(_, hint)| *hint)
}

/// The package that a stand-in module belongs to.
pub(crate) fn package_of(module: &str) -> Option<Package> {
    [
        Package::BackportsStrenum,
        Package::Exceptiongroup,
        Package::Taskgroup,
        Package::Tomli,
        Package::TypingExtensions,
    ]
    .into_iter()
    .find(|package| package.module() == module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_know_what_each_target_lacks() {
        let at = |target, name| newcomer(target, name);
        assert!(matches!(
            at(Target::PYTHON_3_10, "typing.Self"),
            Some(Newcomer::Backport { .. })
        ));
        assert_eq!(at(Target::PYTHON_3_11, "typing.Self"), None);
        assert!(matches!(
            at(Target::PYTHON_3_11, "typing.override"),
            Some(Newcomer::Backport { .. })
        ));
        assert_eq!(
            at(Target::PYTHON_3_10, "itertools.batched"),
            Some(Newcomer::Missing { since: 12 })
        );
        assert_eq!(at(Target::PYTHON_3_11, "math.cbrt"), None);
        assert_eq!(at(Target::PYTHON_3_10, "datetime.UTC"), Some(Newcomer::Utc));
        assert_eq!(at(Target::PYTHON_3_10, "datetime.datetime"), None);
        assert_eq!(
            module_newcomer(Target::PYTHON_3_10, "asyncio.timeouts"),
            Some(Newcomer::Missing { since: 11 })
        );
        assert_eq!(module_newcomer(Target::PYTHON_3_10, "asyncio"), None);
    }

    #[test]
    fn every_hint_is_about_a_name_of_the_tables() {
        for (name, _) in HINTS {
            assert!(
                newcomer(Target::PYTHON_3_10, name).is_some()
                    || module_newcomer(Target::PYTHON_3_10, name).is_some(),
                "{name}"
            );
        }
    }
}
