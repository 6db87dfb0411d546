//! `cargo xtask bundle`: a runtime as one archive for release.

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};

use crate::base::failure::{Exit, Failure};
use crate::base::quantity::{format_duration, human_size};
use crate::bundle::{self, Format, Request};
use crate::report;

/// Pack a runtime as one archive, and write its checksum and bill of materials beside it
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
    format: Option<Packing>,
    /// For oci: the image that the runtime is put on, an OCI image layout as a directory or .tar
    #[arg(long, value_name = "LAYOUT")]
    base: Option<Utf8PathBuf>,
    /// Compression level: 1 to 19 for tar.zst, 1 to 9 for the others [default: 9, or 6]
    #[arg(long, value_name = "N")]
    level: Option<u32>,
}

/// The formats of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Packing {
    #[value(name = "tar.zst")]
    TarZst,
    #[value(name = "tar.gz")]
    TarGz,
    Zip,
    /// An archive of an OCI image layout, on the image of --base
    Oci,
}

impl Packing {
    const fn format(self) -> Option<Format> {
        match self {
            Self::TarZst => Some(Format::TarZst),
            Self::TarGz => Some(Format::TarGz),
            Self::Zip => Some(Format::Zip),
            Self::Oci => None,
        }
    }
}

pub fn run(arguments: &Arguments, manifests: &Utf8Path) -> Result<()> {
    let is_image = arguments.format == Some(Packing::Oci);
    if is_image != arguments.base.is_some() {
        bail!(
            Failure::new(Exit::Usage, "`--format oci` and `--base LAYOUT` go together")
                .hint("the base provides the system libraries of the runtime: glibc and little else")
        );
    }
    let request = Request {
        base: arguments.base.as_deref(),
        runtime: &arguments.runtime,
        out: arguments.out.as_deref(),
        format: arguments.format.and_then(Packing::format),
        level: arguments.level,
    };
    let started = std::time::Instant::now();
    let made = bundle::make(&request, report::for_stderr(), manifests)?;
    let path = super::display_path(&made.path);
    let sizes = format!("{} of {}", human_size(made.packed.size), human_size(made.plain));
    report::status("Finished", &format!("`{path}` ({sizes}) in {}", format_duration(started.elapsed())));
    report::command("Verify", &super::shell_quote(&["cargo", "xtask", "verify", path.as_str()]));
    if made.copied_python {
        report::say(
            "note: its CPython was copied from the machine that made it, so it needs the libraries of that system \
             wherever it runs, and in the base of an image; to distribute a runtime, make it without `--python-from \
             INTERPRETER`",
        );
    }
    super::print(made.path.as_str())?;
    Ok(())
}
