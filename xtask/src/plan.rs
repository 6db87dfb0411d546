//! The plan: everything that a provision will fetch and do, complete before anything is written.

pub mod choices;

use std::fmt::Write as _;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use crate::digest::Sha256;
use crate::host;
use crate::launcher::LauncherInput;
use crate::lock::LockedWheel;
use crate::model::{FileSource, ModelInput};
use crate::python::PythonInput;
use crate::quantity::{counted, human_size};
use crate::speaches::install::Recipe;
use crate::speaches::source::Source;
use crate::store::Store;
use crate::target::{Accelerator, Target};
use crate::template::Template;
use crate::vendor::Vendor;

/// Raised whenever the same inputs give another runtime.
const VERSION: u32 = 4;

/// What a provision is going to do.
pub struct Plan {
    /// For which machines.
    pub target: Target,
    /// Which wheels.
    pub accelerator: Accelerator,
    /// Optional parts that are in.
    pub groups: Vec<String>,
    /// Whether these are the inputs of the sample.
    pub sample: bool,
    /// Version of speaches.
    pub version: String,
    /// The interpreter.
    pub python: PythonInput,
    /// What compiles its bytecode, when the interpreter is for another system.
    pub compiler: Option<PythonInput>,
    /// The source, when it is at hand; else it is fetched and checked against the pin.
    pub source: Option<Source>,
    /// Identity of the source's content.
    pub source_sha256: Sha256,
    /// Where the source is from, for people.
    pub source_origin: String,
    /// How the source is installed.
    pub recipe: Recipe,
    /// What is installed beside it.
    pub wheels: Vec<LockedWheel>,
    /// Bundled models.
    pub models: Vec<ModelInput>,
    /// Where files are taken from first.
    pub vendor: Option<Vendor>,
    /// What starts it.
    pub launcher: LauncherInput,
    /// What every runtime contains.
    pub template: Template,
    /// Where the runtime goes.
    pub output: Utf8PathBuf,
}

/// One input, as `--dry-run` shows it.
#[derive(Serialize)]
pub struct Line {
    /// `python`, `compiler`, `speaches`, `wheel`, `model`, `linker`, `launcher` or `template`.
    pub kind: &'static str,
    /// Name and version.
    pub name: String,
    /// Where it comes from.
    pub origin: String,
    /// In bytes, when it is known.
    pub size: Option<u64>,
    /// Identity of the content.
    pub sha256: Sha256,
    /// Whether this machine has it or can get or make it.
    pub available: bool,
    /// Whether nothing has to be fetched for it.
    pub cached: bool,
    /// Whether the manifests and locks pin it.
    pub pinned: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    target: &'a str,
    accelerator: Accelerator,
    python: &'a str,
    groups: &'a [String],
    sample: bool,
    version: &'a str,
    plan: Sha256,
    output: &'a Utf8Path,
    fetch_bytes: u64,
    inputs: Vec<Line>,
}

impl Plan {
    /// What identifies the runtime that this plan makes. The place where it is made is no part of it.
    pub fn identity(&self) -> Sha256 {
        let wheels = self.wheels.iter().map(|wheel| (&wheel.name.file, wheel.sha256)).collect::<Vec<_>>();
        let models = self.models.iter().map(ModelInput::sha256).collect::<Vec<_>>();
        Sha256::of_json(&(
            VERSION,
            (&self.target.triple, self.accelerator, &self.groups, self.sample, &self.version),
            (self.python.version(), self.python.key(), self.compiles()),
            self.recipe.key(self.source_sha256),
            wheels,
            models,
            (self.launcher.key(), self.template.sha256()),
        ))
    }

    /// Whether the runtime gets bytecode.
    pub fn compiles(&self) -> bool {
        self.target.triple == host::triple() || self.compiler.is_some()
    }

    /// Whether a file need not be fetched.
    pub fn has_file(&self, store: &Store, sha256: Sha256, size: Option<u64>) -> bool {
        store.has_file(sha256, size) || self.vendored(sha256).is_some()
    }

