//! Unpacks wheels, for any target, believing nothing that was not checked.
//!
//! A tree of a wheel has two roots: `site-packages/` (purelib and platlib) and `data/` (files that go below the
//! prefix of the installation). Scripts and headers are left out: a runtime starts one program, the launcher.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

use zip::ZipArchive;

use crate::Sha256;
use crate::name::WheelName;
use crate::path::RelativePath;
use crate::record::{self, Row};

/// Raised whenever the same wheel gives another tree, since what was unpacked before depends on it.
pub const VERSION: u32 = 2;
/// Packages.
pub const SITE_PACKAGES: &str = "site-packages";
/// Files for the prefix of the installation.
pub const DATA: &str = "data";

/// No wheel holds a file that large; a few bytes that unpack to more are an attack.
const LARGEST: u64 = 8 << 30;

/// Where the files of a wheel go.
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
        /// What is wrong with it, naming the member where there is one.
        what: String,
    },
    /// What was read could not be written.
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
/// PEP 427: "the RECORD file is used to verify integrity; at install time the digests of every file are
/// verified": every member needs a row that agrees, and every row needs a member.
pub fn unpack<S: Sink>(
    archive: impl Read + Seek,
    name: &WheelName,
    depth: usize,
    sink: &mut S,
) -> Result<(), Error<S::Error>> {
    let refuse = |what: String| Error::Refused { wheel: name.file.clone(), what };
    // Only the central directory counts; what local headers say beside it is never looked at.
    let mut archive = ZipArchive::new(archive).map_err(|error| refuse(error.to_string()))?;
    let own = format!("{}.dist-info", dist_info_stem(&archive, name).map_err(refuse)?);
    let record_path = format!("{own}/RECORD");
    let rows = read_record(&mut archive, &record_path).map_err(refuse)?;
    check_wheel_file(&mut archive, &own).map_err(refuse)?;

    let mut seen = BTreeMap::new();
    let mut installed = Vec::new();
    let data_prefix = format!("{}.data/", own.trim_end_matches(".dist-info"));
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|error| refuse(error.to_string()))?;
        let member_name = member.name().map_err(|error| refuse(error.to_string()))?.into_owned();
        if member_name.ends_with('/') {
            continue;
        }
        if member.encrypted() || member.is_symlink() || member.size() > LARGEST {
            return Err(refuse(format!("`{member_name}` is encrypted, a link or absurdly large")));
        }
        let path = RelativePath::new(member_name.as_str()).map_err(|error| refuse(error.to_string()))?;
        if seen.insert(member_name.clone(), ()).is_some() {
            return Err(refuse(format!("there are two files named `{member_name}`")));
        }
        if member_name == record_path {
            continue;
        }
        let row = rows.get(&member_name);
        let unsigned = member_name == format!("{record_path}.jws") || member_name == format!("{record_path}.p7s");
        if row.is_none() && !unsigned {
            return Err(refuse(format!("`{member_name}` is not listed in its RECORD")));
        }
        let Some(place) = place(&path, &data_prefix).map_err(refuse)? else {
            continue;
        };
        // PEP 427 leaves permissions to the archive; any execute bit means all of them.
        let executable = member.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        let announced = member.size();
        let mut source = Watched { inner: member.by_ref().take(announced + 1), failed: None };
        let written = sink.add(place.clone(), &mut source, executable);
        if let Some(error) = source.failed {
            return Err(refuse(format!("`{member_name}` cannot be unpacked: {error}")));
        }
        let (sha256, size) =
            written.map_err(|error| Error::Sink { wheel: name.file.clone(), member: member_name.clone(), error })?;
        verify(&member_name, row, sha256, size).map_err(refuse)?;
        let place = match place.as_str().strip_prefix(SITE_PACKAGES) {
            Some(path) => path.trim_start_matches('/').to_owned(),
            None => format!("{}{}", "../".repeat(depth), place.as_str().trim_start_matches("data/")),
        };
        installed.push((place, sha256, size));
    }
    if let Some(missing) = rows.keys().find(|path| !seen.contains_key(*path)) {
        return Err(refuse(format!("`{missing}` is listed in its RECORD but is not there")));
    }
    // PEP 376: "the RECORD file […] lists all the installed files", which differ from the packed ones.
    let record =
        record::write(installed.iter().map(|(path, sha256, size)| (path.as_str(), *sha256, *size)), &record_path);
    let place =
        RelativePath::new(format!("{SITE_PACKAGES}/{record_path}")).map_err(|error| refuse(error.to_string()))?;
    sink.add(place, &mut record.as_slice(), false).map_err(|error| Error::Sink {
        wheel: name.file.clone(),
        member: record_path,
        error,
    })?;
    Ok(())
}

