//! `cargo xtask port`: shows or writes the port of a Python project to an older Python. The crate `xtask/port` has the
//! rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use downlevel::Construct;
use similar::TextDiff;
use walkdir::WalkDir;

use crate::base::failure::{Exit, Failure};
use crate::base::quantity::{format_duration, pluralize};
use crate::inputs::speaches::port::{self, PortedFile};
use crate::inputs::speaches::pyproject;
use crate::pins::target::Accelerator;
use crate::report;
use crate::work::WorkDirectory;

/// Directories that hold no source of the project.
const PASSED_OVER: [&str; 5] = ["__pycache__", "node_modules", "site-packages", "venv", "build"];

/// Show what porting Python 3.12 source to an older Python changes, or write it
///
/// Works on any project, not only on speaches.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The project
    #[arg(long, value_name = "DIR")]
    speaches_from: Utf8PathBuf,
    /// The Python to port to: 3.10 or 3.11
    #[arg(long, value_name = "VERSION", default_value = "3.10")]
    python: String,
    /// Refuse code that may behave differently on the older Python
    #[arg(long)]
    strict: bool,
    /// Print a diff instead of a table
    #[arg(long)]
    diff: bool,
    /// Write the ported files, and the files that stay as they are, into this new directory
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let target = downlevel::Target::parse(&arguments.python)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()).hint("`--python` takes 3.10 or 3.11"))?;
    let root = &arguments.speaches_from;
    if !root.is_dir() {
        bail!(
            Failure::new(Exit::NoInput, format!("`--speaches-from {root}` is not a directory"))
                .hint("name the directory of a Python project")
        );
    }
    if let Some(out) = &arguments.out
        && out.symlink_metadata().is_ok()
    {
        bail!(
            Failure::new(Exit::CannotCreate, format!("`{out}` already exists, so it was not changed"))
                .hint("name a directory that does not exist yet")
        );
    }
    let sources = read(root)?;
    let started = Instant::now();
    let files = sources.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    let files = port::port(files, Some(target))?;
    let elapsed = started.elapsed();
    let notes = notes(&files, target);
    if arguments.strict && !notes.is_empty() {
        bail!(
            Failure::new(Exit::Data, format!("this may behave differently on Python {target}:\n{}", notes.join("\n")))
                .hint("change these lines so that they do not depend on it, or leave out `--strict`")
        );
    }
    let project = sources.get("pyproject.toml").and_then(|bytes| edited(bytes));

    if let Some(out) = &arguments.out {
        write(out, &files, project.as_ref().map(|(text, _)| text.as_str()))?;
    }
    let shown = if arguments.diff {
        let changed = files.iter().filter(|file| file.content.as_ref() != file.original);
        let mut text = changed.map(|file| diff(file.path, file.original, &file.content)).collect::<String>();
        if let (Some((edited, _)), Some(original)) = (&project, sources.get("pyproject.toml")) {
            text.push_str(&diff("pyproject.toml", original, edited.as_bytes()));
        }
        text
    } else {
        let edits = project.iter().flat_map(|(_, done)| done).map(|line| format!("\n  {line}")).collect::<String>();
        let edits = if edits.is_empty() { edits } else { format!("\n\npyproject.toml{edits}") };
        format!("{}{edits}", table(&files))
    };
    super::print(shown.trim_end())?;
    let python = files.iter().filter(|file| file.path.ends_with(".py")).count();
    let changed = files.iter().filter(|file| file.content.as_ref() != file.original).count();
    let files_of_python = pluralize(python, "file");
    let time = format_duration(elapsed);
    report::status("Ported", &format!("{files_of_python} to Python {target}, {changed} of them changed, in {time}"));
    for file in files.iter().filter(|file| file.first_moved_line.is_some()) {
        let line = file.first_moved_line.unwrap_or(0);
        report::say(&format!("note: the line numbers of `{}` differ from upstream's from line {line} on", file.path));
    }
    for note in notes {
        report::say(&format!("note: {note}"));
    }
    Ok(())
}

