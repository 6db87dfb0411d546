//! The YAML file: the Harbor contract with a block of our own, `x-speaches`.
//!
//! The launcher checks the block `x-speaches` completely. Of the rest it checks the port of Harbor's native mode, and
//! that the top level has only keys of compose and extensions (`x-…`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use speaches_format::failure::{Exit, Failure};

use super::document::{Content, Entry, Node};
use super::kind::Place;
use super::setting_table::{self, Definition, OPTIONS};

const BLOCK: &str = "x-speaches";
/// Variables for upstream's own settings, inside the block.
const ENVIRONMENT: &str = "environment";
/// The top-level keys of the compose specification.
const COMPOSE: [&str; 9] =
    ["version", "name", "services", "networks", "volumes", "configs", "secrets", "include", "models"];

#[derive(Debug, Default)]
pub struct SettingsFile {
    path: PathBuf,
    values: BTreeMap<&'static str, Value>,
    pub environment: BTreeMap<String, String>,
}

impl SettingsFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`Exit::NoInput`] when it cannot be read; [`Exit::Data`] with line, column and a suggestion when it is wrong.
    pub fn read(path: &Path, home: Option<&Path>) -> Result<Self, Failure> {
        let text = fs_err::read_to_string(path)
            .map_err(|error| Failure::new(Exit::NoInput, format!("the settings cannot be read: {error}")))?;
        let mut file = Self { path: path.to_owned(), ..Self::default() };
        let root = serde_saphyr::from_str::<Node>(&text).map_err(|error| {
            let location = error.location().map(|location| (location.line(), location.column()));
            let said = error.without_snippet().to_string();
            file.failure(location, &format!("this is not YAML: {}", said.lines().next().unwrap_or_default()))
                .hint("check the indentation, and that every bracket and quote is closed")
        })?;
        file.load(&root, home)?;
        Ok(file)
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn load(&mut self, root: &Node, home: Option<&Path>) -> Result<(), Failure> {
        let entries = match &root.content {
            Content::Null => return Ok(()),
            Content::Map(entries) => entries,
            other => {
                return Err(self.failure(at(root), &format!("expected `{BLOCK}:`, got {}", other.describe())));
            }
        };
        for entry in entries {
            self.check_top_level(entry)?;
        }
        let directory = self.path.parent().unwrap_or(Path::new("")).to_owned();
        let place = Place { home, directory: &directory };
        let native = root
            .content
            .get("services")
            .and_then(|services| services.content.get("speaches"))
            .and_then(|service| service.content.get("x-harbor-native"))
            .and_then(|native| native.content.get("port"));
        if let (Some(port), Some(definition)) = (native, setting_table::find("port")) {
            self.set(definition, port, place)?;
        }
        match root.content.get(BLOCK).map(|block| (block, &block.content)) {
            None | Some((_, Content::Null)) => Ok(()),
            Some((_, Content::Map(entries))) => self.load_block(entries, place),
            Some((block, other)) => {
                Err(self.failure(at(block), &format!("`{BLOCK}` must be a mapping, got {}", other.describe())))
            }
        }
    }

    fn check_top_level(&self, entry: &Entry) -> Result<(), Failure> {
        let key = entry.key.as_str();
        let misspelt = key != BLOCK && key != "x-harbor-native" && strsim::damerau_levenshtein(key, BLOCK) <= 2;
        if COMPOSE.contains(&key) || (key.starts_with("x-") && !misspelt) {
            return Ok(());
        }
        let failure = self.failure(Some((entry.line, entry.column)), &format!("unknown key `{key}` at the top level"));
        Err(match setting_table::find(key) {
            Some(_) => failure.hint(format!("`{key}` goes below `{BLOCK}:`, indented")),
            None => failure.hint(suggestion(key, COMPOSE.into_iter().chain([BLOCK]))),
        })
    }

    fn load_block(&mut self, entries: &[Entry], place: Place<'_>) -> Result<(), Failure> {
        for entry in entries {
            let key = entry.key.as_str();
            if key == ENVIRONMENT {
                self.load_environment(&entry.value)?;
                continue;
            }
            match setting_table::find(key) {
                Some(definition) if definition.in_file => self.set(definition, &entry.value, place)?,
                other => {
                    let said = format!("unknown setting `{key}`");
                    let failure = self.failure(Some((entry.line, entry.column)), &said);
                    let keys = OPTIONS.iter().filter(|known| known.in_file).map(|known| known.key).chain([ENVIRONMENT]);
                    return Err(match other {
                        Some(definition) => {
                            failure.hint(format!("set it in the environment only: {}", definition.variables.join(", ")))
                        }
                        None => failure.hint(suggestion(key, keys)),
                    });
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, definition: &'static Definition, node: &Node, place: Place<'_>) -> Result<(), Failure> {
        let wrong = |file: &Self, expectation: String| {
            let got = if definition.secret { "something else".to_owned() } else { node.content.describe() };
            file.failure(at(node), &format!("`{}` must be {expectation}, got {got}", definition.key))
        };
        let Some(text) = definition.kind.text_of(&node.content) else {
            return Err(wrong(self, definition.kind.expectation()));
        };
        let value = definition.kind.parse(&text, definition.key, place).map_err(|expected| wrong(self, expected))?;
        self.values.insert(definition.key, value);
        Ok(())
    }

    fn load_environment(&mut self, node: &Node) -> Result<(), Failure> {
        let Content::Map(entries) = &node.content else {
            let got = node.content.describe();
            return Err(self.failure(at(node), &format!("`{ENVIRONMENT}` must be a mapping of variables, got {got}")));
        };
        for Entry { key, line, column, value } in entries {
            let refuse = |said: String| self.failure(Some((*line, *column)), &said);
            if let Some(known) = OPTIONS.iter().find(|known| known.variables.contains(&key.as_str())) {
                let refused = refuse(format!("`{key}` is a setting of its own"));
                return Err(if known.in_file {
                    refused.hint(format!("write `{}:` below `{BLOCK}`", known.key))
                } else {
                    refused.hint("set it in the environment")
                });
            }
            if key.is_empty() || key.contains(['=', '\0']) {
                return Err(refuse(format!("`{key}` is not a valid name of a variable")));
            }
            let text = match &value.content {
                Content::Text(text) => text.clone(),
                Content::Boolean(value) => value.to_string(),
                Content::Integer(value) => value.to_string(),
                Content::Number(value) => value.to_string(),
                Content::Null | Content::List(_) | Content::Map(_) => {
                    return Err(refuse(format!("`{key}` must be a text or a number"))
                        .hint("put quotes around lists and mappings, as JSON"));
                }
            };
            self.environment.insert(key.clone(), text);
        }
        Ok(())
    }

    fn failure(&self, location: Option<(u64, u64)>, what: &str) -> Failure {
        let place = match location {
            Some((line, column)) if line > 0 => format!(", line {line}, column {column}"),
            _ => String::new(),
        };
        Failure::new(Exit::Data, format!("`{}`{place}: {what}", self.path.display()))
    }
}

fn at(node: &Node) -> Option<(u64, u64)> {
    Some((node.line, node.column))
}

/// The name that was probably meant, else all there are.
fn suggestion<'a>(wrong: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let wrong = wrong.to_lowercase().replace('-', "_");
    let distance = |name: &str| strsim::damerau_levenshtein(&wrong, &name.replace('-', "_"));
    match known.clone().min_by_key(|name| distance(name)) {
        Some(name) if distance(name) <= 1 + name.len() / 4 => format!("did you mean `{name}`?"),
        _ => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
    }
}
