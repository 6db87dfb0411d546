//! Finds libraries that are compiled into binaries, as far as the libraries name themselves: many contain a text with
//! their name and version for callers that ask for it at run time. This module reads the bytes and runs nothing, so it
//! works for every target.

use std::collections::BTreeSet;

use anyhow::Result;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use speaches_format::layout::{self, Family};

use super::Runtime;

/// How binaries of Linux, Windows and macOS begin; the last one is of several processors.
const BINARIES: [&[u8]; 4] = [b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"];
/// The length of the shortest version: `5.0.0`.
const SHORTEST: usize = 5;

/// A library that builds of CPython for distribution carry.
pub struct Library {
    /// As its makers write it.
    pub name: &'static str,
    /// As package URLs have it.
    pub id: &'static str,
    /// An SPDX expression.
    pub license: &'static str,
    /// Whether CPython has it on Windows too.
    windows: bool,
}

const fn library(name: &'static str, id: &'static str, license: &'static str, windows: bool) -> Library {
    Library { name, id, license, windows }
}

/// All of them. Some have no words that could be found: liblzma, libffi and libedit.
const LIBRARIES: [Library; 10] = [
    library("OpenSSL", "openssl", "Apache-2.0", true),
    library("SQLite", "sqlite", "blessing", true),
    library("zlib", "zlib", "Zlib", true),
    library("bzip2", "bzip2", "bzip2-1.0.6", true),
    library("XZ Utils (liblzma)", "xz", "0BSD", true),
    library("libffi", "libffi", "MIT", true),
    library("Expat", "expat", "MIT", true),
    library("mpdecimal", "mpdecimal", "BSD-2-Clause", true),
    library("ncurses", "ncurses", "X11-distribute-modifications-variant", false),
    library("libedit", "libedit", "BSD-3-Clause", false),
];

/// The libraries in the CPython of a runtime, each once for each version found; without a version, libraries that it must
/// have and whose version it does not tell. A copied CPython may link any library of its machine, so of that only found
/// versions are listed.
pub fn of_python(runtime: &Runtime<'_>) -> Result<Vec<(&'static Library, Option<String>)>> {
    let info = &runtime.description.info;
    let family = Family::of(&info.target);
    let place = format!("{}/", layout::PYTHON);
    let packages = format!("{place}{}/", family.site_packages(&info.python.minor));
    let is_own = |path: &str| path.starts_with(&place) && !path.starts_with(&packages);
    let files = runtime.description.files.par_iter().filter(|file| file.mode != "link" && is_own(&file.path));
    let found = files
        .map(|file| {
            let bytes = fs_err::read(runtime.root.join(&file.path))?;
            let is_binary = BINARIES.iter().any(|start| bytes.starts_with(start));
            Ok(if is_binary { versions(&bytes, &info.python.version) } else { BTreeSet::new() })
        })
        .collect::<Result<Vec<_>>>()?;
    let found = found.into_iter().flatten().collect::<BTreeSet<_>>();
    let mut libraries = Vec::new();
    for library in &LIBRARIES {
        let versions = found.iter().filter(|(id, _)| *id == library.id).collect::<Vec<_>>();
        if versions.is_empty() && !info.python.copied && (library.windows || family != Family::Windows) {
            libraries.push((library, None));
        }
        libraries.extend(versions.into_iter().map(|(_, version)| (library, Some(version.clone()))));
    }
    Ok(libraries)
}

/// The version of Rust whose standard library is in a program, or the commit it is from where there is no version.
pub fn rust(program: &[u8]) -> Option<String> {
    let after = |text: &'static str, end: char| {
        words(program).filter_map(move |word| word.split_once(text)?.1.split_once(end)).map(|(version, _)| version)
    };
    // "rustc version 1.95.0 (59807616e 2026-04-14)", of ELF only; the paths in messages of panics are everywhere.
    let version = after("rustc version ", ' ').find(|version| is_version(version, 3));
    let commit = || after("/rustc/", '/').find(|it| it.len() == 40 && it.bytes().all(|byte| byte.is_ascii_hexdigit()));
    version.or_else(commit).map(str::to_owned)
}

