//! Code that both Pythons read and that may do something else on the older one.
//!
//! If a rule cannot know the type of an object, it leaves the code as it is and says so.

use crate::guard::Reach;
use crate::syntax::{Field, Kind, NodeId};
use crate::work::Work;

/// Methods that standard classes got in the given minor of Python 3, with names that few other classes have.
const METHODS: &[(u8, &str, &str)] = &[
    (11, "add_note", "BaseException.add_note"),
    (11, "blobopen", "sqlite3.Connection.blobopen"),
    (11, "cancelling", "asyncio.Task.cancelling"),
    (11, "create_window_function", "sqlite3.Connection.create_window_function"),
    (11, "enterAsyncContext", "unittest.IsolatedAsyncioTestCase.enterAsyncContext"),
    (11, "enterClassContext", "unittest.TestCase.enterClassContext"),
    (11, "enterContext", "unittest.TestCase.enterContext"),
    (11, "get_identifiers", "string.Template.get_identifiers"),
    (11, "uncancel", "asyncio.Task.uncancel"),
    (12, "getChildren", "logging.Logger.getChildren"),
    (12, "is_junction", "pathlib.Path.is_junction"),
    (12, "walk", "pathlib.Path.walk"),
    (12, "with_segments", "pathlib.PurePath.with_segments"),
    (13, "from_uri", "pathlib.Path.from_uri"),
    (13, "full_match", "pathlib.PurePath.full_match"),
];

/// Keyword arguments that methods got in the given minor of Python 3: of any method, or of those that are named.
const KEYWORDS: &[(u8, &str, &[&str])] = &[
    (11, "context", &["create_task"]),
    (11, "include_hidden", &["glob", "iglob"]),
    (11, "process_group", &[]),
    (12, "autocommit", &["connect"]),
    (12, "case_sensitive", &["glob", "rglob", "match"]),
    (12, "delete_on_close", &[]),
    (12, "follow_symlinks", &["exists"]),
    (12, "loop_factory", &["run"]),
    (12, "onexc", &["rmtree"]),
    (12, "walk_up", &["relative_to"]),
    (13, "follow_symlinks", &["is_dir", "is_file", "owner", "group"]),
    (13, "recurse_symlinks", &["glob", "rglob"]),
];

const PATTERNS: &[&str] = &[
    "re.compile",
    "re.findall",
    "re.finditer",
    "re.fullmatch",
    "re.match",
    "re.search",
    "re.split",
    "re.sub",
    "re.subn",
];

pub(crate) fn note(work: &mut Work<'_, '_>) {
    let syntax = work.syntax;
    for id in syntax.ids() {
        match syntax.kind(id) {
            Kind::Call => call(work, id),
            Kind::FormatSpecifier if !work.target.has(11) && has_z(syntax.text(id)) => {
                work.note(id, syntax.text(id), "numbers are formatted with `z` since 3.11");
            }
            _ => {}
        }
    }
}

fn call(work: &mut Work<'_, '_>, call: NodeId) {
    let syntax = work.syntax;
    let (Some(function), Some(arguments)) = (syntax.child(call, Field::Function), syntax.child(call, Field::Arguments))
    else {
        return;
    };
    if syntax.kind(arguments) != Kind::ArgumentList {
        return;
    }
    let arguments = syntax.named_children(arguments).collect::<Vec<_>>();
    let name = match syntax.kind(function) {
        Kind::Attribute => syntax.child(function, Field::Attribute),
        Kind::Identifier => Some(function),
        _ => None,
    };
    let Some(name) = name.map(|name| syntax.text(name)) else { return };
    pattern(work, function, &arguments);
    if !work.target.has(11) && name == "format" {
        formatted(work, function, &arguments);
    }
    if syntax.kind(function) == Kind::Attribute
        && work.guards.reach(call, &["AttributeError", "TypeError"]) == Reach::Runs
    {
        method(work, function, name, &arguments);
        keywords(work, function, name, &arguments);
    }
}

