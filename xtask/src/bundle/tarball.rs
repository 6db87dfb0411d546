//! A runtime as a tar archive.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use anyhow::Result;
use camino::Utf8PathBuf;
use tar::Builder;

use super::Runtime;
use super::entries::{self, Entry};
use super::source::{self, Form, Pieces};
use crate::base::tarball::{append_directory, append_file, append_link};
use crate::report::Bar;

/// Writes the files of a runtime below `top`, comparing each with its description.
pub fn write<W: Write>(runtime: &Runtime<'_>, top: &str, output: W, bar: &dyn Bar) -> Result<W> {
    let mut archive = Builder::new(output);
    write_into(&mut archive, runtime, top, bar)?;
    Ok(archive.into_inner()?)
}

/// An archive of these files, each by its name.
pub fn write_files<W: Write>(files: &BTreeMap<String, Utf8PathBuf>, output: W) -> Result<W> {
    let mut archive = Builder::new(output);
    for (name, path) in files {
        let file = fs_err::File::open(path)?;
        append_file(&mut archive, name, false, file.metadata()?.len(), file)?;
    }
    Ok(archive.into_inner()?)
}

/// Writes the files of a runtime below `top` into an archive.
pub fn write_into<W: Write>(archive: &mut Builder<W>, runtime: &Runtime<'_>, top: &str, bar: &dyn Bar) -> Result<()> {
    let entries = entries::entries(runtime.description);
    let files = entries.iter().filter_map(|entry| match entry {
        Entry::Described(file) => Some(*file),
        _ => None,
    });
    let files = files.collect::<Vec<_>>();
    let mut rest = entries.iter();
    source::read(runtime.root, &files, Form::Plain, |index, pieces| {
        let file = files[index];
        for entry in rest.by_ref() {
            let name = entries::name(top, entry);
            match entry {
                Entry::Directory(_) => append_directory(archive, &name, 0)?,
                Entry::Description => {
                    let text = runtime.text;
                    append_file(archive, &name, false, text.len() as u64, text)?;
                }
                Entry::Described(_) => {
                    if file.mode == "link" {
                        let to = source::link_text(runtime.root, file)?;
                        pieces.next()?;
                        append_link(archive, &name, to.as_str())?;
                    } else {
                        let mut reader = Reader::new(pieces);
                        let result = append_file(archive, &name, file.mode == "755", file.size, &mut reader);
                        // The error of the file is more precise than the one of packing.
                        reader.finish()?;
                        result?;
                    }
                    bar.advance(file.size);
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}

/// The pieces of a file as something to read from.
struct Reader<'a> {
    pieces: &'a mut Pieces,
    piece: Vec<u8>,
    at: usize,
    error: Option<anyhow::Error>,
    ended: bool,
}

impl<'a> Reader<'a> {
    fn new(pieces: &'a mut Pieces) -> Self {
        Self { pieces, piece: Vec::new(), at: 0, error: None, ended: false }
    }

    fn finish(mut self) -> Result<()> {
        // Also of a file without bytes.
        if self.error.is_none() && !self.ended {
            self.error = self.pieces.next().err();
        }
        self.error.map_or(Ok(()), Err)
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && !self.ended {
            match self.pieces.next() {
                Ok(Some(piece)) => {
                    self.piece = piece;
                    self.at = 0;
                }
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.error = Some(error);
                    return Err(io::Error::other("a file differs"));
                }
            }
        }
        if self.ended {
            return Ok(0);
        }
        let length = buffer.len().min(self.piece.len() - self.at);
        buffer[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}
