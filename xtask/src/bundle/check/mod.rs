//! Compares a bundle with the `runtime.json` inside, without unpacking it.

mod image;
mod tarball;
mod walk;
mod zip;

use std::io::{self, Read as _};

use anyhow::{Result, bail};
use camino::Utf8Path;
use fs_err::File;
use speaches_format::description::Description;
use speaches_format::verification::Differences;

use super::Format;
use super::checksums::{CHECKSUMS, Checksums};
use super::image::SUFFIX;
use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};

/// The hint for a damaged bundle.
const DAMAGED: &str = "fetch it again, or make it again with `cargo xtask bundle`";

/// A fully checked bundle.
pub struct Checked {
    pub description: Description,
    pub differences: Differences,
    /// Of all bytes.
    pub sha256: Sha256,
    /// Whether `SHA256SUMS` beside it has it.
    pub listed: bool,
}

/// Compares every file of a bundle with its description (every blob of an image with the digest that names it), and all
/// bytes with `SHA256SUMS` beside it.
///
/// # Errors
/// [`Exit::Data`] when it is no bundle or damaged; the message says where. Files that differ are no error here.
pub fn check(bundle: &Utf8Path) -> Result<Checked> {
    let mut file = File::open(bundle)?;
    let mut start = [0; image::START.len()];
    let read = file.read(&mut start)?;
    let name = bundle.file_name().unwrap_or_default();
    let (description, differences, sha256) = match Format::of_name(name).or_else(|| of_bytes(&start[..read])) {
        Some(format) => check_archive(bundle, format)?,
        None if name.ends_with(&format!(".{SUFFIX}")) || start == image::START => image::check(bundle)?,
        None => bail!(
            Failure::new(Exit::Data, format!("`{bundle}` is not a bundle"))
                .hint("bundles are .tar.zst, .tar.gz, .zip and .oci.tar archives that `cargo xtask bundle` made")
        ),
    };
    let directory = bundle.parent().unwrap_or(Utf8Path::new(""));
    let listed = Checksums::read(directory)?.get(name);
    if differences.is_empty() && listed.is_some_and(|listed| listed != sha256) {
        return Err(damaged(bundle, &format!("its sha256 is {sha256}, but `{CHECKSUMS}` beside it has another")));
    }
    Ok(Checked { description, differences, sha256, listed: listed.is_some() })
}

/// Compares an archive, and returns the digest of all its bytes as well.
fn check_archive(bundle: &Utf8Path, format: Format) -> Result<(Description, Differences, Sha256)> {
    let (walk, sha256) = match format {
        Format::TarZst | Format::TarGz => tarball::walk(bundle, format)?,
        Format::Zip => zip::walk(bundle)?,
    };
    let (description, differences) = walk.finish(bundle)?;
    Ok((description, differences, sha256))
}

fn of_bytes(start: &[u8]) -> Option<Format> {
    match start {
        [0x28, 0xb5, 0x2f, 0xfd] => Some(Format::TarZst),
        [0x1f, 0x8b, ..] => Some(Format::TarGz),
        [b'P', b'K', 3, 4] => Some(Format::Zip),
        _ => None,
    }
}

fn damaged(bundle: &Utf8Path, how: &str) -> anyhow::Error {
    Failure::new(Exit::Data, format!("`{bundle}` is damaged: {how}")).hint(DAMAGED).into()
}

/// An error of reading an archive: of the disk, or of what is in it.
fn reading(bundle: &Utf8Path, place: &str, error: io::Error) -> anyhow::Error {
    if error.raw_os_error().is_some() {
        return anyhow::Error::new(error).context(format!("cannot read `{bundle}`"));
    }
    damaged(bundle, &format!("{place}: {error}"))
}