fn method(work: &mut Work<'_, '_>, function: NodeId, name: &str, arguments: &[NodeId]) {
    let syntax = work.syntax;
    let keyword = |wanted: &str| {
        arguments.iter().any(|argument| {
            matches!(syntax.kind(*argument), Kind::DictionarySplat)
                || syntax.child(*argument, Field::Name).is_some_and(|name| syntax.text(name) == wanted)
        })
    };
    match name {
        "fromisoformat" if !work.target.has(11) => {
            let text = arguments.first().map_or("", |argument| syntax.text(*argument));
            if !text.contains("isoformat(") && !text.contains(".replace(\"Z\"") && !text.contains(".replace('Z'") {
                let reason = "it reads the forms that `isoformat` writes and no others before 3.11, so no `Z`";
                work.note(function, syntax.text(function), reason);
            }
        }
        "to_bytes" if !work.target.has(11) && arguments.len() < 2 && !keyword("byteorder") => {
            work.note(function, syntax.text(function), "an integer needs its length and byte order before 3.11");
        }
        "from_bytes" if !work.target.has(11) && arguments.len() == 1 && !keyword("byteorder") => {
            work.note(function, syntax.text(function), "an integer needs its byte order before 3.11");
        }
        _ => {
            let known = METHODS.iter().find(|(since, method, _)| *method == name && !work.target.has(*since));
            let Some((since, _, full)) = known else { return };
            // A module's function, such as `os.walk`, and a method that this file defines are others.
            let is_defined = syntax.ids().any(|id| {
                syntax.kind(id) == Kind::FunctionDefinition
                    && syntax.child(id, Field::Name).is_some_and(|defined| syntax.text(defined) == name)
            });
            if !is_defined && work.scopes.qualified(function).iter().all(Option::is_none) {
                work.note(function, syntax.text(function), format!("`{full}` appeared in 3.{since}"));
            }
        }
    }
}

fn keywords(work: &mut Work<'_, '_>, function: NodeId, name: &str, arguments: &[NodeId]) {
    let syntax = work.syntax;
    // Functions of modules have a table of their own, which refuses.
    if work.scopes.qualified(function).iter().any(Option::is_some) {
        return;
    }
    for argument in arguments.iter().filter(|argument| syntax.kind(**argument) == Kind::KeywordArgument) {
        let keyword = syntax.child(*argument, Field::Name).map_or("", |keyword| syntax.text(keyword));
        let known = KEYWORDS.iter().find(|(since, known, methods)| {
            *known == keyword && !work.target.has(*since) && (methods.is_empty() || methods.contains(&name))
        });
        if let Some((since, ..)) = known {
            let reason = format!("standard methods take this argument since 3.{since}");
            work.note(*argument, &format!("{name}({keyword}=)"), reason);
        }
    }
}

/// `"{:z.1f}".format(x)`, `format(x, "z.1f")`
fn formatted(work: &mut Work<'_, '_>, function: NodeId, arguments: &[NodeId]) {
    let syntax = work.syntax;
    let reason = "numbers are formatted with `z` since 3.11";
    match (syntax.child(function, Field::Object), arguments) {
        (Some(template), _) if syntax.kind(template) == Kind::String => {
            let fields = syntax.text(template).split('{').skip(1);
            if fields.filter_map(|field| field.split_once('}')?.0.split_once(':')).any(|(_, spec)| has_z(spec)) {
                work.note(template, syntax.text(template), reason);
            }
        }
        (None, [_, spec]) if has_z(syntax.text(*spec).trim_matches(['"', '\''])) => {
            work.note(*spec, syntax.text(*spec), reason);
        }
        _ => {}
    }
}