/// Notes on code whose behavior depends on types that the source does not tell, one line each.
fn notes(files: &[PortedFile<'_>], target: downlevel::Target) -> Vec<String> {
    let notes = files.iter().flat_map(|file| file.notes.iter().map(move |note| (file.path, note)));
    let line = |(path, note): (&str, &downlevel::Note)| {
        format!("{path}:{}: `{}` may differ on {target}: {}", note.line, note.construct, note.reason)
    };
    notes.map(line).collect()
}

fn read(root: &Utf8Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let entries = WalkDir::new(root).into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || PASSED_OVER.contains(&name.as_ref()))
    });
    for entry in entries {
        let entry = entry?;
        let path = Utf8Path::from_path(entry.path()).context("a path that is not UTF-8")?;
        let relative = path.strip_prefix(root)?.as_str().replace('\\', "/");
        if entry.file_type().is_file() && (relative.ends_with(".py") || relative == "pyproject.toml") {
            files.insert(relative, fs_err::read(path)?);
        }
    }
    Ok(files)
}

/// The edits that a runtime gets, when this is speaches at all.
fn edited(pyproject: &[u8]) -> Option<(String, Vec<String>)> {
    pyproject::edit(std::str::from_utf8(pyproject).ok()?, Accelerator::Cpu).ok().filter(|(_, done)| !done.is_empty())
}

fn write(out: &Utf8Path, files: &[PortedFile<'_>], pyproject: Option<&str>) -> Result<()> {
    let parent = out.parent().filter(|parent| !parent.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
    let work = WorkDirectory::new_in(parent)?;
    let made = work.path().join("ported");
    for file in files {
        let path = made.join(file.path);
        fs_err::create_dir_all(path.parent().context("a file without a directory")?)?;
        match pyproject.filter(|_| file.path == "pyproject.toml") {
            Some(text) => fs_err::write(path, text)?,
            None => fs_err::write(path, &file.content)?,
        }
    }
    fs_err::create_dir_all(&made)?;
    fs_err::rename(made, out)?;
    Ok(())
}

fn diff(path: &str, before: &[u8], after: &[u8]) -> String {
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let diff = TextDiff::from_lines(before.as_ref(), after.as_ref());
    diff.unified_diff().context_radius(2).header(&format!("a/{path}"), &format!("b/{path}")).to_string()
}

/// How often each construct stands in each file, and what the result needs.
fn table(files: &[PortedFile<'_>]) -> String {
    let mut text = String::new();
    let mut totals = BTreeMap::<String, usize>::new();
    let mut packages = BTreeSet::new();
    let width = files.iter().filter(|file| !file.findings.is_empty()).map(|file| file.path.len()).max().unwrap_or(0);
    for file in files {
        let mut counts = BTreeMap::<String, usize>::new();
        for finding in &file.findings {
            // For a name or an import, the subject says more than the construct.
            let named = matches!(finding.construct, Construct::Import | Construct::Attribute | Construct::Builtin);
            let construct = if named { finding.subject.clone() } else { finding.construct.to_string() };
            *counts.entry(construct.clone()).or_default() += 1;
            *totals.entry(construct).or_default() += 1;
        }
        packages.extend(file.packages.iter().copied());
        if !counts.is_empty() {
            let counts = counts.iter().map(|(construct, count)| format!("{count} {construct}")).collect::<Vec<_>>();
            let _ = writeln!(text, "{:width$}  {}", file.path, counts.join(", "));
        }
    }
    if totals.is_empty() {
        return "nothing has to change".to_owned();
    }
    text.push('\n');
    for (construct, count) in &totals {
        let _ = writeln!(text, "{count:5}  {construct}");
    }
    let _ = write!(text, "{:5}  in all", totals.values().sum::<usize>());
    let needs = packages.iter().map(|package| format!("{package}>={}", package.minimum_version())).collect::<Vec<_>>();
    if !needs.is_empty() {
        let _ = write!(text, "\n\nneeds {}", needs.join(", "));
    }
    text
}
