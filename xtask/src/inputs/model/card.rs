//! Model cards: the metadata at the top of a repository's `README.md`, read as huggingface_hub 0.35 reads it.
//!
//! speaches reads the cards of all models whenever it lists them, and an exception about one of them is an error for all.
//! So an input that would raise an exception in huggingface_hub or speaches is an error here.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use serde_saphyr::DuplicateKeyPolicy;

/// The fields of a card that speaches and this tool use.
#[derive(Debug, Default)]
pub struct Card {
    /// `library_name`, or `library`, which some have in its place.
    pub library: Option<String>,
    /// `pipeline_tag`
    pub pipeline: Option<String>,
    /// `tags`
    pub tags: BTreeSet<String>,
    /// `language`
    pub languages: Vec<String>,
    /// An SPDX expression.
    pub license: String,
}

impl Card {
    pub const FILE: &str = "README.md";

    /// Reads the card in a `README.md`. One without metadata is an empty card.
    ///
    /// # Errors
    /// The rest of a sentence that begins with “its card”.
    pub fn parse(readme: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(readme).map_err(|_| "is not UTF-8".to_owned())?;
        let data = match front_matter(text) {
            Some(yaml) => data(yaml)?,
            None => Map::new(),
        };
        let text = |key: &str| data.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        if let Some(index) = data.get("model-index")
            && is_truthy(index)
            && !is_model_index(index)
        {
            return Err("has a `model-index` that huggingface_hub does not understand".to_owned());
        }
        let tags = match data.get("tags") {
            None | Some(Value::Null) => BTreeSet::new(),
            // Python takes a text for a list of letters, none of which is a tag that matters.
            Some(Value::String(_)) => BTreeSet::new(),
            Some(Value::Array(tags)) if tags.iter().all(|tag| !tag.is_array() && !tag.is_object()) => {
                tags.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(_) => return Err("has `tags` that are not a list of words".to_owned()),
        };
        let languages = match data.get("language") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(language)) => vec![language.clone()],
            Some(Value::Array(languages)) => languages.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(_) => {
                return Err(
                    "has a `language` that is neither text nor a list (`no` without quotes means false)".to_owned()
                );
            }
        };
        Ok(Self {
            library: text("library_name").or_else(|| text("library")),
            pipeline: text("pipeline_tag"),
            tags,
            languages,
            license: license(data.get("license"), text("license_name").as_deref()),
        })
    }
}

/// The YAML between two lines of `---`, as huggingface_hub finds it:
/// `^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))`.
fn front_matter(text: &str) -> Option<&str> {
    let rest = text.trim_start().strip_prefix("---")?;
    if !rest.starts_with(['\r', '\n']) {
        return None;
    }
    let end = rest.match_indices("---").find(|(index, _)| {
        let after = &rest[index + 3..];
        rest[..*index].ends_with(['\r', '\n'])
            && (after.is_empty() || after.starts_with('\n') || after.starts_with("\r\n"))
    });
    end.map(|(index, _)| &rest[..index])
}

fn data(yaml: &str) -> Result<Map<String, Value>, String> {
    // As PyYAML does, which cards are read with: of a key that is there twice, the last one counts.
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    match serde_saphyr::from_str_with_options::<Value>(yaml, options) {
        Ok(Value::Object(data)) => Ok(data),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err("has metadata that are not a mapping".to_owned()),
        Err(error) => {
            let text = error.to_string();
            Err(format!("has metadata that are not YAML: {}", text.lines().next().unwrap_or_default().escape_debug()))
        }
    }
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    }
}

/// The fields that `model_index_to_eval_results` requires.
fn is_model_index(index: &Value) -> bool {
    let has = |value: &Value, key: &str| value.get(key).is_some();
    is_list(Some(index), |model| {
        has(model, "name")
            && is_list(model.get("results"), |result| {
                result.get("task").is_some_and(|task| has(task, "type"))
                    && result.get("dataset").is_some_and(|dataset| has(dataset, "type") && has(dataset, "name"))
                    && is_list(result.get("metrics"), |metric| has(metric, "type") && has(metric, "value"))
            })
    })
}

