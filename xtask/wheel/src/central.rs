//! The central directory of a zip archive, read so that there is only one way to read it.
//!
//! Readers of zip archives differ in where they look for the directory, which of two sizes they believe and in what
//! encoding names are. An archive that says one thing to the reader that checked it and another to the one that
//! installs it is an attack of its own, so every ambiguity is refused.

use std::io::{Read, Seek, SeekFrom};

use crate::path::RelativePath;
use crate::record::MOST_ROWS;

/// A wheel with as many members as may be has names of 200 bytes each in this, and no wheel comes near.
const LARGEST_DIRECTORY: u64 = 64 << 20;

const END: &[u8] = b"PK\x05\x06";
const END_LENGTH: usize = 22;
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_LENGTH: usize = 20;
const END_64: &[u8] = b"PK\x06\x06";
const END_64_LENGTH: usize = 56;
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_LENGTH: usize = 46;

/// The kinds of extra fields that change what an entry says.
const ZIP64: u16 = 0x0001;
const UNICODE_PATH: u16 = 0x7075;

/// Strong and masked encryption are announced by flags of their own.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const PATCHED: u16 = 1 << 5;
const NAME_IS_UTF_8: u16 = 1 << 11;
/// The sizes follow the content, since they were not known before.
pub(crate) const STREAMED: u16 = 1 << 3;

/// How a member is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Stored,
    Deflated,
}

impl Method {
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::Stored => 0,
            Self::Deflated => 8,
        }
    }
}

/// A member as the central directory describes it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Without the `/` at the end that marks a directory.
    pub(crate) path: RelativePath,
    pub(crate) directory: bool,
    pub(crate) flags: u16,
    pub(crate) method: Method,
    pub(crate) crc32: u32,
    pub(crate) compressed: u64,
    pub(crate) size: u64,
    /// The offset of its local header.
    pub(crate) start: u64,
    pub(crate) executable: bool,
}

impl Entry {
    /// Its name as it is written in the archive.
    pub(crate) fn name(&self) -> String {
        format!("{}{}", self.path.as_str(), if self.directory { "/" } else { "" })
    }
}

/// All entries in the order of the directory, and where it begins.
pub(crate) fn read(reader: &mut (impl Read + Seek)) -> Result<(Vec<Entry>, u64), String> {
    let end = find_end(reader)?;
    let bytes = read_at(reader, end.start, end.size)?;
    let mut rest = bytes.as_slice();
    let mut entries = Vec::new();
    while !rest.is_empty() {
        entries.push(read_entry(&mut rest)?);
        if entries.len() as u64 > end.count {
            break;
        }
    }
    if entries.len() as u64 != end.count {
        return Err(format!("its central directory does not hold the {} entries that its end announces", end.count));
    }
    Ok((entries, end.start))
}

/// The end record of the central directory.
struct End {
    count: u64,
    size: u64,
    start: u64,
}

/// Finds the end of the central directory, where the whole archive has to end.
fn find_end(reader: &mut (impl Read + Seek)) -> Result<End, String> {
    let length = reader.seek(SeekFrom::End(0)).map_err(|error| format!("it cannot be read: {error}"))?;
    let most = (END_LENGTH + usize::from(u16::MAX) + LOCATOR_LENGTH) as u64;
    let tail_start = length.saturating_sub(most);
    let tail = read_at(reader, tail_start, length - tail_start)?;
    let at = only_end(&tail)?;
    let end = &tail[at..];
    let (count, size, start) = (u64::from(u16_at(end, 10)), u64::from(u32_at(end, 12)), u64::from(u32_at(end, 16)));
    let locator = at.checked_sub(LOCATOR_LENGTH).filter(|at| tail[*at..].starts_with(LOCATOR));
    let disks = |disk: u16| disk == 0 || locator.is_some() && disk == u16::MAX;
    if !disks(u16_at(end, 4)) || !disks(u16_at(end, 6)) || u16_at(end, 8) != u16_at(end, 10) {
        return Err("it is a part of an archive that was split over several disks".to_owned());
    }
    let (found, directory_end) = match locator {
        None => (End { count, size, start }, tail_start + at as u64),
        Some(locator) => {
            let (found, directory_end) = read_end_64(reader, &tail[locator..], tail_start + locator as u64)?;
            let agrees = |short: u64, most: u64, long: u64| short == most || short == long;
            if !agrees(count, u64::from(u16::MAX), found.count)
                || !agrees(size, u64::from(u32::MAX), found.size)
                || !agrees(start, u64::from(u32::MAX), found.start)
            {
                return Err("its zip64 end of central directory disagrees with the ordinary one".to_owned());
            }
            (found, directory_end)
        }
    };
    if found.start.checked_add(found.size) != Some(directory_end) {
        return Err("its central directory does not end where its end begins, so bytes were put before or between \
                    the parts of the archive"
            .to_owned());
    }
    if found.size > LARGEST_DIRECTORY || found.count > MOST_ROWS as u64 {
        return Err(format!("it has {} members, more than any wheel", found.count));
    }
    Ok(found)
}

