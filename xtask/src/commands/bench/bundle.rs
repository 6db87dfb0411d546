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
use crate::bundle::{self, Format, Request};
use crate::failure::{Exit, Failure};
use crate::interrupt::WorkDirectory;
use crate::plan::human_size;
use crate::progress::Silent;
use crate::store::Store;

/// Pack a runtime, beside tar and zstd
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of the runtime
    runtime: Utf8PathBuf,
    /// How much is compressed
    #[arg(long, value_name = "N", default_value_t = 9)]
    level: u32,
    /// How often each one runs
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
}

/// Runs the subcommand.
pub fn run(arguments: &Arguments, manifests: &Utf8Path) -> Result<()> {
    for program in ["tar", "zstd"] {
        if !Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
            bail!(
                Failure::new(Exit::Unavailable, format!("there is no {program} on PATH to compare this tool with"))
                    .hint(format!("install {program}"))
            );
        }
    }
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
    let mut contestants = [
        Contestant::new("bundle: verify, pack, documents", || {
            timed(|| {
                let made = bundle::make(&request, &Silent, manifests)?;
                (plain, size) = (made.plain, made.packed.size);
                Ok(())
            })
        }),
        Contestant::new(format!("tar | zstd -T0 -{}", arguments.level), || {
            timed(|| tar_and_zstd(&runtime, &theirs, arguments.level))
        }),
    ];
    eprintln!("one round of everything, to warm up");
    contest::alternate(&mut contestants.iter_mut().map(Contestant::again).collect::<Vec<_>>(), 1)?;
    contest::alternate(&mut contestants, arguments.rounds)?;
    let table = contest::table("pack a runtime", &contestants);
    drop(contestants);
    super::super::print(&format!(
        "{table}of {}: {}, theirs {}; peak memory of this tool: {}",
        human_size(plain),
        human_size(size),
        human_size(theirs.metadata()?.len()),
        child::peak_memory().map_or_else(|| "unknown".to_owned(), human_size),
    ))?;
    Ok(())
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
