//! Unpacks wheels, for any target, believing nothing that was not checked.
//!
//! A tree of a wheel has two roots: `site-packages/` (purelib and platlib) and `data/` (files that go below the
//! prefix of the installation). Scripts and headers are left out: a runtime starts one program, the launcher.
//!
//! Everything that can be known without unpacking is checked before the first file is written; what is wrong with
//! a content is known only after it was. So after an error the caller discards the written files.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

use sha2::{Digest, Sha384, Sha512};

use crate::Sha256;
use crate::archive::Archive;
use crate::errata;
use crate::metadata::{self, LARGEST_METADATA, LARGEST_WHEEL};
use crate::name::WheelName;
use crate::path::RelativePath;
use crate::place::{Place, SITE_PACKAGES, place};
use crate::record::{self, Hash, Row};

/// Raise this when your change makes another tree from the same wheel: it is a part of the tree's key in the store.
pub const VERSION: u32 = 3;

/// Largest `RECORD` in bytes. That of torch, with 12,000 files, has 1.5 MB.
const LARGEST_RECORD: u64 = 64 << 20;

/// The receiver of a wheel's files.
pub trait Sink {
    /// How writing fails.
    type Error;

    /// Writes a file and returns its sha256 and size in bytes. `executable` is about the target.
    fn add(
        &mut self,
        path: RelativePath,
        source: &mut dyn Read,
        executable: bool,
    ) -> Result<(Sha256, u64), Self::Error>;
}

/// Why a wheel was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The wheel is not one to install.
    #[error("the wheel `{wheel}` is refused: {what}")]
    Refused {
        /// Its file name.
        wheel: String,
        /// The fault, naming the member where there is one.
        what: String,
    },
    /// The sink failed.
    #[error("cannot write `{member}` of the wheel `{wheel}`")]
    Sink {
        /// File name of the wheel.
        wheel: String,
        /// The file in it.
        member: String,
        /// How writing failed.
        error: E,
    },
}

/// Unpacks the wheel `name` from an archive. `depth` is how many directories lie between the prefix of the
/// installation and what `site-packages` holds, since `RECORD` names the files of the prefix from there.
///
/// PEP 427: "During extraction, wheel installers verify all the hashes in RECORD against the file contents. Apart from
/// RECORD and its signatures, installation will fail if any file in the archive is not both mentioned and correctly
/// hashed in RECORD." So every member needs a row that agrees, and every row needs a member.
pub fn unpack<S: Sink>(
    archive: impl Read + Seek,
    name: &WheelName,
    depth: usize,
    sink: &mut S,
) -> Result<(), Error<S::Error>> {
    let refuse = |what: String| Error::Refused { wheel: name.file.clone(), what };
    let failed = |member: &str, error| Error::Sink { wheel: name.file.clone(), member: member.to_owned(), error };
    let mut archive = Archive::open(archive).map_err(refuse)?;
    let Plan { record, rows, members } = Plan::new(&mut archive, name).map_err(refuse)?;

    let mut installed = Vec::new();
    for (index, place) in members {
        let member = archive.entries()[index].name();
        let executable = archive.entries()[index].executable;
        let row = rows.get(&member);
        let mut source = archive.member(index).map_err(refuse)?;
        let mut hashed = Hashed::new(&mut source, row);
        let written = match &place {
            Place::Tree(path) => sink.add(path.clone(), &mut hashed, executable).map_err(Some),
            Place::LeftOut | Place::Record | Place::Signature => digest(&mut hashed).map_err(|_| None),
        };
        // A sink may stop early. The member is read to its end all the same, since only there its checks are done.
        let complete = written.is_ok() && io::copy(&mut hashed, &mut io::sink()).is_ok();
        let strong = hashed.finish();
        // A sink cannot say whose fault its failure was.
        if let Some(what) = source.failure() {
            return Err(refuse(what));
        }
        let (sha256, size) = match (written, complete) {
            (Err(Some(error)), _) => return Err(failed(&member, error)),
            (Ok(written), true) => written,
            _ => return Err(refuse(format!("`{member}` cannot be read"))),
        };
        if let Some(row) = row.filter(|_| !errata::excuses(&name.file, &member, sha256)) {
            verify(&member, row, sha256, size, strong.as_ref()).map_err(refuse)?;
        }
        if let Place::Tree(path) = place {
            installed.push((recorded(&path, depth), sha256, size));
        }
    }
    // Recording installed projects: "it must list all installed files of the project", which differ from the packed
    // ones.
    let text = record::write(installed.iter().map(|(path, sha256, size)| (path.as_str(), *sha256, *size)), &record);
    let path = RelativePath::new(format!("{SITE_PACKAGES}/{record}")).map_err(|error| refuse(error.to_string()))?;
    sink.add(path, &mut text.as_slice(), false).map_err(|error| failed(&record, error))?;
    Ok(())
}

