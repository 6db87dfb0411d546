//! `cargo xtask bench bundle`: packing a runtime beside `tar | zstd`, at the same level and on the same processors.
//!
//! The other one compares no file with anything and writes no checksum, and its archive is another one each time that a
//! file has another time.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::child;
use super::contest::{self, Contestant, timed};
use super::programs;
use super::report::Report;
use crate::bundle::{self, Format, Request};
use crate::failure::{Exit, Failure};
use crate::progress::Silent;
use crate::quantity::human_size;
use crate::store::Store;
use crate::work::WorkDirectory;

/// What packs beside this tool.
const PEERS: [&str; 2] = ["tar", "zstd"];
/// What the project has promised: packing takes at most so many times as long as tar and zstd.
const LIMIT: f64 = 1.1;

/// Pack a runtime, beside tar and zstd
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of the runtime
    pub(super) runtime: Utf8PathBuf,
    /// How much is compressed
    #[arg(long, value_name = "N", default_value_t = 9)]
    pub(super) level: u32,
    /// How often each one runs
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) rounds: usize,
}

/// Runs the subcommand, which is about a comparison: without the others it measures nothing.
pub fn run(arguments: &Arguments, manifests: &Utf8Path) -> Result<Report> {
    programs::note_versions(&PEERS, &mut Report::default())?;
    measure(arguments, manifests)
}

/// Measures with whoever is there.
pub fn measure(arguments: &Arguments, manifests: &Utf8Path) -> Result<Report> {
    let mut report = Report::new("bundle: verify, pack, documents");
    let runtime = camino::absolute_utf8(&arguments.runtime)?;
    let work = WorkDirectory::new_in(&Store::locate()?.work())?;
    let (ours, theirs) = (work.path().join("ours"), work.path().join("theirs.tar.zst"));
    let request = Request {
        runtime: &runtime,
        out: Some(&ours),
        base: None,
        format: Some(Format::TarZst),
        level: Some(arguments.level),
    };
    let mut plain = 0;
    let mut size = 0;
    let mut contestants = vec![Contestant::new(&report.ours, || {
        timed(|| {
            let made = bundle::make(&request, &Silent, manifests)?;
            (plain, size) = (made.plain, made.packed.size);
            Ok(())
        })
    })];
    let peer = format!("tar | zstd -T0 -{}", arguments.level);
    match programs::note_versions(&PEERS, &mut report) {
        Ok(()) => {
            let pack = || timed(|| tar_and_zstd(&runtime, &theirs, arguments.level));
            contestants.push(Contestant::new(peer, pack).limit(LIMIT));
        }
        Err(error) => report.lacks(peer, format!("{error:#}")),
    }
    contest::warm_up(&mut contestants)?;
    contest::alternate(&mut contestants, arguments.rounds)?;
    report.comparisons.push(contest::compare_times("pack a runtime", &contestants));
    drop(contestants);
    report.notes.push(format!("{} become {}", human_size(plain), human_size(size)));
    if let Ok(theirs) = theirs.metadata() {
        report.notes.push(format!("with tar and zstd {}", human_size(theirs.len())));
    }
    report.notes.extend(child::peak_memory().map(|peak| format!("peak memory of this tool: {}", human_size(peak))));
    Ok(report)
}

fn tar_and_zstd(runtime: &Utf8Path, to: &Utf8Path, level: u32) -> Result<()> {
    let parent = runtime.parent().context("a runtime lies in a directory")?;
    let name = runtime.file_name().context("a runtime has a name")?;
    let mut tar = Command::new("tar")
        .args(["--create", "--directory", parent.as_str(), name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run `tar`")?;
    let stream = tar.stdout.take().context("tar has no output")?;
    let zstd = Command::new("zstd")
        .args(["--quiet", "--force", "--threads=0", &format!("-{level}"), "-o", to.as_str()])
        .stdin(stream)
        .output()
        .context("cannot run `zstd`")?;
    child::check("zstd", &zstd)?;
    let ended = tar.wait()?;
    if !ended.success() {
        bail!(Failure::new(Exit::Unavailable, format!("tar failed: {ended}")));
    }
    Ok(())
}
