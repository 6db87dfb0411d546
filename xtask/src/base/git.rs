//! The ids that git gives to its objects.

use sha1::Digest as _;

/// git's id of an object.
pub fn object(kind: &str, content: &[u8]) -> [u8; 20] {
    let mut hasher = sha1::Sha1::new();
    hasher.update(format!("{kind} {}\0", content.len()).as_bytes());
    hasher.update(content);
    hasher.finalize().into()
}
