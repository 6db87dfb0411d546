//! Reads a zip archive in the order of its directory.

use std::io;

use anyhow::Result;
use camino::Utf8Path;
use fs_err::File;
use rawzip::{CompressionMethod, ZipArchive};

use super::walk::{Found, Kind, Walk};
use super::{damaged, reading};
use crate::base::digest::Sha256;

const BUFFER: usize = 1 << 18;
/// "The upper byte […] 3 - UNIX" has the kind of a file in these bits of its mode.
const KIND: u32 = 0o170_000;

/// Goes through a file, and hashes all its bytes at the same time.
pub fn walk(bundle: &Utf8Path) -> Result<(Walk<'_>, Sha256)> {
    std::thread::scope(|scope| {
        let hashing = scope.spawn(|| Sha256::of_file(bundle));
        let walk = entries(bundle);
        let sha256 = hashing.join().unwrap_or_else(|_| Err(io::Error::other("a thread that hashes has ended")));
        Ok((walk?, sha256?))
    })
}

fn entries(bundle: &Utf8Path) -> Result<Walk<'_>> {
    let file = File::open(bundle)?;
    let size = file.metadata()?.len();
    let wrong = |place: &str, error: rawzip::Error| match std::error::Error::source(&error) {
        Some(source) => match source.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            Some(code) => reading(bundle, place, io::Error::from_raw_os_error(code)),
            None => damaged(bundle, &format!("{place}: {error}")),
        },
        None => damaged(bundle, &format!("{place}: {error}")),
    };
    let mut walk = Walk::new(bundle);
    let mut buffer = vec![0; BUFFER];
    let archive =
        ZipArchive::from_file(file.into_file(), &mut buffer).map_err(|error| wrong("its directory", error))?;
    if archive.end_offset() != size {
        return Err(damaged(bundle, "there are bytes after the end of the archive"));
    }
    let mut entries = archive.entries(&mut buffer);
    let mut last = String::from("the beginning");
    while let Some(entry) = entries.next_entry().map_err(|error| wrong(&format!("after `{last}`"), error))? {
        let name = String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned();
        let attributes = entry.mode().value();
        let kind = match attributes & KIND {
            0o040_000 => Kind::Directory,
            0o100_000 => Kind::File,
            _ => Kind::Other,
        };
        let found = Found { name: &name, kind, mode: attributes & !KIND };
        let place = format!("in `{name}`");
        if entry.flags().is_encrypted() {
            return Err(damaged(bundle, &format!("{place}: it is marked as encrypted")));
        }
        let at = archive.get_entry(entry.wayfinder()).map_err(|error| wrong(&place, error))?;
        match entry.compression_method() {
            CompressionMethod::DEFLATE => {
                let decoder = flate2::read::DeflateDecoder::new_with_buf(at.reader(), vec![0; BUFFER]);
                walk.visit(&found, &mut at.verifying_reader(decoder))?;
            }
            CompressionMethod::STORE => walk.visit(&found, &mut at.verifying_reader(at.reader()))?,
            other => return Err(damaged(bundle, &format!("{place}: it is compressed in an unknown way ({other:?})"))),
        }
        last = name;
    }
    Ok(walk)
}
