//! Replacements of names that the target lacks, and hints for the rest, as data.

use crate::finding::Package;

/// A name, the first minor of Python 3 that has it as it is needed, and its backport.
pub(super) type Backport = (&'static str, u8, &'static str, &'static str, Package);

const TYPING: Package = Package::TypingExtensions;
#[rustfmt::skip]
pub(super) const BACKPORTS: &[Backport] = &[
    ("asyncio.TaskGroup", 11, "taskgroup", "TaskGroup", Package::Taskgroup),
    ("asyncio.Timeout", 11, "taskgroup", "Timeout", Package::Taskgroup),
    ("asyncio.timeout", 11, "taskgroup", "timeout", Package::Taskgroup),
    ("asyncio.timeout_at", 11, "taskgroup", "timeout_at", Package::Taskgroup),
    ("builtins.BaseExceptionGroup", 11, "exceptiongroup", "BaseExceptionGroup", Package::Exceptiongroup),
    ("builtins.ExceptionGroup", 11, "exceptiongroup", "ExceptionGroup", Package::Exceptiongroup),
    ("collections.abc.Buffer", 12, "typing_extensions", "Buffer", TYPING),
    ("enum.StrEnum", 11, "backports.strenum", "StrEnum", Package::BackportsStrenum),
    ("types.get_original_bases", 12, "typing_extensions", "get_original_bases", TYPING),
    ("typing.LiteralString", 11, "typing_extensions", "LiteralString", TYPING),
    ("typing.Never", 11, "typing_extensions", "Never", TYPING),
    ("typing.NoDefault", 13, "typing_extensions", "NoDefault", TYPING),
    ("typing.NotRequired", 11, "typing_extensions", "NotRequired", TYPING),
    ("typing.ReadOnly", 13, "typing_extensions", "ReadOnly", TYPING),
    ("typing.Required", 11, "typing_extensions", "Required", TYPING),
    ("typing.Self", 11, "typing_extensions", "Self", TYPING),
    ("typing.TypeAliasType", 12, "typing_extensions", "TypeAliasType", TYPING),
    ("typing.TypeIs", 13, "typing_extensions", "TypeIs", TYPING),
    ("typing.TypeVarTuple", 11, "typing_extensions", "TypeVarTuple", TYPING),
    // There all along, but libraries that read typed dictionaries at run time want the backport's: pydantic
    // says "Please use `typing_extensions.TypedDict` instead of `typing.TypedDict` on Python < 3.12".
    ("typing.TypedDict", 12, "typing_extensions", "TypedDict", TYPING),
    ("typing.Unpack", 11, "typing_extensions", "Unpack", TYPING),
    ("typing.assert_never", 11, "typing_extensions", "assert_never", TYPING),
    ("typing.assert_type", 11, "typing_extensions", "assert_type", TYPING),
    ("typing.clear_overloads", 11, "typing_extensions", "clear_overloads", TYPING),
    ("typing.dataclass_transform", 11, "typing_extensions", "dataclass_transform", TYPING),
    ("typing.get_overloads", 11, "typing_extensions", "get_overloads", TYPING),
    ("typing.get_protocol_members", 13, "typing_extensions", "get_protocol_members", TYPING),
    ("typing.is_protocol", 13, "typing_extensions", "is_protocol", TYPING),
    ("typing.override", 12, "typing_extensions", "override", TYPING),
    ("typing.reveal_type", 11, "typing_extensions", "reveal_type", TYPING),
    ("warnings.deprecated", 13, "typing_extensions", "deprecated", TYPING),
];

/// Hints for names that have no stand-in here.
#[rustfmt::skip]
pub(super) const HINTS: &[(&str, &str)] = &[
    ("asyncio.Runner", "`asyncio.run`, or `taskgroup.Runner` where its limits are known to be harmless"),
    ("asyncio.taskgroups", "import `TaskGroup` from `asyncio` itself"),
    ("asyncio.timeouts", "import `timeout` from `asyncio` itself"),
    ("contextlib.chdir", "`os.chdir` and a `try`/`finally`"),
    ("datetime.UTC", "`datetime.timezone.utc`"),
    ("enum.EnumType", "`enum.EnumMeta`, its older name"),
    ("hashlib.file_digest", "feed the file to `hashlib.new(…).update` in blocks"),
    ("http.HTTPMethod", "the plain strings"),
    ("inspect.getmembers_static", "`inspect.getattr_static` over `dir(…)`"),
    ("itertools.batched", "`itertools.islice` in a loop, or `more_itertools.batched`"),
    ("math.cbrt", "`math.copysign(abs(x) ** (1 / 3), x)`"),
    ("math.exp2", "`2.0 ** x`"),
    ("operator.call", "`lambda f, *a, **k: f(*a, **k)`"),
    ("pathlib.Path.walk", "`os.walk`"),
    ("sys.exception", "`sys.exc_info()[1]`"),
    ("wsgiref.types", "import it under `TYPE_CHECKING` only"),
];
