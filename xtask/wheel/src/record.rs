//! `RECORD`, the list of files of an installed or packed distribution.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Sha256;

/// Why a `RECORD` cannot be used, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

/// What a row says about a file. Signatures and `RECORD` itself have neither digest nor size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Of the content.
    pub sha256: Option<Sha256>,
    /// In bytes.
    pub size: Option<u64>,
}

/// Reads a `RECORD` file.
///
/// PEP 376: "each record is composed of three elements: the file's path, the hash of the contents, and its
/// size." PEP 427: "hash algorithm must be sha256 or better; specifically, md5, sha1 and sha224 are not permitted".
pub fn parse(text: &[u8]) -> Result<BTreeMap<String, Row>, Malformed> {
    let refuse = |what: String| Err(Malformed(what));
    let mut rows = BTreeMap::new();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    for record in reader.records() {
        let record = record.map_err(|error| Malformed(error.to_string()))?;
        let field = |index: usize| record.get(index).unwrap_or_default();
        let (path, hash, size) = (field(0), field(1), field(2));
        let sha256 = match hash.split_once('=') {
            None if hash.is_empty() => None,
            Some(("sha256", digest)) => match decode(digest) {
                Some(bytes) => Some(bytes),
                None => return refuse(format!("`{path}` has the hash `{hash}`, which is no sha256")),
            },
            _ => return refuse(format!("`{path}` has a hash of a kind that is not supported: `{hash}`")),
        };
        let size = match size {
            "" => None,
            digits => match digits.parse() {
                Ok(size) => Some(size),
                Err(_) => return refuse(format!("`{path}` has the size `{digits}`")),
            },
        };
        if rows.insert(path.to_owned(), Row { sha256, size }).is_some() {
            return refuse(format!("`{path}` is listed twice"));
        }
    }
    Ok(rows)
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

/// "urlsafe_b64encode(digest) with trailing = removed" (PEP 427).
fn encode(sha256: Sha256) -> String {
    URL_SAFE_NO_PAD.encode(sha256)
}

fn decode(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?.try_into().ok()
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
        assert_eq!(rows["a,b.py"], Row { sha256: Some(digest), size: Some(3) });
        assert_eq!(rows["x.dist-info/RECORD"], Row { sha256: None, size: None });
    }

    #[test]
    fn weak_hashes_repetitions_and_nonsense_are_refused() {
        for wrong in ["a,md5=abc,1", "a,sha256=abc,1", "a,,1\na,,1", "a,,one"] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