    /// Where a file is in the vendor directory, if it is there.
    pub fn vendored(&self, sha256: Sha256) -> Option<String> {
        Some(self.vendor.as_ref()?.file(sha256)?.to_string())
    }

    /// Every input, in the order in which things happen.
    pub fn lines(&self, store: &Store) -> Vec<Line> {
        let mut lines = Vec::new();
        let (origin, pinned, sha256) = match &self.python {
            PythonInput::Pinned { archive, urls, .. } => (urls[0].clone(), true, archive.sha256),
            PythonInput::Archive { path, sha256, .. } => (path.to_string(), false, *sha256),
            PythonInput::Interpreter(interpreter) => {
                (format!("copied from `{}`", interpreter.path), false, interpreter.identity)
            }
            PythonInput::Copied { path, identity, .. } => {
                (format!("copied from an interpreter, in `{path}`"), false, *identity)
            }
        };
        let python_cached = match &self.python {
            PythonInput::Pinned { archive, .. } => {
                store.has_tree("python", self.python.key()) || self.has_file(store, archive.sha256, None)
            }
            _ => true,
        };
        lines.push(Line {
            kind: "python",
            name: format!("CPython {}", self.python.version()),
            origin,
            size: None,
            sha256,
            available: true,
            cached: python_cached,
            pinned,
        });
        if let Some(PythonInput::Pinned { version, archive, urls }) = &self.compiler {
            lines.push(Line {
                kind: "compiler",
                name: format!("CPython {version} for this machine, which compiles"),
                origin: urls[0].clone(),
                size: None,
                sha256: archive.sha256,
                available: true,
                cached: self.has_file(store, archive.sha256, None),
                pinned: true,
            });
        }
        lines.push(Line {
            kind: "speaches",
            name: format!("speaches {}", self.version),
            origin: self.source_origin.clone(),
            size: None,
            sha256: self.source_sha256,
            available: true,
            cached: self.source.is_some() || store.has_tree("speaches", self.recipe.key(self.source_sha256)),
            pinned: self.source.as_ref().is_none_or(|source| source.pinned),
        });
        lines.extend(self.wheels.iter().map(|wheel| Line {
            kind: "wheel",
            name: wheel.name.file.clone(),
            origin: wheel.url.clone().unwrap_or_else(|| "your package index".to_owned()),
            size: wheel.size,
            sha256: wheel.sha256,
            available: true,
            cached: self.has_file(store, wheel.sha256, wheel.size) || wheel.has_tree(store, self.target.family()),
            pinned: true,
        }));
        lines.extend(self.models.iter().map(|model| Line {
            kind: "model",
            name: model.name(),
            origin: model.origin.clone(),
            size: Some(model.size()),
            sha256: model.sha256(),
            available: true,
            cached: store.has_tree("model", model.sha256())
                || model.files.iter().all(|file| match file.source {
                    FileSource::Local(_) => true,
                    FileSource::Remote(_) => self.has_file(store, file.sha256, Some(file.size)),
                }),
            pinned: model.pinned,
        }));
        let (origin, pinned) = match &self.launcher {
            LauncherInput::Given { path, .. } => (path.to_string(), false),
            LauncherInput::Prebuilt { path, .. } => (path.to_string(), true),
            LauncherInput::Built { .. } => ("built from this workspace".to_owned(), true),
            LauncherInput::Impossible { reason, .. } => (format!("cannot be built: {reason}"), true),
        };
        if let LauncherInput::Built { tools: Some(tools), .. } = &self.launcher {
            lines.push(Line {
                kind: "linker",
                name: tools.name(),
                origin: "your package index".to_owned(),
                size: None,
                sha256: tools.key(),
                available: true,
                cached: tools.are_installed(store),
                pinned: true,
            });
        }
        lines.push(Line {
            kind: "launcher",
            name: "speaches".to_owned(),
            origin,
            size: None,
            sha256: self.launcher.key(),
            available: self.launcher.check().is_ok(),
            cached: true,
            pinned,
        });
        lines.push(Line {
            kind: "template",
            name: "service manager and Harbor contract".to_owned(),
            origin: "this workspace".to_owned(),
            size: None,
            sha256: self.template.sha256(),
            available: true,
            cached: true,
            pinned: true,
        });
        lines
    }