/// Finds the end record in the last bytes of an archive. Some readers take the first match and some the last, so there
/// may be only one whose comment ends where the archive does, and no other in that comment.
fn only_end(tail: &[u8]) -> Result<usize, String> {
    let fits = |at: usize| {
        let end = at + END_LENGTH;
        end <= tail.len() && end + usize::from(u16_at(tail, at + 20)) == tail.len()
    };
    let mut last = None;
    let mut fitting = Vec::new();
    for at in (0..tail.len().saturating_sub(END.len() - 1)).filter(|at| tail[*at..].starts_with(END)) {
        last = Some(at);
        if fits(at) {
            fitting.push(at);
        }
    }
    match (&fitting[..], last) {
        (_, None) => Err("it is not a zip archive: it has no end of central directory".to_owned()),
        ([], _) => {
            Err("it does not end with its end of central directory: it was cut or something was appended".into())
        }
        ([only], Some(last)) if *only == last => Ok(*only),
        _ => Err("it has several ends of central directory, so readers would not agree on what it holds".to_owned()),
    }
}

/// Reads the zip64 end that a locator points at, which has to lie directly before the locator.
fn read_end_64(reader: &mut (impl Read + Seek), locator: &[u8], position: u64) -> Result<(End, u64), String> {
    let misplaced = || "its zip64 end of central directory is not where it has to be".to_owned();
    let start = u64_at(locator, 8);
    if u32_at(locator, 4) != 0 || u32_at(locator, 16) > 1 || start.checked_add(END_64_LENGTH as u64) != Some(position) {
        return Err(misplaced());
    }
    let end = read_at(reader, start, END_64_LENGTH as u64)?;
    let disks = u32_at(&end, 16) | u32_at(&end, 20);
    if !end.starts_with(END_64) || u64_at(&end, 4) != 44 || disks != 0 || u64_at(&end, 24) != u64_at(&end, 32) {
        return Err(misplaced());
    }
    Ok((End { count: u64_at(&end, 32), size: u64_at(&end, 40), start: u64_at(&end, 48) }, start))
}

fn read_entry(rest: &mut &[u8]) -> Result<Entry, String> {
    let broken = || "its central directory is damaged".to_owned();
    let fixed = split(rest, ENTRY_LENGTH).filter(|bytes| bytes.starts_with(ENTRY)).ok_or_else(broken)?;
    let name = split(rest, usize::from(u16_at(fixed, 28))).ok_or_else(broken)?;
    let extra = split(rest, usize::from(u16_at(fixed, 30))).ok_or_else(broken)?;
    split(rest, usize::from(u16_at(fixed, 32))).ok_or_else(broken)?;

    let flags = u16_at(fixed, 8);
    let (path, directory) = read_name(name, flags)?;
    let refuse = |what: &str| format!("`{}` {what}", path.as_str());
    if flags & ENCRYPTED != 0 {
        return Err(refuse("is encrypted"));
    }
    if flags & PATCHED != 0 {
        return Err(refuse("is a patch of another file"));
    }
    // PEP 427 names no methods. Python's `zipfile`, which installers in Python are made of, always knew these two.
    let method = match u16_at(fixed, 10) {
        0 => Method::Stored,
        8 => Method::Deflated,
        20 | 93 => return Err(refuse("is compressed with zstd, and only stored and deflated members are unpacked")),
        other => {
            return Err(refuse(&format!(
                "is compressed with method {other}, and only stored and deflated members are unpacked"
            )));
        }
    };
    let attributes = u32_at(fixed, 38);
    check_type(attributes, directory).map_err(refuse)?;

    let mut sizes = [u64::from(u32_at(fixed, 24)), u64::from(u32_at(fixed, 20)), u64::from(u32_at(fixed, 42))];
    let disk = u16_at(fixed, 34);
    read_extra(extra, name, &mut sizes, disk == u16::MAX).map_err(refuse)?;
    if !matches!(disk, 0 | u16::MAX) {
        return Err(refuse("is on another disk"));
    }
    let [size, compressed, start] = sizes;
    if method == Method::Stored && size != compressed || directory && size != 0 {
        return Err(refuse("has sizes that cannot be"));
    }
    // PEP 427 leaves permissions to the archive; any execute bit means all of them. Set-user-ID and its like are
    // dropped. Only Unix writes a mode that means something.
    let executable = fixed[5] == 3 && attributes >> 16 & 0o111 != 0;
    Ok(Entry { path, directory, flags, method, crc32: u32_at(fixed, 16), compressed, size, start, executable })
}

