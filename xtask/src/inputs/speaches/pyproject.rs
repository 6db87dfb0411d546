//! The edits to upstream's `pyproject.toml`, with comments and order kept.
//!
//! Each edit changes a line that has the expected text, and leaves a line that has the new text. Otherwise the edit
//! fails: upstream changed the line, and a developer has to look at it.

use anyhow::{Context as _, Result, bail};
use toml_edit::{Array, DocumentMut, Item, RawString, Table, Value};

use crate::base::failure::{Exit, Failure};
use crate::pins::target::Accelerator;

/// The Pythons that the ported source runs on.
pub const REQUIRES_PYTHON: &str = ">=3.10,<3.13";

/// A replacement in a list of requirements: what upstream has, what it becomes, why.
type Replacement = (&'static str, &'static str, &'static str);

const NUMPY: Replacement = ("numpy>=2.3.1", "numpy>=2.2.6", "2.2.6 is the last numpy for Python 3.10");
const KOKORO_WITHOUT_GPU: Replacement = (
    "kokoro-onnx[gpu]>=0.4.5,<0.5.0",
    "kokoro-onnx>=0.4.5,<0.5.0",
    "`[gpu]` pulls onnxruntime-gpu beside onnxruntime, and only one of them may be there",
);

/// Requirements that become optional: the group, and what upstream has.
const OPTIONAL: [(&str, &str); 2] = [("diarization", "pyannote-audio>=4.0.3"), ("ui", "gradio>=5.49.1")];

/// Requirements that the ported source has on top.
const ADDED: [(&str, &str); 2] = [
    ("taskgroup>=0.2.2 ; python_version < '3.11'", "`asyncio.TaskGroup` and `asyncio.timeout` came with Python 3.11"),
    ("typing-extensions>=4.13.0", "what `typing` has on Python 3.12 is imported from it"),
];

const UPSTREAM_GPU: &str = "onnxruntime-gpu>=1.24.4 ; platform_machine == 'x86_64'";
const UPSTREAM_CPU: &str = "onnxruntime>=1.24.4 ; platform_machine != 'x86_64'";
const LAST_FOR_310: &str = "1.23.2 is the last onnxruntime for Python 3.10";
const CUDA_AS_WHEELS: &str = "1.23.2 is the last onnxruntime for Python 3.10, and its extras are the CUDA libraries that a machine need not have";
const EXACTLY_ONE: &str = "exactly one of onnxruntime and onnxruntime-gpu may be installed";

/// Both packages install the same module, so that the accelerator decides which one there is.
fn overrides(accelerator: Accelerator) -> [Replacement; 2] {
    match accelerator {
        Accelerator::Cuda => [
            (UPSTREAM_GPU, "onnxruntime-gpu[cuda,cudnn]>=1.23.2", CUDA_AS_WHEELS),
            (UPSTREAM_CPU, "onnxruntime ; sys_platform == 'never'", EXACTLY_ONE),
        ],
        Accelerator::Cpu | Accelerator::Coreml => [
            (UPSTREAM_GPU, "onnxruntime-gpu ; sys_platform == 'never'", EXACTLY_ONE),
            (UPSTREAM_CPU, "onnxruntime>=1.23.2", LAST_FOR_310),
        ],
    }
}

/// Edits the text for an accelerator and returns it with what was done, in words.
pub fn edit(text: &str, accelerator: Accelerator) -> Result<(String, Vec<String>)> {
    apply(text, accelerator).map_err(|error| match error.downcast::<Unexpected>() {
        Ok(unexpected) => unexpected.failure(text).into(),
        Err(error) => error,
    })
}

fn apply(text: &str, accelerator: Accelerator) -> Result<(String, Vec<String>)> {
    let mut document: DocumentMut = text.parse().context("`pyproject.toml` of speaches is malformed")?;
    let mut done = Vec::new();
    let project =
        document.get_mut("project").and_then(Item::as_table_mut).context("`pyproject.toml` has no `[project]`")?;

    let requires = project.get_mut("requires-python").context("there is no `requires-python`")?;
    match requires.as_str() {
        Some("==3.12.*") => {
            set_string(requires, REQUIRES_PYTHON);
            done.push(format!(
                "requires-python: `==3.12.*` becomes `{REQUIRES_PYTHON}`: the ported source runs on all of these"
            ));
        }
        Some(found) if found == REQUIRES_PYTHON => {}
        found => bail!(Unexpected {
            what: "requires-python",
            found: found.unwrap_or_default().to_owned(),
            expected: "==3.12.*".to_owned(),
        }),
    }
    let dependencies =
        project.get_mut("dependencies").and_then(Item::as_array_mut).context("there are no `dependencies`")?;
    replace(dependencies, "dependencies", NUMPY, &mut done)?;
    if accelerator != Accelerator::Cuda {
        replace(dependencies, "dependencies", KOKORO_WITHOUT_GPU, &mut done)?;
    }
    for (requirement, why) in ADDED {
        if position(dependencies, requirement).is_none() {
            dependencies.push_formatted(Value::from(requirement).decorated("\n    ", ""));
            done.push(format!("dependencies: `{requirement}` is added: {why}"));
        }
    }
    let mut optional = Vec::new();
    for (group, requirement) in OPTIONAL {
        if let Some(index) = position(dependencies, requirement) {
            remove(dependencies, index);
            optional.push((group, requirement));
            done.push(format!("dependencies: `{requirement}` moves to the optional group `{group}`"));
        }
    }
    let groups = project.entry("optional-dependencies").or_insert_with(|| Item::Table(Table::new()));
    let groups = groups.as_table_like_mut().context("`optional-dependencies` is not a table")?;
    for (group, requirement) in optional {
        groups.insert(group, Item::Value(Value::Array(Array::from_iter([requirement]))));
    }
    for (group, requirement) in OPTIONAL {
        let found =
            groups.get(group).and_then(Item::as_array).is_some_and(|array| position(array, requirement).is_some());
        if !found {
            bail!(Unexpected { what: "dependencies", found: String::new(), expected: requirement.to_owned() });
        }
    }

    let uv = document
        .get_mut("tool")
        .and_then(|tool| tool.get_mut("uv"))
        .and_then(Item::as_table_mut)
        .context("there is no `[tool.uv]`")?;
    let overrides = uv
        .get_mut("override-dependencies")
        .and_then(Item::as_array_mut)
        .context("there are no `override-dependencies`")?;
    for replacement in self::overrides(accelerator) {
        replace(overrides, "override-dependencies", replacement, &mut done)?;
    }
    if uv.remove("workspace").is_some() {
        done.push(
            "[tool.uv.workspace] goes: the command line client needs Python 3.12 and is not part of a runtime"
                .to_owned(),
        );
    }
    Ok((document.to_string(), done))
}

/// Something that is neither what upstream had nor what it becomes.
#[derive(Debug, thiserror::Error)]
#[error("{what} is `{found}`")]
struct Unexpected {
    what: &'static str,
    found: String,
    expected: String,
}

impl Unexpected {
    /// Names the line, so that a developer who moves to another commit of speaches sees at once what changed there.
    fn failure(&self, text: &str) -> Failure {
        let Self { what, found, expected } = self;
        let line = text.lines().position(|line| !found.is_empty() && line.contains(found.as_str()));
        let place = line.map_or_else(String::new, |line| format!(":{}", line + 1));
        let found = if found.is_empty() { "nothing of it".to_owned() } else { format!("`{found}`") };
        Failure::new(
            Exit::Data,
            format!("pyproject.toml{place} of speaches cannot be edited: `{what}` has {found} where `{expected}` was expected"),
        )
        .hint("this commit of speaches differs there from the one the edits are made for; they are in `xtask/src/inputs/speaches/pyproject.rs`")
    }
}

/// The name of the distribution that a requirement is about.
fn name_of(requirement: &str) -> &str {
    requirement.split(['<', '>', '=', '~', '!', '[', ';', ' ']).next().unwrap_or(requirement)
}

fn position(array: &Array, text: &str) -> Option<usize> {
    array.iter().position(|value| value.as_str() == Some(text))
}

/// Removes a value, but not a comment before it, which may be about the value on the line above.
fn remove(array: &mut Array, index: usize) {
    let text = |raw: Option<&RawString>| raw.and_then(RawString::as_str).unwrap_or_default().to_owned();
    let removed = array.remove(index);
    let prefix = text(removed.decor().prefix());
    let Some((comment, _)) = prefix.rsplit_once('\n').filter(|(comment, _)| comment.contains('#')) else {
        return;
    };
    match array.get_mut(index) {
        Some(next) => {
            let kept = format!("{comment}{}", text(next.decor().prefix()));
            next.decor_mut().set_prefix(kept);
        }
        None => {
            let kept = format!("{comment}{}", text(Some(array.trailing())));
            array.set_trailing(kept);
        }
    }
}

fn set_string(item: &mut Item, text: &str) {
    let decor = item.as_value().map(|value| value.decor().clone());
    let mut value = Value::from(text);
    if let Some(decor) = decor {
        *value.decor_mut() = decor;
    }
    *item = Item::Value(value);
}

fn replace(array: &mut Array, place: &'static str, (from, to, why): Replacement, done: &mut Vec<String>) -> Result<()> {
    match (position(array, from), position(array, to)) {
        (Some(index), None) => {
            // `Array::replace` keeps the comment and the indentation of what it replaces.
            array.replace(index, to);
            done.push(format!("{place}: `{from}` becomes `{to}`: {why}"));
            Ok(())
        }
        (None, Some(_)) => Ok(()),
        _ => {
            let found =
                array.iter().filter_map(Value::as_str).find(|text| name_of(text) == name_of(from) && *text != to);
            bail!(Unexpected { what: place, found: found.unwrap_or_default().to_owned(), expected: from.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPSTREAM: &str = r#"[project]
name = "speaches"
requires-python = "==3.12.*" # a remark
# another remark
dependencies = [
    "fastapi>=0.121.1",
    "kokoro-onnx[gpu]>=0.4.5,<0.5.0",
    "numpy>=2.3.1", # why numpy
    "gradio>=5.49.1",
    "pyannote-audio>=4.0.3",
]

[tool.uv]
override-dependencies = ["onnxruntime-gpu>=1.24.4 ; platform_machine == 'x86_64'", "onnxruntime>=1.24.4 ; platform_machine != 'x86_64'", "av~=15.0"]

[tool.uv.workspace]
members = ["packages/speaches-cli"]
"#;

    #[test]
    fn edits_keep_comments_and_order() {
        let (text, done) = edit(UPSTREAM, Accelerator::Cpu).unwrap();
        let expected = r#"[project]
name = "speaches"
requires-python = ">=3.10,<3.13" # a remark
# another remark
dependencies = [
    "fastapi>=0.121.1",
    "kokoro-onnx>=0.4.5,<0.5.0",
    "numpy>=2.2.6", # why numpy
    "taskgroup>=0.2.2 ; python_version < '3.11'",
    "typing-extensions>=4.13.0",
]

[project.optional-dependencies]
diarization = ["pyannote-audio>=4.0.3"]
ui = ["gradio>=5.49.1"]

[tool.uv]
override-dependencies = ["onnxruntime-gpu ; sys_platform == 'never'", "onnxruntime>=1.23.2", "av~=15.0"]
"#;
        assert_eq!(text, expected);
        assert_eq!(done.len(), 10, "{done:#?}");
        assert!(done.iter().all(|line| line.contains(": ") || line.starts_with('[')), "each says why: {done:#?}");
    }

    #[test]
    fn a_second_time_changes_nothing() {
        for accelerator in [Accelerator::Cpu, Accelerator::Cuda] {
            let (once, _) = edit(UPSTREAM, accelerator).unwrap();
            let (twice, done) = edit(&once, accelerator).unwrap();
            assert_eq!((twice, done), (once, Vec::new()));
        }
    }

    #[test]
    fn cuda_keeps_the_wheels_for_the_gpu_and_no_others() {
        let (text, _) = edit(UPSTREAM, Accelerator::Cuda).unwrap();
        assert!(text.contains("kokoro-onnx[gpu]"), "{text}");
        assert!(
            text.contains("\"onnxruntime-gpu[cuda,cudnn]>=1.23.2\", \"onnxruntime ; sys_platform == 'never'\""),
            "{text}"
        );
    }

    #[test]
    fn a_line_that_is_neither_old_nor_new_is_named() {
        for (from, to, named) in [
            (
                "numpy>=2.3.1",
                "numpy>=2.4",
                "pyproject.toml:8 of speaches cannot be edited: `dependencies` has `numpy>=2.4` where `numpy>=2.3.1`",
            ),
            ("==3.12.*", "==3.14.*", "pyproject.toml:3 of speaches cannot be edited: `requires-python` has `==3.14.*`"),
            ("gradio>=5.49.1", "gradio>=7", "`dependencies` has nothing of it where `gradio>=5.49.1`"),
            ("onnxruntime>=1.24.4", "onnxruntime>=2", "onnxruntime>=2"),
        ] {
            let error = edit(&UPSTREAM.replace(from, to), Accelerator::Cpu).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
