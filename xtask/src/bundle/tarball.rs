//! Writing tar archives. Nothing but this module makes a header.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use tar::{EntryType, Header};

use super::entries::{self, Entry};
use super::source::{self, Form, Pieces};
use super::{MODIFIED, Runtime};
use crate::progress::Bar;

/// Writes the files of a runtime below `top`, comparing each with its description.
pub fn write<W: Write>(runtime: &Runtime<'_>, top: &str, output: W, bar: &dyn Bar) -> Result<W> {
    let mut archive = builder(output);
    write_into(&mut archive, runtime, top, bar)?;
    Ok(archive.into_inner()?)
}

/// An archive to write into.
pub fn builder<W: Write>(output: W) -> tar::Builder<W> {
    tar::Builder::new(output)
}

/// The header of a file, with its name, which is no longer than a header can hold.
pub fn file_header(name: &str, size: u64) -> Result<Header> {
    let mut header = header(EntryType::Regular, size, "644");
    header.set_path(name)?;
    header.set_cksum();
    Ok(header)
}

/// An archive of these files, each by its name.
pub fn write_files<W: Write>(files: &BTreeMap<String, Utf8PathBuf>, output: W) -> Result<W> {
    let mut archive = builder(output);
    for (name, path) in files {
        let file = fs_err::File::open(path)?;
        append(&mut archive, EntryType::Regular, name, file.metadata()?.len(), "644", file)?;
    }
    Ok(archive.into_inner()?)
}

/// An empty directory that belongs to somebody.
pub fn append_directory<W: Write>(archive: &mut tar::Builder<W>, name: &str, owner: u64) -> Result<()> {
    let mut header = header(EntryType::Directory, 0, "755");
    header.set_uid(owner);
    header.set_gid(owner);
    archive.append_data(&mut header, format!("{name}/"), io::empty())?;
    Ok(())
}

/// Writes the files of a runtime below `top` into an archive.
pub fn write_into<W: Write>(
    archive: &mut tar::Builder<W>,
    runtime: &Runtime<'_>,
    top: &str,
    bar: &dyn Bar,
) -> Result<()> {
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
                Entry::Directory(_) => append(archive, EntryType::Directory, &name, 0, "755", io::empty())?,
                Entry::Description => {
                    let text = runtime.text;
                    append(archive, EntryType::Regular, &name, text.len() as u64, "644", text)?;
                }
                Entry::Described(_) => {
                    if file.mode == "link" {
                        let to = source::link_text(runtime.root, file)?;
                        pieces.next()?;
                        append_link(archive, &name, &to)?;
                    } else {
                        let mut reader = Reader::new(pieces);
                        let result = append(archive, EntryType::Regular, &name, file.size, &file.mode, &mut reader);
                        // What is wrong with the file says more than that it could not be packed.
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

fn header(kind: EntryType, size: u64, mode: &str) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(if mode == "755" { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MODIFIED);
    header
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    kind: EntryType,
    name: &str,
    size: u64,
    mode: &str,
    content: impl Read,
) -> Result<()> {
    archive.append_data(&mut header(kind, size, mode), name, content)?;
    Ok(())
}

fn append_link<W: Write>(archive: &mut tar::Builder<W>, name: &str, to: &Utf8Path) -> Result<()> {
    archive.append_link(&mut header(EntryType::Symlink, 0, "755"), name, to)?;
    Ok(())
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

    /// The error that reading had.
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
