//! Bundles: a runtime as one archive, with its checksum and bill of materials beside it.
//!
//! The runtime and this code alone decide the bytes of a bundle: not the disk, the machine, the user or the number of
//! processors.

mod bill;
pub mod check;
pub mod checksums;
mod components;
mod crates;
mod entries;
mod gzip;
mod image;
pub mod license;
mod linked;
pub mod metadata;
mod source;
mod tarball;
mod zip;

use std::fmt;
use std::io::{BufWriter, Write};
use std::num::NonZero;
use std::thread;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use speaches_format::description::Description;
use speaches_format::layout;
use speaches_format::system::System;
use speaches_format::verification;
use zstd::zstd_safe::CParameter;

use crate::base::digest::{Hasher, Sha256};
use crate::base::failure::{Exit, Failure};
use crate::report::Progress;
use crate::runtime::verify;
use crate::store::Store;
use crate::work::{self, WorkDirectory};
use checksums::{CHECKSUMS, Checksums};
use license::Exceptions;

/// Bytes that zstd compresses together. Fixed, since the result depends on it; it does not on the number of threads.
const JOB: u32 = 16 << 20;
/// Each of them needs about 40 MB.
const MOST_WORKERS: usize = 32;
/// Bytes that are written at once.
const BUFFER: usize = 1 << 18;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For Unix.
    TarZst,
    /// For machines without zstd.
    TarGz,
    /// For Windows.
    Zip,
}

impl Format {
    pub const ALL: [Self; 3] = [Self::TarZst, Self::TarGz, Self::Zip];

    /// The format that machines of a target unpack without extra programs.
    pub fn of(target: &str) -> Self {
        if System::of(target) == System::Windows { Self::Zip } else { Self::TarZst }
    }

    /// The format of a file with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| name.ends_with(&format!(".{format}")))
    }

    /// The level of compression when none is asked for, and the highest.
    const fn levels(self) -> (u32, u32) {
        match self {
            // Beyond, each per cent costs as much time as all before.
            Self::TarZst => (9, 19),
            Self::TarGz | Self::Zip => (6, 9),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TarZst => "tar.zst",
            Self::TarGz => "tar.gz",
            Self::Zip => "zip",
        })
    }
}

/// A runtime that is to be packed.
pub struct Runtime<'a> {
    pub root: &'a Utf8Path,
    pub description: &'a Description,
    /// The text of its `runtime.json`.
    pub text: &'a [u8],
}

/// A packed runtime, in a work directory.
#[derive(Clone, Copy, Debug)]
pub struct Packed {
    /// Of all its bytes.
    pub sha256: Sha256,
    /// In bytes.
    pub size: u64,
}

impl Runtime<'_> {
    /// Whether it has a file, as its description says.
    pub fn has(&self, path: &str) -> bool {
        self.description.files.iter().any(|file| file.path == path)
    }

    /// Refuses what is in the directory and not in the description.
    pub fn expect_nothing_else(&self) -> Result<()> {
        let extra = verification::extra(self.root.as_std_path(), &self.description.files)?;
        if let Some(extra) = extra.first() {
            bail!(source::different(self.root, "extra", extra));
        }
        Ok(())
    }

    /// Packs it into a file, and compares each of its files with the description on the way.
    pub fn pack(
        &self,
        file: &Utf8Path,
        top: &str,
        format: Format,
        level: Option<u32>,
        progress: &dyn Progress,
    ) -> Result<Packed> {
        let (usual, highest) = format.levels();
        let level = level.unwrap_or(usual);
        if level == 0 || level > highest {
            bail!(Failure::new(Exit::Usage, format!("the levels of {format} are 1 to {highest}, not {level}")));
        }
        let total = self.description.files.iter().map(|file| file.size).sum();
        let bar = progress.bytes("Packing", top, Some(total));
        let output = Hasher::new(BufWriter::with_capacity(BUFFER, File::create_new(file)?));
        let mut output = match format {
            Format::TarZst => tarball::write(self, top, zstd(output, level)?, bar.as_ref())?.finish()?,
            Format::TarGz => tarball::write(self, top, gzip::Gzip::new(output, level)?, bar.as_ref())?.finish()?,
            Format::Zip => zip::write(self, top, output, level, bar.as_ref())?,
        };
        output.flush()?;
        let (sha256, size) = output.finish();
        bar.finish();
        Ok(Packed { sha256, size })
    }
}