    /// Inputs that nothing committed pins.
    pub fn unpinned(&self, store: &Store) -> Vec<String> {
        self.lines(store)
            .into_iter()
            .filter(|line| !line.pinned)
            .map(|line| format!("{} ({})", line.name, line.origin))
            .collect()
    }

    /// The plan for machines.
    pub fn json(&self, store: &Store) -> Result<String> {
        let inputs = self.lines(store);
        let fetch_bytes = inputs.iter().filter(|line| !line.cached).filter_map(|line| line.size).sum();
        Ok(serde_json::to_string_pretty(&Document {
            target: &self.target.triple,
            accelerator: self.accelerator,
            python: self.python.version(),
            groups: &self.groups,
            sample: self.sample,
            version: &self.version,
            plan: self.identity(),
            output: &self.output,
            fetch_bytes,
            inputs,
        })?)
    }

    /// What is going to be done, in one line for people.
    pub fn summary(&self, store: &Store) -> String {
        let lines = self.lines(store);
        let parts = self.groups.iter().map(|part| format!(" with {part}")).collect::<Vec<_>>().join(" and");
        let missing = match to_fetch(&lines) {
            (0, _) => "all at hand".to_owned(),
            (count, sizes) => format!("{count} of them to fetch ({sizes})"),
        };
        format!(
            "{}{parts} for {}, {}, Python {}: {}, {missing}",
            self.subject(),
            self.target.triple,
            self.accelerator,
            self.python.version(),
            counted(lines.len(), "input"),
        )
    }

    /// What it is that a runtime is made of.
    fn subject(&self) -> String {
        let sample = if self.sample { "the SAMPLE of speaches" } else { "speaches" };
        format!("{sample} {}", self.version)
    }

    /// The plan for people.
    pub fn text(&self, store: &Store) -> String {
        let lines = self.lines(store);
        let mut text = format!(
            "{} for {} ({}), {}, Python {}\n",
            self.subject(),
            self.target.triple,
            self.target.entry.description,
            self.accelerator,
            self.python.version()
        );
        let _ = writeln!(
            text,
            "with {}",
            if self.groups.is_empty() { "no optional parts".to_owned() } else { self.groups.join(" and ") }
        );
        let width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0).min(60);
        for line in &lines {
            let size = line.size.map_or_else(|| "-".to_owned(), human_size);
            let state = match (line.cached, line.pinned) {
                _ if !line.available => "missing",
                (true, true) => "at hand",
                (true, false) => "at hand, unpinned",
                (false, true) => "to fetch",
                (false, false) => "to fetch, unpinned",
            };
            let _ = writeln!(text, "  {:9} {:width$}  {size:>9}  {state:18}  {}", line.kind, line.name, line.origin);
        }
        let (count, sizes) = to_fetch(&lines);
        let _ = writeln!(text, "to fetch: {sizes} in {}", counted(count, "input"));
        let _ = writeln!(text, "goes to:  {}", self.output);
        let _ = write!(text, "plan:     {}", self.identity());
        text
    }
}

/// How many inputs have to be fetched, and how large they are: `116.3 MB, and 2 of unknown size`.
fn to_fetch(lines: &[Line]) -> (usize, String) {
    let missing = lines.iter().filter(|line| !line.cached).collect::<Vec<_>>();
    let bytes = human_size(missing.iter().filter_map(|line| line.size).sum());
    let sizes = match missing.iter().filter(|line| line.size.is_none()).count() {
        0 => bytes,
        unknown if unknown == missing.len() => "of unknown size".to_owned(),
        unknown => format!("{bytes}, and {unknown} of unknown size"),
    };
    (missing.len(), sizes)
}

/// The name of a runtime's directory.
pub fn directory_name(version: &str, minor: &str, target: &str, accelerator: Accelerator, sample: bool) -> String {
    let name = if sample { "speaches-sample" } else { "speaches" };
    format!("{name}-{version}-py{minor}-{target}-{accelerator}")
}
