//! `results.json`: everything that one run of all benchmarks found out, and the files that are made of it.

use std::time::SystemTime;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use speaches_format::description::Description;

use super::catalog::Benchmark;
use super::machine::Machine;
use super::report::Report;
use super::{checkout, page, plot};
use crate::failure::{Exit, Failure};
use crate::work::{self, WorkDirectory};

/// The name of the file.
const RESULTS: &str = "results.json";
/// Of the page with tables and plots.
const PAGE: &str = "README.md";
/// Another number means that fields have another meaning.
const SCHEMA: u32 = 1;

/// All of `results.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    schema: u32,
    /// When the run ended, as HTTP writes dates.
    pub date: String,
    /// What measured.
    pub tool: Tool,
    /// What was measured.
    pub runtime: Runtime,
    /// Where.
    pub machine: Machine,
    /// All benchmarks that there are, also those that were not run.
    pub benchmarks: Vec<Entry>,
}

/// This tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its version.
    pub version: String,
    /// The commit of its source, if that is a checkout.
    pub commit: Option<String>,
    /// Whether files of that commit were changed.
    pub changed: bool,
    /// Whether it was built with the checks that a build for development has.
    pub debug: bool,
}

/// The runtime that was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// Version of speaches.
    pub speaches: String,
    /// Full version of its Python.
    pub python: String,
    /// Target triple.
    pub target: String,
    /// Which wheels are inside.
    pub accelerator: String,
    /// Whether it is one of the sample.
    pub sample: bool,
    /// How many files there are.
    pub files: usize,
    /// Of all files, in bytes.
    pub size: u64,
    /// Those inside.
    pub models: Vec<Model>,
}

/// A model of a runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Its repository on the hub.
    pub id: String,
    /// Of its files, in bytes. One that is a small part of what is usual is of toy size.
    pub size: u64,
}

/// One benchmark in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Which one.
    pub name: Benchmark,
    /// How many processes ran or waited for a processor in the last 1, 5 and 15 minutes before it began, the
    /// benchmarks before it among them.
    pub load: Option<[f64; 3]>,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was run.
    Measured(Report),
    /// It was run to no end: the first line of what it said.
    Failed(String),
    /// It was not run: why.
    NotRun(String),
}

impl Results {
    /// Puts together what a run found out.
    pub fn new(tool: Tool, description: &Description, machine: Machine, benchmarks: Vec<Entry>) -> Self {
        Self {
            schema: SCHEMA,
            date: httpdate::fmt_http_date(SystemTime::now()),
            tool,
            runtime: Runtime::of(description),
            machine,
            benchmarks,
        }
    }

    /// Reads those of a directory.
    pub fn read(directory: &Utf8Path) -> Result<Self> {
        let path = directory.join(RESULTS);
        let wrong = |why: String| {
            Failure::new(Exit::Data, format!("`{path}` has no results that this tool understands: {why}"))
                .hint("`cargo xtask bench RUNTIME` measures again and writes it")
        };
        let results =
            serde_json::from_slice::<Self>(&fs_err::read(&path)?).map_err(|error| wrong(error.to_string()))?;
        if results.schema != SCHEMA {
            return Err(wrong(format!("its schema is {}, not {SCHEMA}", results.schema)).into());
        }
        Ok(results)
    }

    /// Writes them and what is made of them into a directory: nobody sees half a file, and what an earlier run left for
    /// a benchmark that has no plot in this one is removed.
    pub fn publish(&self, directory: &Utf8Path) -> Result<()> {
        fs_err::create_dir_all(directory)?;
        let work = WorkDirectory::new_in(directory)?;
        let files = self.files()?;
        for (name, content) in &files {
            fs_err::write(work.path().join(name), content)?;
        }
        work::undivided(|| {
            for (name, _) in &files {
                fs_err::rename(work.path().join(name), directory.join(name))?;
            }
            for benchmark in Benchmark::all() {
                let (name, path) = (picture(*benchmark), directory.join(picture(*benchmark)));
                if path.exists() && files.iter().all(|(written, _)| *written != name) {
                    fs_err::remove_file(path)?;
                }
            }
            Ok(())
        })
    }

    /// Everything in the directory: names and contents.
    fn files(&self) -> Result<Vec<(String, String)>> {
        let mut json = serde_json::to_string_pretty(self).context("results that are no JSON")?;
        json.push('\n');
        let mut files = vec![(RESULTS.to_owned(), compact(&json)), (PAGE.to_owned(), page::write(self))];
        for entry in &self.benchmarks {
            let Outcome::Measured(report) = &entry.outcome else { continue };
            files.extend(plot::draw(report, entry.name.title()).map(|svg| (picture(entry.name), svg)));
        }
        Ok(files)
    }
}

/// The name of a benchmark's plot.
pub fn picture(benchmark: Benchmark) -> String {
    format!("{benchmark}.svg")
}

/// Lists of numbers on one line each: one sample a line is a file that nobody reads.
fn compact(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find("[\n") {
        let (before, list) = rest.split_at(start);
        text.push_str(before);
        let end = list.find(']').map_or(list.len(), |end| end + 1);
        let is_numbers =
            list[1..end - 1].chars().all(|c| c.is_whitespace() || c.is_ascii_digit() || ",.-+eE".contains(c));
        if is_numbers {
            text.push_str(
                &list[..end].split_whitespace().collect::<Vec<_>>().join(" ").replace("[ ", "[").replace(" ]", "]"),
            );
            rest = &list[end..];
        } else {
            text.push_str("[\n");
            rest = &list[2..];
        }
    }
    text + rest
}

impl Tool {
    /// This one, whose source is here.
    pub fn this(root: &Utf8Path) -> Self {
        let commit = checkout::commit(root);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            changed: commit.is_some() && checkout::is_changed(root),
            commit,
            debug: cfg!(debug_assertions),
        }
    }
}

impl Runtime {
    fn of(description: &Description) -> Self {
        let head = &description.head;
        let size = |id: &str| {
            let directory = Utf8PathBuf::from(speaches_format::layout::MODELS_HUB)
                .join(format!("models--{}", id.replace('/', "--")));
            let files = description.files.iter().filter(|file| Utf8Path::new(&file.path).starts_with(&directory));
            files.map(|file| file.size).sum()
        };
        let model = |model: &speaches_format::description::Model| Model { id: model.id.clone(), size: size(&model.id) };
        Self {
            speaches: head.version.clone(),
            python: head.python.version.clone(),
            target: head.target.clone(),
            accelerator: head.accelerator.clone(),
            sample: head.sample,
            files: description.files.len(),
            size: description.files.iter().map(|file| file.size).sum(),
            models: head.models.iter().map(model).collect(),
        }
    }
}
