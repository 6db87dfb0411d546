//! One executable image inside a file: the whole file, or a slice of a universal one.

use std::fmt;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::ops::Range;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use object::pod::{self, Pod};
use object::read::{ReadCache, ReadRef};

/// More than any table of a real binary has. A damaged length must not make the tool read gigabytes into memory.
const LONGEST_TABLE: u64 = 64 << 20;

/// The kinds of executable files, told apart by their first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Linux
    Elf,
    /// macOS, one architecture
    MachO,
    /// macOS, several architectures in one file
    Universal,
    /// Windows
    Pe,
}

impl Format {
    /// Recognises a file by its magic bytes; extensions say nothing.
    pub fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x7f, b'E', b'L', b'F', ..] => Some(Self::Elf),
            [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] | [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] => Some(Self::MachO),
            // Java classes have the same magic; their version, 45 or more, lies where the number of slices does.
            [0xca, 0xfe, 0xba, 0xbe, rest @ ..] => {
                let count = rest.first_chunk::<4>().map_or(0, |count| u32::from_be_bytes(*count));
                (count < 45).then_some(Self::Universal)
            }
            [0xca, 0xfe, 0xba, 0xbf, ..] => Some(Self::Universal),
            [b'M', b'Z', ..] => Some(Self::Pe),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elf => "ELF",
            Self::MachO | Self::Universal => "Mach-O",
            Self::Pe => "PE",
        })
    }
}

/// Why a binary cannot be read.
#[derive(Debug)]
pub struct Damaged(pub String);

impl From<object::Error> for Damaged {
    fn from(error: object::Error) -> Self {
        Self(error.to_string())
    }
}

/// A file. Reads only its requested parts, because some libraries have 800 MB.
pub struct Source {
    path: Utf8PathBuf,
    cache: ReadCache<File>,
    size: u64,
}

impl Source {
    pub fn open(path: &Utf8Path) -> Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), cache: ReadCache::new(file), size })
    }

    /// The image that is the whole file.
    pub fn whole(&self) -> Image<'_> {
        Image { source: self, range: 0..self.size }
    }
}

/// A part of a file, with offsets relative to its start.
#[derive(Clone)]
pub struct Image<'a> {
    source: &'a Source,
    range: Range<u64>,
}

impl<'a> Image<'a> {
    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.range.end - self.range.start
    }

    pub fn slice(&self, offset: u64, size: u64) -> Result<Self, Damaged> {
        match offset.checked_add(size) {
            Some(end) if end <= self.size() => {
                Ok(Self { source: self.source, range: self.range.start + offset..self.range.start + end })
            }
            _ => Err(Damaged(format!("it says that it has {size} bytes at {offset}, beyond its end"))),
        }
    }

    /// Its bytes one after the other, without keeping them.
    pub fn reader(&self) -> Result<impl Read + use<>, Damaged> {
        let open = || -> io::Result<_> {
            let mut file = File::open(&self.source.path)?;
            file.seek(SeekFrom::Start(self.range.start))?;
            Ok(BufReader::with_capacity(1 << 20, file).take(self.size()))
        };
        open().map_err(|error| Damaged(error.to_string()))
    }

    /// Some bytes.
    pub fn bytes(&self, offset: u64, size: u64) -> Result<&'a [u8], Damaged> {
        let part = self.slice(offset, size)?;
        if size > LONGEST_TABLE {
            return Err(Damaged(format!("it says that a table has {size} bytes")));
        }
        let bytes = self.source.cache.read_bytes_at(part.range.start, size);
        bytes.map_err(|()| Damaged(format!("{size} bytes at {offset} cannot be read")))
    }

    /// A record of a fixed layout.
    pub fn record<T: Pod>(&self, offset: u64) -> Result<&'a T, Damaged> {
        let bytes = self.bytes(offset, size_of::<T>() as u64)?;
        pod::from_bytes(bytes).map(|(record, _)| record).map_err(|()| Damaged("a record is misaligned".to_owned()))
    }

    /// A text that ends with a zero byte.
    pub fn text(&self, offset: u64) -> Result<String, Damaged> {
        let start = self.slice(offset, 0)?.range.start;
        let text = self.source.cache.read_bytes_at_until(start..self.range.end, 0);
        let text = text.map_err(|()| Damaged(format!("there is no text at {offset}")))?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }
}
