//! The content of a member, which is complete only when everything that the archive says about it was found true.

use std::io::{self, ErrorKind, Read};

use crc32fast::Hasher as Crc;
use flate2::{Decompress, FlushDecompress, Status};

use crate::central::{Entry, Method, u32_at, u64_at};

/// Reads a member. The end is told only after all checks; a check that fails is an error of reading.
pub(crate) struct Member<'a, R> {
    reader: &'a mut R,
    /// Compressed bytes that were read, of which those from `used` to `filled` were not inflated yet.
    buffer: &'a mut [u8],
    used: usize,
    filled: usize,
    entry: &'a Entry,
    /// Length of the data descriptor.
    descriptor: u64,
    /// Compressed bytes that were not read yet.
    left: u64,
    inflate: Option<Decompress>,
    inflated: bool,
    crc: Crc,
    size: u64,
    complete: bool,
    failed: Option<String>,
}

impl<'a, R: Read> Member<'a, R> {
    /// `reader` is where the content begins.
    pub(crate) fn new(reader: &'a mut R, buffer: &'a mut [u8], entry: &'a Entry, descriptor: u64) -> Self {
        Self {
            reader,
            buffer,
            used: 0,
            filled: 0,
            entry,
            descriptor,
            left: entry.compressed,
            inflate: (entry.method == Method::Deflated).then(|| Decompress::new(false)),
            inflated: false,
            crc: Crc::new(),
            size: 0,
            complete: false,
            failed: None,
        }
    }

    /// The first fault, as far as it was read.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failed.as_ref().map(|what| format!("`{}` {what}", self.entry.name()))
    }

    fn next(&mut self, out: &mut [u8]) -> Result<usize, String> {
        if self.complete {
            return Ok(0);
        }
        let count = match self.inflate.take() {
            None => self.copy(out)?,
            Some(mut inflate) => {
                let count = self.inflate(&mut inflate, out)?;
                self.inflate = Some(inflate);
                count
            }
        };
        self.crc.update(&out[..count]);
        self.size += count as u64;
        if self.size > self.entry.size {
            return Err(format!("unpacks to more than the {} bytes that are announced", self.entry.size));
        }
        if count == 0 {
            self.check_end()?;
            self.complete = true;
        }
        Ok(count)
    }

    fn copy(&mut self, out: &mut [u8]) -> Result<usize, String> {
        let most = self.left.min(out.len() as u64) as usize;
        let count = fill(self.reader, &mut out[..most])?;
        self.left -= count as u64;
        Ok(count)
    }

    fn inflate(&mut self, inflate: &mut Decompress, out: &mut [u8]) -> Result<usize, String> {
        while !self.inflated {
            if self.used == self.filled && self.left > 0 {
                let most = self.left.min(self.buffer.len() as u64) as usize;
                self.used = 0;
                self.filled = fill(self.reader, &mut self.buffer[..most])?;
                self.left -= self.filled as u64;
            }
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate
                .decompress(&self.buffer[self.used..self.filled], out, FlushDecompress::None)
                .map_err(|_| "holds compressed data that is damaged".to_owned())?;
            let (read, written) = (inflate.total_in() - before_in, (inflate.total_out() - before_out) as usize);
            self.used += read as usize;
            self.inflated = status == Status::StreamEnd;
            if written > 0 {
                return Ok(written);
            }
            if read == 0 && !self.inflated {
                return Err("ends in the middle of its compressed data".to_owned());
            }
        }
        Ok(0)
    }

    fn check_end(&mut self) -> Result<(), String> {
        if self.left > 0 || self.used < self.filled {
            return Err("has more bytes than its compressed data".to_owned());
        }
        if self.size != self.entry.size {
            return Err(format!("unpacks to {} bytes, and {} are announced", self.size, self.entry.size));
        }
        if self.crc.clone().finalize() != self.entry.crc32 {
            return Err("does not have the checksum that the archive states".to_owned());
        }
        self.check_descriptor()
    }

    /// A data descriptor "immediately follows the last byte of compressed data" (the specification of zip, 4.3.9), with
    /// or without a signature and with sizes of 4 or 8 bytes; how long it is was decided by where the next member
    /// begins.
    fn check_descriptor(&mut self) -> Result<(), String> {
        let length = self.descriptor as usize;
        if length == 0 {
            return Ok(());
        }
        let mut bytes = [0; 24];
        self.reader.read_exact(&mut bytes[..length]).map_err(|error| format!("cannot be read: {error}"))?;
        let signed = matches!(length, 16 | 24);
        let (signature, stated) = bytes[..length].split_at(if signed { 4 } else { 0 });
        let sizes = match stated.len() {
            12 => [u64::from(u32_at(stated, 4)), u64::from(u32_at(stated, 8))],
            _ => [u64_at(stated, 4), u64_at(stated, 12)],
        };
        let agrees = u32_at(stated, 0) == self.entry.crc32 && sizes == [self.entry.compressed, self.entry.size];
        if agrees && (!signed || signature == b"PK\x07\x08") {
            Ok(())
        } else {
            Err("has a data descriptor that disagrees with the central directory".to_owned())
        }
    }
}

/// Fills a buffer as far as one read does; an empty one needs no read.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, String> {
    if buffer.is_empty() {
        return Ok(0);
    }
    loop {
        match reader.read(buffer) {
            Ok(0) => return Err("ends too early".to_owned()),
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("cannot be read: {error}")),
        }
    }
}

impl<R: Read> Read for Member<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if let Some(what) = &self.failed {
            return Err(io::Error::other(what.clone()));
        }
        self.next(out).map_err(|what| {
            self.failed = Some(what.clone());
            io::Error::other(what)
        })
    }
}