/// PEP 427: "The filenames inside the archive are encoded as UTF-8". The zip format says so only where a flag is set,
/// so for anything but ASCII the flag has to be there.
fn read_name(bytes: &[u8], flags: u16) -> Result<(RelativePath, bool), String> {
    let Ok(name) = std::str::from_utf8(bytes) else {
        return Err(format!("the name `{}` is not UTF-8", String::from_utf8_lossy(bytes).escape_debug()));
    };
    if !name.is_ascii() && flags & NAME_IS_UTF_8 == 0 {
        return Err(format!("the name `{}` is not marked as UTF-8", name.escape_debug()));
    }
    let (path, directory) = match name.strip_suffix('/') {
        Some(path) => (path, true),
        None => (name, false),
    };
    let path = RelativePath::new(path).map_err(|error| error.to_string())?;
    Ok((path, directory))
}

/// Wheels hold files, and directories where an archiver adds them. The check ignores the system that the entry
/// names, since some unpackers do, too.
fn check_type(attributes: u32, directory: bool) -> Result<(), &'static str> {
    match (attributes >> 28, directory) {
        (0o00, _) => {}
        (0o10, false) | (0o04, true) => {}
        (0o10, true) => return Err("has the name of a directory and the mode of a file"),
        (0o04, false) => return Err("has the name of a file and the mode of a directory"),
        (0o12, _) => return Err("is a symbolic link"),
        (0o02 | 0o06, _) => return Err("is a device"),
        (0o01 | 0o14, _) => return Err("is a pipe or a socket"),
        _ => return Err("is no file"),
    }
    // The bits of MS-DOS for a directory and for the label of a disk.
    if attributes & 0x10 != 0 && !directory || attributes & 0x08 != 0 {
        return Err("is marked as something else than a file");
    }
    Ok(())
}

/// Puts the values of a zip64 field in the places of those that were too large: size, compressed size, start.
fn read_extra(extra: &[u8], name: &[u8], sizes: &mut [u64; 3], disk: bool) -> Result<(), &'static str> {
    let mut long = None;
    for (kind, data) in fields(extra)? {
        check_name(kind, data, name)?;
        if kind == ZIP64 && long.replace(data).is_some() {
            return Err("has two zip64 fields");
        }
    }
    let wanted = sizes.iter().filter(|size| **size == u64::from(u32::MAX)).count();
    let Some(mut long) = long else {
        return if wanted == 0 && !disk { Ok(()) } else { Err("lacks the zip64 field that it announces") };
    };
    if long.len() != wanted * 8 + usize::from(disk) * 4 {
        return Err("has a zip64 field of the wrong length");
    }
    for size in sizes.iter_mut().filter(|size| **size == u64::from(u32::MAX)) {
        *size = split(&mut long, 8).map(|bytes| u64_at(bytes, 0)).ok_or("has a zip64 field of the wrong length")?;
    }
    if long.iter().any(|byte| *byte != 0) {
        return Err("is on another disk");
    }
    Ok(())
}

/// Checks the extra fields of a local header, and gives size and compressed size where a zip64 field has them.
pub(crate) fn read_local_extra(extra: &[u8], name: &[u8]) -> Result<Option<[u64; 2]>, &'static str> {
    let mut long = None;
    for (kind, data) in fields(extra)? {
        check_name(kind, data, name)?;
        if kind == ZIP64 && data.len() >= 16 {
            long = Some([u64_at(data, 0), u64_at(data, 8)]);
        }
    }
    Ok(long)
}

/// A field of Info-ZIP gives a second name, which some readers prefer.
fn check_name(kind: u16, data: &[u8], name: &[u8]) -> Result<(), &'static str> {
    if kind == UNICODE_PATH && data.get(5..) != Some(name) {
        Err("has a second name in an extra field")
    } else {
        Ok(())
    }
}

/// Extra fields: a kind, a length and that many bytes each.
fn fields(mut extra: &[u8]) -> Result<Vec<(u16, &[u8])>, &'static str> {
    let mut fields = Vec::new();
    while !extra.is_empty() {
        let field =
            split(&mut extra, 4).and_then(|head| Some((u16_at(head, 0), split(&mut extra, u16_at(head, 2).into())?)));
        fields.push(field.ok_or("has damaged extra fields")?);
    }
    Ok(fields)
}

/// Reads so many bytes from a place.
pub(crate) fn read_at(reader: &mut (impl Read + Seek), start: u64, length: u64) -> Result<Vec<u8>, String> {
    reader.seek(SeekFrom::Start(start)).map_err(|error| format!("it cannot be read: {error}"))?;
    read_next(reader, length)
}

/// Reads so many bytes. Memory grows with the bytes that exist, not with the announced length.
pub(crate) fn read_next(reader: &mut impl Read, length: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.take(length).read_to_end(&mut bytes).map_err(|error| format!("it cannot be read: {error}"))?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err("it ends too early".to_owned()) }
}

fn split<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}
