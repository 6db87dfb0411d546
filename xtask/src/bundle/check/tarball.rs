//! Walking through a tar archive as it comes.

use std::io::{self, BufRead, BufReader, Read};

use anyhow::Result;
use camino::Utf8Path;
use fs_err::File;
use tar::EntryType;

use super::super::Format;
use super::walk::{Found, Kind, Walk};
use super::{Hashed, damaged, reading};
use crate::digest::Hasher;

const BUFFER: usize = 1 << 18;

/// Goes through the first `length` bytes of a file. Returns what was seen, and the hash of these bytes.
pub fn walk<'a>(bundle: &'a Utf8Path, file: File, format: Format, length: u64) -> Result<(Walk<'a>, Hasher<io::Sink>)> {
    let source = BufReader::with_capacity(BUFFER, Hashed::new(file.take(length)));
    let mut walk = Walk::new(bundle);
    let mut source = if format == Format::TarGz {
        let mut decoder = flate2::bufread::GzDecoder::new(source);
        entries(&mut decoder, &mut walk)?;
        decoder.into_inner()
    } else {
        let mut decoder = zstd::Decoder::with_buffer(source)?.single_frame();
        entries(&mut decoder, &mut walk)?;
        decoder.finish()
    };
    let rest = source.fill_buf().map_err(|error| reading(bundle, "after its end", error))?;
    if !rest.is_empty() {
        return Err(damaged(bundle, "something comes after the end of the archive"));
    }
    Ok((walk, source.into_inner().hasher))
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
    // To its end, where the decompressor compares its checksum.
    io::copy(decoder, &mut io::sink()).map_err(|error| walk.reading(&format!("after `{last}`"), error))?;
    Ok(())
}