/// The work to do, after all checks except those of contents.
struct Plan {
    /// Path of `RECORD` in the archive and below `site-packages`.
    record: String,
    rows: BTreeMap<String, Row>,
    /// Members by their index in the archive, in its order.
    members: Vec<(usize, Place)>,
}

impl Plan {
    fn new(archive: &mut Archive<impl Read + Seek>, name: &WheelName) -> Result<Self, String> {
        let entries = archive.entries();
        check_conflicts(entries.iter().map(|entry| (entry.path.as_str(), entry.directory)).collect())?;
        let tops = entries.iter().filter_map(|entry| entry.path.as_str().split('/').next());
        let stem = metadata::stem(tops, name)?;
        let mut members = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            // Directories are made where there are files; one that is empty means nothing to Python.
            members.push((index, if entry.directory { Place::LeftOut } else { place(&entry.path, &stem, name)? }));
        }
        let record = format!("{stem}.dist-info/RECORD");
        let own = RelativePath::new(format!("{SITE_PACKAGES}/{record}")).map_err(|error| error.to_string())?;
        let placed = members.iter().filter_map(|(_, place)| match place {
            Place::Tree(path) => Some((path.as_str(), false)),
            Place::LeftOut | Place::Record | Place::Signature => None,
        });
        check_conflicts(placed.chain([(own.as_str(), false)]).collect())?;

        let path = format!("{stem}.dist-info/WHEEL");
        metadata::check_wheel(&read_small(archive, &path, LARGEST_WHEEL)?, &path, name)?;
        let path = format!("{stem}.dist-info/METADATA");
        metadata::check_metadata(&read_small(archive, &path, LARGEST_METADATA)?, &path, name)?;
        let text = read_small(archive, &record, LARGEST_RECORD)?;
        let rows = record::parse(&text).map_err(|error| format!("`{record}` is malformed: {error}"))?;
        check_rows(archive, &members, &rows)?;
        Ok(Self { record, rows, members })
    }
}

/// No two members may have one place, even if they agree, and nothing can be a file and a directory.
fn check_conflicts(mut paths: Vec<(&str, bool)>) -> Result<(), String> {
    // Part by part, so that the files below a path come directly after it.
    paths.sort_unstable_by(|(one, one_is_directory), (other, other_is_directory)| {
        one.split('/').cmp(other.split('/')).then(one_is_directory.cmp(other_is_directory))
    });
    for pair in paths.windows(2) {
        let [(one, one_is_directory), (other, other_is_directory)] = [pair[0], pair[1]];
        let below = other.strip_prefix(one).is_some_and(|rest| rest.starts_with('/'));
        if one == other {
            return Err(match (one_is_directory, other_is_directory) {
                (false, true) => format!("`{one}` is both a file and a directory"),
                (true, _) => format!("there are two directories named `{one}`"),
                (false, _) => format!("there are two files named `{one}`"),
            });
        }
        if below && !one_is_directory {
            return Err(format!("`{one}` is both a file and a directory, since there is `{other}`"));
        }
    }
    Ok(())
}