/// Tells whether reading failed, since a sink cannot say whose fault its failure was.
struct Watched<R> {
    inner: R,
    failed: Option<String>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|error| self.failed = Some(error.to_string()))
    }
}

/// PEP 427: "the .dist-info directory […] is named after the distribution and version", one per wheel.
fn dist_info_stem<R: Read + Seek>(archive: &ZipArchive<R>, name: &WheelName) -> Result<String, String> {
    let mut stems = archive
        .file_names()
        .flatten()
        .filter_map(|member| Some(member.split_once('/')?.0.strip_suffix(".dist-info")?.to_owned()))
        .collect::<Vec<_>>();
    stems.sort_unstable();
    stems.dedup();
    let [stem] = &stems[..] else {
        return Err(format!("it has {} `.dist-info` directories, not one", stems.len()));
    };
    let (distribution, _) = stem.rsplit_once('-').unwrap_or((stem.as_str(), ""));
    if crate::name::normalize(distribution) != name.distribution {
        return Err(format!("its metadata is that of `{stem}`"));
    }
    Ok(stem.clone())
}

fn read_record(archive: &mut ZipArchive<impl Read + Seek>, path: &str) -> Result<BTreeMap<String, Row>, String> {
    record::parse(&read_member(archive, path)?).map_err(|error| format!("`{path}` is malformed: {error}"))
}

/// PEP 427: "abort if the major version of Wheel-Version is greater than what is supported".
fn check_wheel_file(archive: &mut ZipArchive<impl Read + Seek>, own: &str) -> Result<(), String> {
    let path = format!("{own}/WHEEL");
    let text = String::from_utf8(read_member(archive, &path)?).map_err(|_| format!("`{path}` is not UTF-8"))?;
    let version = text.lines().find_map(|line| line.strip_prefix("Wheel-Version:")).map(str::trim);
    match version {
        Some(version) if version.split('.').next() == Some("1") => Ok(()),
        Some(version) => Err(format!("it is of the format {version}, and only 1.x is known")),
        None => Err(format!("`{path}` states no version of the format")),
    }
}

fn read_member(archive: &mut ZipArchive<impl Read + Seek>, path: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut member = archive.by_name(path).map_err(|_| format!("there is no `{path}`"))?;
    member.read_to_end(&mut bytes).map_err(|error| format!("`{path}` cannot be unpacked: {error}"))?;
    Ok(bytes)
}

/// Where a member is installed; `None` for what is left out: scripts, headers, and bytecode that a few wheels
/// carry by accident, since a runtime gets its own.
///
/// PEP 427: "each subdirectory of distribution-1.0.data/ is a key into a dict of destination directories, such as
/// distribution-1.0.data/(purelib|platlib|headers|scripts|data)".
fn place(path: &RelativePath, data_prefix: &str) -> Result<Option<RelativePath>, String> {
    if path.as_str().split('/').any(|part| part == "__pycache__") {
        return Ok(None);
    }
    let Some(inside) = path.as_str().strip_prefix(data_prefix) else {
        return Ok(Some(path.below(SITE_PACKAGES)));
    };
    let (scheme, rest) = inside.split_once('/').ok_or_else(|| format!("`{}` belongs nowhere", path.as_str()))?;
    let rest = RelativePath::new(rest).map_err(|error| error.to_string())?;
    match scheme {
        "purelib" | "platlib" => Ok(Some(rest.below(SITE_PACKAGES))),
        "data" => Ok(Some(rest.below(DATA))),
        "scripts" | "headers" => Ok(None),
        other => Err(format!("`{}` is of the unknown kind `{other}`", path.as_str())),
    }
}