/// The texts of a binary: what stands between bytes that are not printable.
fn words(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let words = bytes.split(|byte| !(b' '..=b'~').contains(byte)).filter(|word| word.len() >= SHORTEST);
    words.filter_map(|word| std::str::from_utf8(word).ok())
}

/// The libraries in one binary, with their versions.
fn versions(bytes: &[u8], python: &str) -> BTreeSet<(&'static str, String)> {
    let mut found = BTreeSet::new();
    // Two say their version alone, so that it is found only when nothing else looks like it.
    let (mut has_sqlite, mut has_mpdecimal) = (false, false);
    let (mut sqlite, mut mpdecimal) = (BTreeSet::new(), BTreeSet::new());
    for word in words(bytes) {
        if let Some((id, version)) = signed(word) {
            found.insert((id, version.to_owned()));
        }
        has_sqlite |= is_source_of_sqlite(word);
        has_mpdecimal |= word == "__libmpdec_version__";
        if is_version(word, 3) && word != python {
            match word.split('.').next() {
                Some("3") => drop(sqlite.insert(word)),
                Some("2" | "4") => drop(mpdecimal.insert(word)),
                _ => {}
            }
        }
    }
    // OpenSSL has its version alone as well.
    sqlite.retain(|version| !found.contains(&("openssl", (*version).to_owned())));
    for (id, is_there, versions) in [("sqlite", has_sqlite, sqlite), ("mpdecimal", has_mpdecimal, mpdecimal)] {
        if let (true, 1, Some(version)) = (is_there, versions.len(), versions.first()) {
            found.insert((id, (*version).to_owned()));
        }
    }
    found
}

/// A library that signs with its name.
fn signed(word: &str) -> Option<(&'static str, &str)> {
    // "OpenSSL 3.0.17 1 Jul 2025"
    if let Some((version, date)) = word.strip_prefix("OpenSSL ").and_then(|rest| rest.split_once(' ')) {
        let date = date.split(' ').collect::<Vec<_>>();
        let is_date = matches!(date.as_slice(), [day, _, year] if number(day).is_some() && year.len() == 4);
        return (is_date && is_version(version.trim_end_matches(|c: char| c.is_ascii_lowercase()), 3))
            .then_some(("openssl", version));
    }
    // " deflate 1.3.1 Copyright 1995-2024 Jean-loup Gailly and Mark Adler ", and the same for inflate. Nothing keeps them
    // apart from what comes before.
    let zlib = [" deflate ", " inflate "].into_iter().find_map(|start| word.split_once(start)?.1.split_once(' '));
    if let Some((version, _)) = zlib.filter(|(_, rest)| rest.starts_with("Copyright ")) {
        return version.split('.').all(|part| number(part).is_some()).then_some(("zlib", version));
    }
    // "expat_2.7.1"
    if let Some(version) = word.strip_prefix("expat_") {
        return is_version(version, 3).then_some(("expat", version));
    }
    // "ncurses 6.5.20240427"
    if let Some(version) = word.strip_prefix("ncurses ") {
        let (version, date) = version.rsplit_once('.')?;
        return (is_version(version, 2) && date.len() == 8 && number(date).is_some()).then_some(("ncurses", version));
    }
    // "1.0.8, 13-Jul-2019"
    let (version, date) = word.split_once(", ")?;
    let date = date.split('-').collect::<Vec<_>>();
    let is_date = matches!(date.as_slice(), [day, month, year]
        if number(day).is_some() && month.len() == 3 && year.len() == 4 && number(year).is_some());
    (is_date && is_version(version, 3) && version.starts_with("1.")).then_some(("bzip2", version))
}