/// Whether a format specification, with or without its colon, has the option `z`: `[[fill]align][sign]["z"]…`.
fn has_z(spec: &str) -> bool {
    let spec = spec.strip_prefix(':').unwrap_or(spec);
    let is_align = |letter: char| matches!(letter, '<' | '>' | '=' | '^');
    let mut letters = spec.chars();
    let (first, second) = (letters.next(), letters.next());
    let rest = match (first, second) {
        (Some(fill), Some(align)) if is_align(align) => &spec[fill.len_utf8() + 1..],
        (Some(align), _) if is_align(align) => &spec[1..],
        _ => spec,
    };
    rest.strip_prefix(['+', '-', ' ']).unwrap_or(rest).starts_with('z')
}

/// Refuses regular expressions that only newer Pythons read.
fn pattern(work: &mut Work<'_, '_>, function: NodeId, arguments: &[NodeId]) {
    let syntax = work.syntax;
    let Some(first) = arguments.first().filter(|_| !work.target.has(11) && work.scopes.is_any(function, PATTERNS))
    else {
        return;
    };
    let strings: Vec<_> = match syntax.kind(*first) {
        Kind::String => vec![*first],
        Kind::ConcatenatedString => syntax.named_children(*first).collect(),
        _ => return,
    };
    for string in strings {
        let construct = match newer_syntax(syntax.text(string)) {
            Some(construct) if work.guards.reach(string, &["re.error", "error"]) == Reach::Runs => construct,
            _ => continue,
        };
        let reason = work.lacks(11);
        work.refuse(string, construct, reason, Some("write the pattern without it"));
    }
}

fn newer_syntax(pattern: &str) -> Option<&'static str> {
    // A pattern of several lines may have comments.
    let lines = pattern.lines().count();
    let code = |line: &str| line.split(" #").next().unwrap_or(line).to_owned();
    let pattern = if lines > 1 { pattern.lines().map(code).collect::<Vec<_>>().join("\n") } else { pattern.to_owned() };
    let bytes = pattern.as_bytes();
    let (mut position, mut in_set, mut repeats) = (0, false, false);
    while let Some(byte) = bytes.get(position) {
        let after_repeat = std::mem::take(&mut repeats);
        match byte {
            b'\\' => position += 1,
            b']' => in_set = false,
            b'[' if !in_set => {
                in_set = true;
                // A bracket that comes first, also after `^`, is a member.
                position += usize::from(bytes.get(position + 1) == Some(&b'^'));
                position += usize::from(bytes.get(position + 1) == Some(&b']'));
            }
            _ if in_set => {}
            b'(' if bytes[position..].starts_with(b"(?>") => return Some("atomic group"),
            b'+' if after_repeat => return Some("possessive quantifier"),
            b'*' | b'+' | b'?' => repeats = position > 0 && bytes[position - 1] != b'(' && !after_repeat,
            b'}' => {
                repeats = bytes[..position].iter().rposition(|byte| *byte == b'{').is_some_and(|open| {
                    let count = &bytes[open + 1..position];
                    !count.is_empty() && count.iter().all(|byte| byte.is_ascii_digit() || *byte == b',')
                });
            }
            _ => {}
        }
        position += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_newer_pythons_are_told_from_others() {
        for pattern in ["a++", "a*+b", "a?+", "a{2}+", "(a|b){1,3}+c", "[ab]*+"] {
            assert_eq!(newer_syntax(pattern), Some("possessive quantifier"), "{pattern}");
        }
        assert_eq!(newer_syntax("x(?>a|b)c"), Some("atomic group"));
        for pattern in ["a+?", "a*", r"\++", r"a\*+", "[*+]+", "[]+*+]", "[^]*+]", "(?:a)+", "x{y}+", "{+}+", "(?=a)+b"]
        {
            assert_eq!(newer_syntax(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn the_option_z_is_found_where_it_can_stand() {
        for spec in [":z.1f", "z", ":+z.2f", ":*>z8.1f", ":z<z", ":>-z"] {
            assert!(has_z(spec), "{spec}");
        }
        for spec in [":.1f", ":z<8", ":z>", ":Z", "", ":", ":é>8"] {
            assert!(!has_z(spec), "{spec}");
        }
    }
}
