//! `cargo xtask bench verify`: comparing a runtime with its description, beside `sha256sum` over the same files.
//!
//! sha256sum hashes only: it looks neither for further files nor at permissions and links. Both read what the system has in
//! memory, and both use all processors. What is measured of this tool is the launcher in the runtime, started as a user
//! starts it, where that can run here.

use std::fmt::Write as _;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, bail};
use camino::Utf8PathBuf;
use clap::Args;
use speaches_format::description::Description;
use speaches_format::layout::Family;

use super::child;
use super::contest::{self, Contestant, timed};
use super::programs;
use super::report::Report;
use crate::failure::{Exit, Failure};
use crate::host;
use crate::quantity::counted;
use crate::quantity::human_size;
use crate::runtime::verify;
use crate::store::Store;
use crate::work::{self, WorkDirectory};

/// What hashes beside this tool, and what starts as many of it as there are processors.
const PEERS: [&str; 2] = ["sha256sum", "xargs"];
/// What the project has promised: verifying takes at most so many times as long as hashing alone.
const LIMIT: f64 = 1.2;
/// Small files that one sha256sum gets.
const TOGETHER: usize = 1024;
/// What a small file is, in bytes.
const SMALL: u64 = 1 << 20;

/// Compare a runtime with its runtime.json, beside sha256sum over the same files
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of the runtime
    pub(super) runtime: Utf8PathBuf,
    /// How often each one runs
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) rounds: usize,
}

/// Runs the subcommand, which is about a comparison: without the others it measures nothing.
pub fn run(arguments: &Arguments) -> Result<Report> {
    programs::note_versions(&PEERS, &mut Report::default())?;
    measure(arguments)
}

/// Measures with whoever is there.
pub fn measure(arguments: &Arguments) -> Result<Report> {
    let mut report = Report::new("speaches verify");
    let runtime = camino::absolute_utf8(&arguments.runtime)?;
    let description = verify::read(&runtime)?;
    if description.head.target != host::triple() {
        bail!(
            Failure::new(
                Exit::Config,
                format!("`{runtime}` is for {}, so its launcher cannot run here", description.head.target)
            )
            .hint("measure a runtime of this machine")
        );
    }
    let work = WorkDirectory::new_in(&Store::locate()?.work())?;
    let lists = lists(&description, &work)?;
    let launcher = runtime.join(Family::of(&description.head.target).launcher());
    let threads = thread::available_parallelism()?.get().to_string();
    let mut contestants = vec![Contestant::new(&report.ours, || {
        timed(|| child::check("speaches verify", &work::output(Command::new(&launcher).arg("verify"), b"")?))
    })];
    let peer = format!("sha256sum -c, {threads} at once");
    match programs::note_versions(&PEERS, &mut report) {
        Ok(()) => {
            let hash = || {
                timed(|| {
                    let mut command = Command::new("xargs");
                    command.args(["-P", &threads, "-n", "1", "sha256sum", "--check", "--quiet"]).current_dir(&runtime);
                    child::check("sha256sum", &work::output(&mut command, lists.join("\n").as_bytes())?)
                })
            };
            contestants.push(Contestant::new(peer, hash).limit(LIMIT));
        }
        Err(error) => report.lacks(peer, format!("{error:#}")),
    }
    contest::warm_up(&mut contestants)?;
    contest::alternate(&mut contestants, arguments.rounds)?;
    let comparison = contest::compare_times("verify a runtime", &contestants);
    drop(contestants);
    let size = description.files.iter().map(|file| file.size).sum::<u64>();
    report.notes.push(format!(
        "{}, {}: {:.2} s per GB",
        counted(description.files.len(), "file"),
        human_size(size),
        comparison.figure() / (size as f64 / 1e9),
    ));
    report.comparisons.push(comparison);
    Ok(report)
}

/// Lists for sha256sum, of which each has about as much to hash as another: large files first, one by one, so that no
/// processor is left with one at the end.
fn lists(description: &Description, work: &WorkDirectory) -> Result<Vec<String>> {
    let mut files = description.files.iter().filter(|file| file.mode != "link").collect::<Vec<_>>();
    files.sort_by_key(|file| std::cmp::Reverse(file.size));
    let large = files.iter().take_while(|file| file.size > SMALL).count();
    let (large, small) = files.split_at(large);
    large
        .chunks(1)
        .chain(small.chunks(TOGETHER))
        .enumerate()
        .map(|(number, files)| {
            let mut text = String::new();
            for file in files {
                writeln!(text, "{}  {}", file.sha256, file.path)?;
            }
            let path = work.path().join(format!("list-{number}"));
            fs_err::write(&path, text).context("cannot write a list")?;
            Ok(path.into_string())
        })
        .collect()
}