/// zstd on all processors, with the same result on any number of them.
fn zstd<W: Write>(output: W, level: u32) -> Result<zstd::Encoder<'static, W>> {
    let mut encoder = zstd::Encoder::new(output, i32::try_from(level)?)?;
    // One worker is not the same as none: without any, the whole input is one job. One more than there are processors, so
    // that none of them waits while the next job is read.
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    encoder.multithread((processors + 1).min(MOST_WORKERS) as u32)?;
    encoder.set_parameter(CParameter::JobSize(JOB))?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

pub struct Request<'a> {
    pub runtime: &'a Utf8Path,
    /// The output directory; by default the one of the runtime.
    pub out: Option<&'a Utf8Path>,
    /// By default the format of the target.
    pub format: Option<Format>,
    /// An image layout, to make an image on it instead of an archive.
    pub base: Option<&'a Utf8Path>,
    /// By default the format's usual level.
    pub level: Option<u32>,
}

pub struct Made {
    pub path: Utf8PathBuf,
    pub packed: Packed,
    /// Of all files in it, in bytes.
    pub plain: u64,
    /// Whether its CPython is not of an archive, and may need libraries of the machine that it was copied from.
    pub copied_python: bool,
}

/// Packs a runtime, and writes its bill of materials and its checksum beside it.
pub fn make(request: &Request<'_>, progress: &dyn Progress, manifests: &Utf8Path) -> Result<Made> {
    let root = dunce::canonicalize(request.runtime).with_context(|| format!("cannot find `{}`", request.runtime))?;
    let root =
        Utf8PathBuf::from_path_buf(root).map_err(|path| anyhow::anyhow!("`{}` is not valid UTF-8", path.display()))?;
    let description = verify::read(&root)?;
    let text = fs_err::read(root.join(layout::DESCRIPTION))?;
    let runtime = Runtime { root: &root, description: &description, text: &text };
    let top = root.file_name().context("a runtime has a name")?;
    let directory = match request.out {
        Some(out) => camino::absolute_utf8(out)?,
        None => root.parent().context("a runtime lies in a directory")?.to_owned(),
    };
    if directory.starts_with(&root) {
        bail!(Failure::new(
            Exit::Usage,
            format!("`{directory}` is inside the runtime, so the bundle would change the runtime")
        ));
    }
    let format = request.format.unwrap_or_else(|| Format::of(&description.info.target));
    let name = match request.base {
        Some(_) => format!("{top}.{}", image::SUFFIX),
        None => format!("{top}.{format}"),
    };

    let work =
        WorkDirectory::new_in(&directory).with_context(|| format!("the bundle cannot be written to `{directory}`"))?;
    work::remove_leftovers(&directory, work::Place::OfTheUser);
    runtime.expect_nothing_else()?;
    let mut components = components::components(&runtime)?;
    Exceptions::read(manifests)?.apply(&mut components)?;
    let file = work.path().join(&name);
    let packed = match request.base {
        Some(base) => image::pack(&runtime, &file, base, work.path(), request.level, progress)?,
        None => runtime.pack(&file, top, format, request.level, progress)?,
    };
    // It is about one bundle, whose digest it has.
    let bill = bill::document(&runtime, &name, packed, &components)?;
    let bill_name = format!("{name}.cdx.json");
    fs_err::write(work.path().join(&bill_name), &bill)?;
    publish(&work, &directory, &[(name.clone(), packed.sha256), (bill_name, Sha256::of(&bill))])?;
    let plain = description.files.iter().map(|file| file.size).sum();
    Ok(Made { path: directory.join(name), packed, plain, copied_python: description.info.python.copied })
}

/// Puts finished files into their directory, and their digests into its `SHA256SUMS`.
fn publish(work: &WorkDirectory, directory: &Utf8Path, digests: &[(String, Sha256)]) -> Result<()> {
    let list = directory.join(CHECKSUMS);
    let _guard = Store::locate()?.lock(&list, "writing the checksums of another bundle")?;
    let mut checksums = Checksums::read(directory)?;
    for (name, digest) in digests {
        checksums.set(name, *digest);
    }
    fs_err::write(work.path().join(CHECKSUMS), checksums.text())?;
    // All or nothing, as far as that can be with several files.
    work::uninterruptible(|| {
        let names = digests.iter().map(|(name, _)| name.as_str()).chain([CHECKSUMS]);
        names.into_iter().try_for_each(|name| fs_err::rename(work.path().join(name), directory.join(name)))
    })?;
    Ok(())
}
