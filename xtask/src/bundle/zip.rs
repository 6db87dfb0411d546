//! Writing zip archives, for Windows. Each file is compressed where it is read, many at once.

use std::io::Write;

use anyhow::{Result, bail};
use rawzip::time::UtcDateTime;
use rawzip::{CompressionMethod, DataDescriptorOutput, ZipArchiveWriter};

use super::Runtime;
use super::entries::{self, Entry};
use super::source::{self, Form};
use crate::base::failure::{Exit, Failure};
use crate::base::tarball::MODIFIED;
use crate::report::Bar;

/// "The upper byte […] 3 - UNIX" has the mode of a file in the attributes, with its kind.
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;

/// Writes the files of a runtime below `top`, comparing each with its description.
pub fn write<W: Write>(runtime: &Runtime<'_>, top: &str, output: W, level: u32, bar: &dyn Bar) -> Result<W> {
    let entries = entries::entries(runtime.description);
    let files = entries.iter().filter_map(|entry| match entry {
        Entry::Described(file) => Some(*file),
        _ => None,
    });
    let files = files.collect::<Vec<_>>();
    if let Some(link) = files.iter().find(|file| file.mode == "link") {
        bail!(
            Failure::new(
                Exit::Config,
                format!("`{}` is a symbolic link, which a zip for Windows cannot contain", link.path)
            )
            .hint("pack this runtime as `--format tar.zst`")
        );
    }
    let mut archive = ZipArchiveWriter::new(output);
    let time = UtcDateTime::from_unix(MODIFIED as i64);
    let mut rest = entries.iter();
    source::read(runtime.root, &files, Form::Deflated(level), |index, pieces| {
        for entry in rest.by_ref() {
            let name = entries::name(top, entry);
            let name = name.as_str();
            match entry {
                Entry::Directory(_) => {
                    archive.new_dir(name).last_modified(time).unix_permissions(DIRECTORY | 0o755).create()?;
                }
                Entry::Description => {
                    let (mut entry, config) = archive
                        .new_file(name)
                        .compression_method(CompressionMethod::DEFLATE)
                        .last_modified(time)
                        .unix_permissions(REGULAR | 0o644)
                        .start()?;
                    let encoder = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::new(level));
                    let mut writer = config.wrap(encoder);
                    writer.write_all(runtime.text)?;
                    let (encoder, descriptor) = writer.finish()?;
                    encoder.finish()?;
                    entry.finish(descriptor)?;
                }
                Entry::Described(file) => {
                    let mode = if file.mode == "755" { 0o755 } else { 0o644 };
                    let (mut entry, _) = archive
                        .new_file(name)
                        .compression_method(CompressionMethod::DEFLATE)
                        .last_modified(time)
                        .unix_permissions(REGULAR | mode)
                        .start()?;
                    while let Some(piece) = pieces.next()? {
                        entry.write_all(&piece)?;
                    }
                    entry.finish(DataDescriptorOutput::new(pieces.crc()?, file.size))?;
                    bar.advance(file.size);
                    debug_assert_eq!(file.path, files[index].path);
                    return Ok(());
                }
            }
        }
        Ok(())
    })?;
    Ok(archive.finish()?)
}
