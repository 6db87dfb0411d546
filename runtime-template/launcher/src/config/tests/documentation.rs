//! The table of settings and the documentation say the same.

use super::*;

#[test]
fn names_are_not_used_twice_and_every_setting_has_help() {
    let mut names = OPTIONS.iter().flat_map(|known| known.variables.iter().chain([&known.key])).collect::<Vec<_>>();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    for definition in OPTIONS {
        assert!(!definition.help.is_empty() && !definition.default_text.is_empty(), "{}", definition.key);
        let secret_flag = definition.secret && definition.flag != Flag::None;
        assert!(!secret_flag, "others see the command line: {}", definition.key);
    }
}

/// The table of `docs/configuration.md`.
fn documentation() -> String {
    let code = |names: Vec<String>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut text = "| what | flag | environment | YAML | default |\n|---|---|---|---|---|\n".to_owned();
    for definition in OPTIONS {
        let flag = match (definition.flag, definition.kind) {
            (Flag::None, _) => "-".to_owned(),
            (Flag::Value(name, _), kind::Kind::Choice(words) | kind::Kind::Provider(words)) => {
                format!("`--{name}` {}", words.join(", "))
            }
            (Flag::Value(name, value), _) => format!("`--{name} {value}`"),
            (Flag::Switch(name, opposite), _) => format!("`--{name}`, `--{opposite}`"),
        };
        let variables = code(definition.variables.iter().map(|name| (*name).to_owned()).collect());
        let key = if definition.in_file { format!("`{}`", definition.key) } else { "-".to_owned() };
        let row = [definition.help, &flag, &variables, &key, definition.default_text].join(" | ");
        text.push_str(&format!("| {row} |\n"));
    }
    text
}

#[test]
fn the_table_in_the_documentation_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = fs_err::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- settings -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of settings -->").unwrap();
    let right = format!("{before}<!-- settings -->\n{}<!-- end of settings -->{after}", documentation());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs_err::write(&path, &right).unwrap();
    }
    assert!(text == right || std::env::var_os("UPDATE_DOCS").is_some(), "`UPDATE_DOCS=1 cargo test` writes the table");
}
