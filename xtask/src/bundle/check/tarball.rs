//! Reads a tar archive once, entry by entry.

use std::io::{self, BufReader, Read};

use anyhow::Result;
use camino::Utf8Path;
use fs_err::File;
use tar::EntryType;

use super::super::Format;
use super::walk::{Found, Kind, Walk};
use crate::base::digest::{Hasher, Sha256};

const BUFFER: usize = 1 << 18;
/// "a series of 512-byte records", of which two empty ones are the end.
pub const RECORD: usize = 512;

/// Goes through a file. Returns what was seen, and the digest of all bytes.
///
/// Bundles of older versions end with a frame of zstd or a member of gzip that has no content, which is read over.
pub fn walk(bundle: &Utf8Path, format: Format) -> Result<(Walk<'_>, Sha256)> {
    let source = BufReader::with_capacity(BUFFER, Hasher::new(File::open(bundle)?));
    let mut walk = Walk::new(bundle);
    let source = if format == Format::TarGz {
        let mut decoder = flate2::bufread::MultiGzDecoder::new(source);
        entries(&mut decoder, &mut walk)?;
        decoder.into_inner()
    } else {
        let mut decoder = zstd::Decoder::with_buffer(source)?;
        entries(&mut decoder, &mut walk)?;
        decoder.finish()
    };
    Ok((walk, source.into_inner().finish().0))
}

/// Goes through the entries of an archive, and reads it to its end.
pub fn entries(decoder: &mut dyn Read, walk: &mut Walk<'_>) -> Result<()> {
    let mut archive = tar::Archive::new(&mut *decoder);
    let mut last = String::from("the beginning");
    for entry in archive.entries()? {
        let mut entry = entry.map_err(|error| walk.reading(&format!("after `{last}`"), error))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let link = entry.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned());
        let kind = match (entry.header().entry_type(), &link) {
            (EntryType::Directory, _) => Kind::Directory,
            (EntryType::Regular, _) => Kind::File,
            (EntryType::Symlink, Some(link)) => Kind::Link(link),
            _ => Kind::Other,
        };
        let mode = entry.header().mode().map_err(|error| walk.reading(&format!("at `{name}`"), error))?;
        walk.visit(&Found { name: &name, kind, mode }, &mut entry)?;
        last = name;
    }
    // The reader of the archive stops after the first of two empty records. The decompressor compares its checksum at its
    // own end, which is that of the file.
    let failed = |error| walk.reading(&format!("after `{last}`"), error);
    let mut end = [1; RECORD];
    decoder.read_exact(&mut end).map_err(failed)?;
    if end != [0; RECORD] || io::copy(decoder, &mut io::sink()).map_err(failed)? > 0 {
        return Err(walk.damaged("there are bytes after the end of the archive"));
    }
    Ok(())
}
