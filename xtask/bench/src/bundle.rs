//! `bench bundle`: packing a runtime beside `tar | zstd`, at the same level and on the same processors.
//!
//! The other one compares no file with anything and writes no checksum, and its archive is another one each time that a
//! file has another time.

use std::cell::Cell;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use xtask::bench_api::{Exit, Failure, Format, Request, Silent, Store, human_size, make};

use crate::process::{peak_memory, version};
use crate::report::Report;
use crate::runner::{Candidate, alternate, compare_times, timed, warm_up};
use crate::workspace::Workspace;

/// The project's promise: packing takes at most this many times as long as tar and zstd.
const LIMIT: f64 = 1.1;

/// Pack a runtime, beside tar and zstd
#[derive(Args)]
pub struct Arguments {
    /// The directory of the runtime
    runtime: Utf8PathBuf,
    /// Compression level
    #[arg(long, value_name = "N", default_value_t = 9)]
    level: u32,
    /// Number of rounds
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
}

pub fn run(arguments: &Arguments, manifests: &Utf8Path) -> Result<Report> {
    let mut report = Report::new("bundle: verify, pack, documents");
    // It is a comparison: without these it measures nothing.
    for baseline in ["tar", "zstd"] {
        report.versions.insert(baseline.to_owned(), version(baseline)?);
    }
    let runtime = camino::absolute_utf8(&arguments.runtime)?;
    let workspace = Workspace::new(&Store::locate()?)?;
    let (out, theirs) = (workspace.path().join("ours"), workspace.path().join("theirs.tar.zst"));
    let (runtime, level) = (runtime.as_path(), arguments.level);
    let request = Request { runtime, out: Some(&out), base: None, format: Some(Format::TarZst), level: Some(level) };
    let sizes = Cell::new((0, 0));
    let pack = || {
        timed(|| {
            let made = make(&request, &Silent, manifests)?;
            sizes.set((made.plain, made.packed.size));
            Ok(())
        })
    };
    let baseline =
        Candidate::new(format!("tar | zstd -T0 -{level}"), || timed(|| tar_and_zstd(runtime, &theirs, level)));
    let mut candidates = [Candidate::new(&report.ours, pack), baseline];
    warm_up(&mut candidates)?;
    alternate(&mut candidates, arguments.rounds)?;
    compare_times(&mut report, "pack a runtime", Some(LIMIT), &candidates);
    let (plain, packed) = sizes.get();
    let other = human_size(theirs.metadata()?.len());
    report.notes.push(format!(
        "size: {} unpacked, {} packed, {other} with tar and zstd",
        human_size(plain),
        human_size(packed)
    ));
    report.notes.extend(peak_memory().map(|peak| format!("peak memory of this tool: {}", human_size(peak))));
    Ok(report)
}

fn tar_and_zstd(runtime: &Utf8Path, to: &Utf8Path, level: u32) -> Result<()> {
    let (parent, name) = runtime.parent().zip(runtime.file_name()).context("a runtime lies in a directory")?;
    let mut tar = Command::new("tar")
        .args(["--create", "--directory", parent.as_str(), name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run `tar`")?;
    let zstd = Command::new("zstd")
        .args(["--quiet", "--force", "--threads=0", &format!("-{level}"), "-o", to.as_str()])
        .stdin(tar.stdout.take().context("tar has no output")?)
        .status()
        .context("cannot run `zstd`")?;
    let tar = tar.wait()?;
    if !tar.success() || !zstd.success() {
        bail!(Failure::new(Exit::Unavailable, format!("packing failed: tar ended with {tar}, zstd with {zstd}")));
    }
    Ok(())
}
