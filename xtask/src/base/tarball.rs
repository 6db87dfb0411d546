//! Tar archives without time, place and user of their making. Only this module makes headers.

use std::io::{self, Read, Write};

use anyhow::Result;
use tar::{Builder, EntryType, Header};

/// The time of everything in an archive, in seconds since 1970: the first of January 1980, before which zip knows none.
pub const MODIFIED: u64 = 315_532_800;

/// The header of a file, with its name, which is no longer than a header can hold.
pub fn file_header(name: &str, size: u64) -> Result<Header> {
    let mut header = header(EntryType::Regular, size, 0o644);
    header.set_path(name)?;
    header.set_cksum();
    Ok(header)
}

pub fn append_file<W: Write>(
    archive: &mut Builder<W>,
    name: &str,
    executable: bool,
    size: u64,
    content: impl Read,
) -> Result<()> {
    let mode = if executable { 0o755 } else { 0o644 };
    archive.append_data(&mut header(EntryType::Regular, size, mode), name, content)?;
    Ok(())
}

/// Adds a directory that belongs to `owner`, a user and group id. Its name ends with a slash.
pub fn append_directory<W: Write>(archive: &mut Builder<W>, name: &str, owner: u64) -> Result<()> {
    let mut header = header(EntryType::Directory, 0, 0o755);
    header.set_uid(owner);
    header.set_gid(owner);
    archive.append_data(&mut header, name, io::empty())?;
    Ok(())
}

pub fn append_link<W: Write>(archive: &mut Builder<W>, name: &str, to: &str) -> Result<()> {
    archive.append_link(&mut header(EntryType::Symlink, 0, 0o755), name, to)?;
    Ok(())
}

fn header(kind: EntryType, size: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MODIFIED);
    header
}