fn is_list(value: Option<&Value>, check: impl Fn(&Value) -> bool) -> bool {
    value.and_then(Value::as_array).is_some_and(|list| list.iter().all(check))
}

/// The hub's words for licenses that name one of SPDX's, which differ in case only.
///
/// N.B. `gpl-3.0` and its like are not among them: whether later versions may be chosen is not said.
const SPDX: [&str; 26] = [
    "AFL-3.0",
    "Apache-2.0",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "BSL-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-NC-2.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "ECL-2.0",
    "EPL-2.0",
    "EUPL-1.2",
    "ISC",
    "MIT",
    "MPL-2.0",
    "OFL-1.1",
    "Unlicense",
    "Zlib",
];

/// An SPDX expression for the license of a card. A license without an SPDX name becomes a `LicenseRef-`.
fn license(said: Option<&Value>, name: Option<&str>) -> String {
    match said {
        Some(Value::String(word)) => match (word.as_str(), name) {
            ("other", Some(name)) => reference(name),
            (word, _) => SPDX
                .iter()
                .find(|identifier| identifier.eq_ignore_ascii_case(word))
                .map_or_else(|| reference(word), |identifier| (*identifier).to_owned()),
        },
        // Whether one may choose is not said, so all of them hold.
        Some(Value::Array(words)) if !words.is_empty() => {
            words.iter().map(|word| license(Some(word), name)).collect::<Vec<_>>().join(" AND ")
        }
        // SPDX's term for a license about which the author of the document says nothing.
        _ => "NOASSERTION".to_owned(),
    }
}

/// SPDX allows letters, digits, `-` and `.` there.
fn reference(word: &str) -> String {
    let word = word.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.', "-");
    format!("LicenseRef-{word}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(yaml: &str) -> Result<Card, String> {
        Card::parse(format!("---\n{yaml}\n---\n# A model\n").as_bytes())
    }

    #[test]
    fn metadata_is_found_where_huggingface_hub_finds_it() {
        for (readme, expected) in [
            ("---\na: 1\n---\ntext", Some("\na: 1\n")),
            ("\n ---\r\na: 1\r\n---\r\n", Some("\r\na: 1\r\n")),
            ("---\na: x---\n---", Some("\na: x---\n")),
            ("---\na: 1\n--- \n", None),
            ("# text\n---\na: 1\n---\n", None),
            ("--- a\n---\n", None),
        ] {
            assert_eq!(front_matter(readme), expected, "{readme:?}");
        }
        assert!(Card::parse(b"nothing").unwrap().tags.is_empty());
    }

    #[test]
    fn what_would_break_the_list_of_models_is_an_error() {
        assert_eq!(card("language: [en, no]\nlanguage: en").unwrap().languages, ["en"]);
        assert_eq!(card("language:\n- en\n- no\n- de").unwrap().languages, ["en", "de"], "`no` means false");
        for yaml in
            ["language: no", "- a", "tags: 1", "tags: [[a]]", "model-index: [{name: a}]", "a: [", "language: {a: b}"]
        {
            assert!(card(yaml).is_err(), "{yaml}");
        }
        let index = "model-index:\n- name: a\n  results:\n  - task: {type: t}\n    dataset: {type: d, name: n}\n    \
                     metrics: [{type: wer, value: 1.5}]";
        assert!(card(index).is_ok());
        assert!(card("model-index: []\ntags: null").is_ok());
    }

    #[test]
    fn licenses_get_the_names_that_spdx_has_for_them() {
        for (yaml, expected) in [
            ("license: mit", "MIT"),
            ("license: apache-2.0", "Apache-2.0"),
            ("license: gpl-3.0", "LicenseRef-gpl-3.0"),
            ("license: other\nlicense_name: my license/2", "LicenseRef-my-license-2"),
            ("license: other", "LicenseRef-other"),
            ("license: [mit, cc-by-4.0]", "MIT AND CC-BY-4.0"),
            ("tags: []", "NOASSERTION"),
        ] {
            assert_eq!(card(yaml).unwrap().license, expected);
        }
    }
}
