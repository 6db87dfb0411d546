//! A zip archive whose bytes all belong to something: local headers and contents, one after the other and without
//! gaps, then the central directory, then its end. Nothing overlaps, so no byte is unpacked twice (as in "a better zip
//! bomb"), and nothing is hidden between.

use std::io::{Read, Seek};

use crate::central::{self, Entry, STREAMED, read_at, read_next, u16_at, u32_at};
use crate::member::Member;

const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LENGTH: u64 = 30;

/// The largest library of a locked wheel has 1.0 GB.
pub(crate) const LARGEST_MEMBER: u64 = 8 << 30;
/// The largest locked wheel unpacks to 1.7 GB.
pub(crate) const LARGEST_TREE: u64 = 16 << 30;
/// Deflate gives 1032 bytes for one at most. Members of the locked wheels reach 472, and none above a few megabytes
/// more than 10; whole wheels reach 13. Beyond these sizes, more than these factors is a bomb.
pub(crate) const MEMBER_RATIO: (u64, u64) = (16 << 20, 200);
pub(crate) const TREE_RATIO: (u64, u64) = (256 << 20, 100);

/// An archive whose layout was checked.
pub(crate) struct Archive<R> {
    reader: R,
    /// In the order of their contents, so that reading them one after the other goes through the archive once.
    entries: Vec<Entry>,
    /// The end of the contents.
    directory: u64,
    buffer: Vec<u8>,
}

impl<R: Read + Seek> Archive<R> {
    pub(crate) fn open(mut reader: R) -> Result<Self, String> {
        let (mut entries, directory) = central::read(&mut reader)?;
        entries.sort_by_key(|entry| entry.start);
        let archive = Self { reader, entries, directory, buffer: vec![0; 1 << 16] };
        archive.check_layout()?;
        archive.check_sizes()?;
        Ok(archive)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The offset of the next local header or of the central directory.
    fn end(&self, index: usize) -> u64 {
        self.entries.get(index + 1).map_or(self.directory, |next| next.start)
    }

    fn check_layout(&self) -> Result<(), String> {
        let first = self.entries.first().map_or(self.directory, |first| first.start);
        if first != 0 {
            return Err("there are bytes before its first member".to_owned());
        }
        for (index, entry) in self.entries.iter().enumerate() {
            let least = LOCAL_LENGTH + entry.name().len() as u64;
            let end = entry.start.checked_add(least).and_then(|start| start.checked_add(entry.compressed));
            if end.is_none_or(|end| end > self.end(index)) {
                return Err(format!("`{}` overlaps what follows it in the archive", entry.name()));
            }
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), String> {
        let bomb = |(free, factor): (u64, u64), size: u64, packed: u64| size > free && size / factor > packed;
        let mut total = 0_u64;
        for entry in &self.entries {
            if entry.size > LARGEST_MEMBER || bomb(MEMBER_RATIO, entry.size, entry.compressed) {
                return Err(format!(
                    "`{}` would unpack from {} bytes to {}, as no file of a wheel does",
                    entry.name(),
                    entry.compressed,
                    entry.size
                ));
            }
            total = total.saturating_add(entry.size);
        }
        if total > LARGEST_TREE || bomb(TREE_RATIO, total, self.directory) {
            return Err(format!("it would unpack from {} bytes to {total}, as no wheel does", self.directory));
        }
        Ok(())
    }

    /// Opens a member, after checking that its local header agrees with the central directory.
    pub(crate) fn member(&mut self, index: usize) -> Result<Member<'_, R>, String> {
        let end = self.end(index);
        let Self { reader, entries, buffer, .. } = self;
        let entry = &entries[index];
        let cut = |what: String| format!("`{}` has a local header that cannot be read: {what}", entry.name());
        let header = read_at(reader, entry.start, LOCAL_LENGTH).map_err(cut)?;
        if !header.starts_with(LOCAL) {
            return Err(format!("`{}` has no local header", entry.name()));
        }
        let (name_length, extra_length) = (u64::from(u16_at(&header, 26)), u64::from(u16_at(&header, 28)));
        let rest = read_next(reader, name_length + extra_length).map_err(cut)?;
        let (name, extra) = rest.split_at(usize::from(u16_at(&header, 26)));
        check_local(entry, &header, name, extra).map_err(|what| format!("`{}` {what}", entry.name()))?;

        let data_end = entry.start + LOCAL_LENGTH + name_length + extra_length + entry.compressed;
        let descriptor = end.checked_sub(data_end);
        let allowed: &[u64] = if entry.flags & STREAMED == 0 { &[0] } else { &[12, 16, 20, 24] };
        match descriptor.filter(|length| allowed.contains(length)) {
            Some(descriptor) => Ok(Member::new(reader, buffer, entry, descriptor)),
            None => Err(format!("`{}` does not end where the next part of the archive begins", entry.name())),
        }
    }
}

/// A local header may leave out sizes and checksum when they follow the content; what it states has to agree.
fn check_local(entry: &Entry, header: &[u8], name: &[u8], extra: &[u8]) -> Result<(), String> {
    let differs = |what: &str| format!("has another {what} in its local header than in the central directory");
    // How hard deflate tried says nothing about the content.
    const EFFORT: u16 = 0b110;
    if name != entry.name().as_bytes() {
        return Err(differs("name"));
    }
    if u16_at(header, 8) != entry.method.number() || (u16_at(header, 6) ^ entry.flags) & !EFFORT != 0 {
        return Err(differs("method or other flags"));
    }
    let streamed = entry.flags & STREAMED != 0;
    let crc32 = u32_at(header, 14);
    if crc32 != entry.crc32 && !(streamed && crc32 == 0) {
        return Err(differs("checksum"));
    }
    let long = central::read_local_extra(extra, name)?;
    for (at, field, wanted) in [(22, 0, entry.size), (18, 1, entry.compressed)] {
        let short = u32_at(header, at);
        let stated = match long {
            Some(long) if short == u32::MAX => long[field],
            _ => u64::from(short),
        };
        if stated != wanted && !(streamed && matches!(stated, 0 | 0xffff_ffff)) {
            return Err(differs("size"));
        }
    }
    Ok(())
}
