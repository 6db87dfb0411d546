//! `RECORD`, the list of files of an installed or packed distribution.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Sha256;

/// More rows than any wheel has files, so that a small `RECORD` cannot fill the memory.
pub(crate) const MOST_ROWS: usize = 1 << 18;

/// Why a `RECORD` cannot be used, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

/// The hash of a file, of a kind that PEP 427 permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hash {
    /// `sha256=`, which practically every wheel uses.
    Sha256([u8; 32]),
    /// `sha384=`.
    Sha384([u8; 48]),
    /// `sha512=`.
    Sha512([u8; 64]),
}

/// The row of a file. `RECORD` itself has neither hash nor size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Of the content.
    pub hash: Option<Hash>,
    /// In bytes.
    pub size: Option<u64>,
}

/// Reads a `RECORD` file.
///
/// "Each record is composed of three elements: the file's path, the hash of the contents, and its size", and "the CSV
/// dialect must be readable with the default `reader` of Python's `csv` module" (Recording installed projects).
pub fn parse(text: &[u8]) -> Result<BTreeMap<String, Row>, Malformed> {
    let refuse = |what: String| Err(Malformed(what));
    if text.starts_with(b"\xef\xbb\xbf") {
        return refuse("it begins with a byte order mark, which would be part of the first path".to_owned());
    }
    let mut rows = BTreeMap::new();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    for (index, record) in reader.records().enumerate() {
        let Ok(record) = record else {
            return refuse(format!("row {} is not UTF-8", index + 1));
        };
        if record.len() != 3 {
            return refuse(format!("row {} has {} fields, not path, hash and size", index + 1, record.len()));
        }
        if index == MOST_ROWS {
            return refuse(format!("it has more than {MOST_ROWS} rows"));
        }
        let (path, hash, size) = (&record[0], &record[1], &record[2]);
        let hash = if hash.is_empty() { None } else { Some(read_hash(path, hash)?) };
        let size = match size {
            "" => None,
            digits => match digits.parse() {
                Ok(size) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(size),
                _ => return refuse(format!("`{path}` has the size `{digits}`")),
            },
        };
        if rows.insert(path.to_owned(), Row { hash, size }).is_some() {
            return refuse(format!("`{path}` is listed twice"));
        }
    }
    Ok(rows)
}

/// PEP 427: "The hash algorithm must be sha256 or better; specifically, md5 and sha1 are not permitted"; sha224, which
/// later editions name as well, is not better either.
fn read_hash(path: &str, text: &str) -> Result<Hash, Malformed> {
    let (kind, digest) = text.split_once('=').unwrap_or((text, ""));
    let digest = URL_SAFE_NO_PAD.decode(digest.trim_end_matches('=')).unwrap_or_default();
    let hash = match kind {
        "sha256" => digest.try_into().ok().map(Hash::Sha256),
        "sha384" => digest.try_into().ok().map(Hash::Sha384),
        "sha512" => digest.try_into().ok().map(Hash::Sha512),
        "md5" | "sha1" | "sha224" => {
            return Err(Malformed(format!("`{path}` has a {kind}, and PEP 427 permits only sha256 or better")));
        }
        _ => return Err(Malformed(format!("`{path}` has a hash of a kind that is not supported: `{text}`"))),
    };
    hash.ok_or_else(|| Malformed(format!("`{path}` has the hash `{text}`, which is no {kind}")))
}

/// Writes a `RECORD` file, sorted; `own` is the path of the file itself.
pub fn write<'a>(files: impl Iterator<Item = (&'a str, Sha256, u64)>, own: &str) -> Vec<u8> {
    let mut rows = files.collect::<Vec<_>>();
    rows.sort_by_key(|row| row.0);
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for (path, sha256, size) in rows {
        writer.write_record([path, &format!("sha256={}", encode(sha256)), &size.to_string()]).expect(IN_MEMORY);
    }
    writer.write_record([own, "", ""]).expect(IN_MEMORY);
    writer.into_inner().expect(IN_MEMORY)
}

const IN_MEMORY: &str = "rows of three fields can be written to memory";

/// "urlsafe base64 encoding with no trailing = characters" (PEP 427).
fn encode(sha256: Sha256) -> String {
    URL_SAFE_NO_PAD.encode(sha256)
}

#[cfg(test)]
mod tests {
    use sha2::Digest as _;

    use super::*;

    #[test]
    fn rows_round_trip() {
        let digest: Sha256 = sha2::Sha256::digest(b"abc").into();
        let text = write([("a,b.py", digest, 3), ("a.py", digest, 3)].into_iter(), "x.dist-info/RECORD");
        assert_eq!(String::from_utf8(text.clone()).unwrap().lines().next_back(), Some("x.dist-info/RECORD,,"));
        assert!(
            String::from_utf8_lossy(&text).contains("\"a,b.py\",sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,3")
        );
        let rows = parse(&text).unwrap();
        assert_eq!(rows["a,b.py"], Row { hash: Some(Hash::Sha256(digest)), size: Some(3) });
        assert_eq!(rows["x.dist-info/RECORD"], Row { hash: None, size: None });
    }

    #[test]
    fn longer_hashes_and_other_ends_of_lines_are_read() {
        let long = URL_SAFE_NO_PAD.encode([7; 64]);
        let rows = parse(format!("a,sha512={long},\r\nb,sha384={},1\r\n", &long[..64]).as_bytes()).unwrap();
        assert_eq!(rows["a"], Row { hash: Some(Hash::Sha512([7; 64])), size: None });
        assert_eq!(rows["b"].size, Some(1));
    }

    #[test]
    fn weak_hashes_repetitions_and_nonsense_are_refused() {
        let weak = "a,sha224=AAAA,1";
        for wrong in
            ["a,md5=abc,1", weak, "a,sha256=abc,1", "a,sha256,1", "a,,1\na,,1", "a,,one", "a,,+1", "a,", "\u{feff}a,,"]
        {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
