//! `bench verify`: comparing a runtime with its description, beside `sha256sum` over the same files.
//!
//! sha256sum hashes only: it looks neither for further files nor at permissions and links. Both read what the system has in
//! memory, and both use all processors. For this tool the benchmark starts the launcher in the runtime, as a user
//! does, if it can run here.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Result, bail};
use camino::Utf8PathBuf;
use clap::Args;
use speaches_format::description::Description;
use speaches_format::layout::Family;
use xtask::bench_api::{Exit, Failure, Store, human_size, pluralize, read_description, triple};

use crate::process;
use crate::report::{Report, median};
use crate::runner::{Candidate, alternate, compare_times, timed, warm_up};
use crate::workspace::Workspace;

/// The project's promise: verifying takes at most this many times as long as hashing alone.
const LIMIT: f64 = 1.2;
/// The limit of a small file, in bytes, and how many small files one sha256sum gets.
const SMALL: (u64, usize) = (1 << 20, 1024);

/// Compare a runtime with its runtime.json, beside sha256sum over the same files
#[derive(Args)]
pub struct Arguments {
    /// The directory of the runtime
    runtime: Utf8PathBuf,
    /// Number of rounds
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    let mut report = Report::new("speaches verify");
    // It is a comparison: without these it measures nothing.
    for baseline in ["sha256sum", "xargs"] {
        report.versions.insert(baseline.to_owned(), process::version(baseline)?);
    }
    let runtime = camino::absolute_utf8(&arguments.runtime)?;
    let description = read_description(&runtime)?;
    let target = &description.info.target;
    if target != triple() {
        bail!(
            Failure::new(Exit::Config, format!("`{runtime}` is for {target}, so its launcher cannot run here"))
                .hint("measure a runtime for this machine")
        );
    }
    let workspace = Workspace::new(&Store::locate()?)?;
    let lists = lists(&description, &workspace)?;
    let launcher = runtime.join(Family::of(target).launcher());
    let threads = std::thread::available_parallelism()?.get().to_string();
    let ours = || timed(|| process::run("speaches verify", Command::new(&launcher).arg("verify"), b"").map(drop));
    let hash = || {
        let mut command = Command::new("xargs");
        command.args(["-0", "-P", &threads, "-n", "1", "sha256sum", "--check", "--quiet"]).current_dir(&runtime);
        timed(|| process::run("sha256sum", &mut command, lists.as_bytes()).map(drop))
    };
    let baseline = format!("sha256sum -c, {threads} at once");
    let mut candidates = [Candidate::new(&report.ours, ours), Candidate::new(baseline, hash)];
    warm_up(&mut candidates)?;
    alternate(&mut candidates, arguments.rounds)?;
    compare_times(&mut report, "verify a runtime", Some(LIMIT), &candidates);
    let size = description.files.iter().map(|file| file.size).sum::<u64>();
    let pace = median(&candidates[0].samples(0)) / (size as f64 / 1e9);
    let files = pluralize(description.files.len(), "file");
    report.notes.push(format!("{files}, {}: {pace:.2} s per GB", human_size(size)));
    Ok(report)
}

/// Lists for sha256sum, of which each has about as much to hash as another: large files first, one by one, so that no
/// processor is left with one at the end.
fn lists(description: &Description, workspace: &Workspace) -> Result<String> {
    let mut files = description.files.iter().filter(|file| file.mode != "link").collect::<Vec<_>>();
    files.sort_by_key(|file| std::cmp::Reverse(file.size));
    let (large, small) = files.split_at(files.partition_point(|file| file.size > SMALL.0));
    let mut paths = String::new();
    for (number, files) in large.chunks(1).chain(small.chunks(SMALL.1)).enumerate() {
        let mut text = String::new();
        for file in files {
            writeln!(text, "{}  {}", file.sha256, file.path)?;
        }
        // A path may have spaces, which xargs would take for its end.
        write!(paths, "{}\0", workspace.write(&format!("list-{number}"), text)?)?;
    }
    Ok(paths)
}