/// "2025-07-30 19:33:53 " and 64 hexadecimal digits: the check-in that SQLite was made from.
fn is_source_of_sqlite(word: &str) -> bool {
    let parts = word.split(' ').collect::<Vec<_>>();
    matches!(parts.as_slice(), [date, time, check_in]
        if date.split('-').filter_map(number).count() == 3
            && time.split(':').filter_map(number).count() == 3
            && check_in.len() == 64
            && check_in.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Whether a text is so many numbers with dots between them.
fn is_version(text: &str, numbers: usize) -> bool {
    text.split('.').count() == numbers && text.split('.').all(|part| part.len() <= 3 && number(part).is_some())
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(texts: &[&str]) -> Vec<String> {
        let bytes = texts.iter().flat_map(|text| [b"\0\x01", text.as_bytes(), b"\0"].concat()).collect::<Vec<_>>();
        versions(&bytes, "3.12.16").into_iter().map(|(id, version)| format!("{id} {version}")).collect()
    }

    #[test]
    fn a_library_is_known_by_the_words_that_it_says_about_itself() {
        let sqlite = "2025-07-30 19:33:53 4d8adfb30e03f9cf27f800a2c1ba3c48fb4ca1b08b0f5ed59a4d5ecbf45e20a3";
        for (texts, expected) in [
            (&["OpenSSL 3.5.4 30 Sep 2025", "3.5.4"][..], &["openssl 3.5.4"][..]),
            (&["OpenSSL 1.1.1w  11 Sep 2023"], &[]),
            (&["OpenSSL 1.1.1w 11 Sep 2023"], &["openssl 1.1.1w"]),
            (&["OpenSSL 3 is needed", "OpenSSL 3.5.4 or newer"], &[]),
            (&[" deflate 1.3.1 Copyright 1995-2024 Jean-loup Gailly and Mark Adler "], &["zlib 1.3.1"]),
            (&[" inflate 1.2.13 Copyright 1995-2022 Mark Adler "], &["zlib 1.2.13"]),
            (&["x- deflate 1.2.13 Copyright 1995-2022 Jean-loup Gailly and Mark Adler "], &["zlib 1.2.13"]),
            (&["deflate level 1.3.1", " deflate 1.3.1 or newer"], &[]),
            (&["expat_2.7.3"], &["expat 2.7.3"]),
            (&["expat_external_entity"], &[]),
            (&["1.0.8, 13-Jul-2019"], &["bzip2 1.0.8"]),
            (&["1.0.8, or not"], &[]),
            (&["ncurses 6.5.20240427"], &["ncurses 6.5"]),
            (&[sqlite, "3.50.4", "3.12.16"], &["sqlite 3.50.4"]),
            (&[sqlite, "3.50.4", "3.5.4", "OpenSSL 3.5.4 30 Sep 2025"], &["openssl 3.5.4", "sqlite 3.50.4"]),
            (&[sqlite, "3.50.4", "3.0.2"], &[]),
            (&["3.50.4"], &[]),
            (&["__libmpdec_version__", "2.5.1", "1.70"], &["mpdecimal 2.5.1"]),
            (&["__libmpdec_version__", "2.5.1", "4.0.0"], &[]),
        ] {
            assert_eq!(found(texts), expected, "{texts:?}");
        }
        assert!(versions(b"OpenSSL 3.5.4 30 Sep 2025", "3.12.16").len() == 1, "up to the last byte");
    }

    #[test]
    fn a_program_of_rust_says_the_version_or_else_the_commit() {
        let commit = "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/std/src/lib.rs";
        let of = |text: &str| rust(format!("\0{text}\0").as_bytes());
        assert_eq!(of(commit).as_deref(), Some("59807616e1fa2540724bfbac14d7976d7e4a3860"));
        assert_eq!(of(&format!("{commit}\0rustc version 1.95.0 (59807616e)")).as_deref(), Some("1.95.0"));
        assert_eq!(of("/rustc/1.95.0/library"), None);
    }
}