fn verify(member: &str, row: Option<&Row>, sha256: Sha256, size: u64) -> Result<(), String> {
    let Some(row) = row else { return Ok(()) };
    let Some(wanted) = row.sha256 else {
        return Err(format!("`{member}` has no hash in its RECORD"));
    };
    if wanted != sha256 || row.size.is_some_and(|wanted| wanted != size) {
        return Err(format!("`{member}` is not what its RECORD says"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use sha2::Digest as _;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// Keeps files in memory.
    #[derive(Debug, Default)]
    struct Memory(BTreeMap<RelativePath, (Vec<u8>, bool)>);

    impl Sink for Memory {
        type Error = io::Error;

        fn add(&mut self, path: RelativePath, source: &mut dyn Read, executable: bool) -> io::Result<(Sha256, u64)> {
            let mut bytes = Vec::new();
            source.read_to_end(&mut bytes)?;
            let found = (sha2::Sha256::digest(&bytes).into(), bytes.len() as u64);
            self.0.insert(path, (bytes, executable));
            Ok(found)
        }
    }

    /// Members of a wheel, in order.
    type Members = Vec<(String, Vec<u8>)>;

    fn good() -> Members {
        [
            ("a/__init__.py", "x = 1\n"),
            ("a/__pycache__/__init__.cpython-312.pyc", "stale"),
            ("a-1.data/data/share/a.txt", "data"),
            ("a-1.data/platlib/b.py", "y = 2\n"),
            ("a-1.data/scripts/tool", "#!python\n"),
            ("a-1.dist-info/METADATA", "Name: a\n"),
            ("a-1.dist-info/WHEEL", "Wheel-Version: 1.0\n"),
        ]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .to_vec()
    }

    fn with_record(mut members: Members) -> Members {
        let rows =
            members.iter().map(|(path, bytes)| (path.as_str(), sha2::Sha256::digest(bytes).into(), bytes.len() as u64));
        let record = record::write(rows, "a-1.dist-info/RECORD");
        members.push(("a-1.dist-info/RECORD".to_owned(), record));
        members
    }

    fn unpack_members(members: &Members) -> Result<Memory, Error<io::Error>> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, bytes) in members {
            writer.start_file(path.as_str(), SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        let archive = writer.finish().unwrap();
        let name = WheelName::parse("a-1-py3-none-any.whl").unwrap();
        let mut sink = Memory::default();
        unpack(archive, &name, 3, &mut sink).map(|()| sink)
    }

    #[test]
    fn files_go_where_their_scheme_says_and_the_record_tells() {
        let tree = unpack_members(&with_record(good())).unwrap();
        let paths = tree.0.keys().map(RelativePath::as_str).collect::<Vec<_>>();
        assert_eq!(
            paths,
            [
                "data/share/a.txt",
                "site-packages/a-1.dist-info/METADATA",
                "site-packages/a-1.dist-info/RECORD",
                "site-packages/a-1.dist-info/WHEEL",
                "site-packages/a/__init__.py",
                "site-packages/b.py",
            ]
        );
    }

    #[test]
    fn a_wheel_that_is_not_what_it_says_is_refused() {
        let changed = |change: &dyn Fn(&mut Members)| {
            let mut members = with_record(good());
            change(&mut members);
            let error = unpack_members(&members).unwrap_err();
            error.to_string()
        };
        for (change, says) in [
            (
                &(|m: &mut Members| m[0].1 = b"x = 2\n".to_vec()) as &dyn Fn(&mut Members),
                "`a/__init__.py` is not what its RECORD says",
            ),
            (&|m| m.push(("a/more.py".into(), Vec::new())), "`a/more.py` is not listed in its RECORD"),
            (&|m| drop(m.remove(0)), "`a/__init__.py` is listed in its RECORD but is not there"),
            (&|m| m.push(("../evil.py".into(), Vec::new())), "`../evil.py` is not a path inside"),
            (&|m| m.push(("/etc/evil".into(), Vec::new())), "`/etc/evil` is not a path inside"),
            (&|m| m.retain(|(path, _)| !path.ends_with("RECORD")), "there is no `a-1.dist-info/RECORD`"),
            (&|m| m.retain(|(path, _)| !path.ends_with("WHEEL")), "there is no `a-1.dist-info/WHEEL`"),
            (&|m| m.push(("b-1.dist-info/METADATA".into(), Vec::new())), "2 `.dist-info` directories"),
        ] {
            let error = changed(change);
            assert!(error.contains(says) && error.contains("a-1-py3-none-any.whl"), "{error}");
        }
        let newer = with_record(
            good()
                .into_iter()
                .map(
                    |(path, bytes)| {
                        if path.ends_with("WHEEL") { (path, b"Wheel-Version: 2.0\n".to_vec()) } else { (path, bytes) }
                    },
                )
                .collect(),
        );
        assert!(unpack_members(&newer).unwrap_err().to_string().contains("of the format 2.0"));
    }
}
