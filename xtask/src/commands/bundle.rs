//! `cargo xtask bundle`: a runtime as one archive for release.

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use crate::bundle::{self, Format, Request};
use crate::plan::human_size;
use crate::progress;

/// Pack a runtime as one archive, and write its checksum, bill of materials and provenance beside it
///
/// Prints the path of the bundle on standard output, and nothing else there.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of the runtime
    runtime: Utf8PathBuf,
    /// Where the bundle goes [default: beside the runtime]
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
    /// How it is packed [default: zip for Windows, else tar.zst]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// How much it is compressed: 1 to 19 for tar.zst, 1 to 9 for the others [default: 9, or 6]
    #[arg(long, value_name = "N")]
    level: Option<u32>,
}

/// Runs the subcommand.
pub fn run(arguments: &Arguments, manifests: &Utf8Path) -> Result<()> {
    let request = Request {
        runtime: &arguments.runtime,
        out: arguments.out.as_deref(),
        format: arguments.format,
        level: arguments.level,
    };
    let started = std::time::Instant::now();
    let made = bundle::make(&request, progress::for_stderr(), manifests)?;
    eprintln!(
        "packed {} into {} in {:.1} s",
        human_size(made.plain),
        human_size(made.packed.size),
        started.elapsed().as_secs_f32()
    );
    super::print(made.path.as_str())?;
    Ok(())
}