/// Checks that every member has a row, and every row a member.
///
/// PEP 427: "every file except RECORD, which cannot contain a hash of itself, must include its hash."
fn check_rows(
    archive: &Archive<impl Read + Seek>,
    members: &[(usize, Place)],
    rows: &BTreeMap<String, Row>,
) -> Result<(), String> {
    let mut listed = 0;
    for (index, place) in members {
        let entry = &archive.entries()[*index];
        let path = entry.path.as_str();
        let row = rows.get(path).filter(|_| !entry.directory);
        listed += usize::from(row.is_some());
        match (row.map(|row| &row.hash), place) {
            (Some(Some(_)), Place::Record) => return Err(format!("`{path}` claims to hold its own hash")),
            (_, Place::Record) | (None, Place::Signature) => {}
            (Some(None), _) => return Err(format!("`{path}` has no hash in its RECORD")),
            (None, _) if !entry.directory => return Err(format!("`{path}` is not listed in its RECORD")),
            (_, _) => {}
        }
    }
    if listed == rows.len() {
        return Ok(());
    }
    let files = archive.entries().iter().filter(|entry| !entry.directory);
    let files = files.map(|entry| entry.path.as_str()).collect::<std::collections::BTreeSet<_>>();
    let missing = rows.keys().find(|path| !files.contains(path.as_str())).map_or("", String::as_str);
    Err(format!("`{}` is listed in its RECORD but is missing", missing.escape_debug()))
}

/// Reads a member that has to be in memory.
fn read_small(archive: &mut Archive<impl Read + Seek>, path: &str, most: u64) -> Result<Vec<u8>, String> {
    let mut found = archive.entries().iter().enumerate().filter(|(_, entry)| entry.path.as_str() == path);
    let Some((index, entry)) = found.next().filter(|(_, entry)| !entry.directory) else {
        return Err(format!("there is no `{path}`"));
    };
    if entry.size > most {
        return Err(format!("`{path}` has {} bytes, more than that of any wheel", entry.size));
    }
    let mut bytes = Vec::new();
    let mut member = archive.member(index)?;
    let read = member.read_to_end(&mut bytes);
    match (member.failure(), read) {
        (None, Ok(_)) => Ok(bytes),
        (what, _) => Err(what.unwrap_or_else(|| format!("`{path}` cannot be read"))),
    }
}

/// Computes what a sink would return for a member that it does not get.
fn digest(source: &mut impl Read) -> io::Result<(Sha256, u64)> {
    let mut digest = sha2::Sha256::new();
    let mut buffer = [0; 1 << 14];
    let mut size = 0;
    loop {
        let count = source.read(&mut buffer)?;
        if count == 0 {
            return Ok((digest.finalize().into(), size));
        }
        digest.update(&buffer[..count]);
        size += count as u64;
    }
}

/// Computes the hash that a row has instead of a sha256, which is that of the sink.
struct Hashed<'a, R> {
    inner: &'a mut R,
    strong: Option<Strong>,
}

enum Strong {
    Sha384(Sha384),
    Sha512(Sha512),
}

impl<'a, R: Read> Hashed<'a, R> {
    fn new(inner: &'a mut R, row: Option<&Row>) -> Self {
        let strong = match row.and_then(|row| row.hash.as_ref()) {
            Some(Hash::Sha384(_)) => Some(Strong::Sha384(Sha384::new())),
            Some(Hash::Sha512(_)) => Some(Strong::Sha512(Sha512::new())),
            Some(Hash::Sha256(_)) | None => None,
        };
        Self { inner, strong }
    }

    fn finish(self) -> Option<Hash> {
        self.strong.map(|strong| match strong {
            Strong::Sha384(digest) => Hash::Sha384(digest.finalize().into()),
            Strong::Sha512(digest) => Hash::Sha512(digest.finalize().into()),
        })
    }
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match &mut self.strong {
            Some(Strong::Sha384(digest)) => digest.update(&buffer[..count]),
            Some(Strong::Sha512(digest)) => digest.update(&buffer[..count]),
            None => {}
        }
        Ok(count)
    }
}

/// `RECORD` itself has a row without hash, and it may have a size.
fn verify(member: &str, row: &Row, sha256: Sha256, size: u64, strong: Option<&Hash>) -> Result<(), String> {
    let found = Hash::Sha256(sha256);
    let agrees = row.hash.as_ref().is_none_or(|wanted| wanted == strong.unwrap_or(&found));
    if agrees && row.size.is_none_or(|wanted| wanted == size) {
        Ok(())
    } else {
        Err(format!("`{member}` does not match its RECORD"))
    }
}

/// Recording installed projects: "The path may be either absolute, or relative to the directory containing the
/// .dist-info directory".
fn recorded(path: &RelativePath, depth: usize) -> String {
    match path.as_str().split_once('/') {
        Some((SITE_PACKAGES, rest)) => rest.to_owned(),
        Some((_, rest)) => format!("{}{rest}", "../".repeat(depth)),
        None => path.as_str().to_owned(),
    }
}
