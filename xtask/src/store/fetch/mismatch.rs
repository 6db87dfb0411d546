//! The error for bytes that differ from a pin.

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};

/// The error for bytes that differ from a pin.
pub fn mismatch(label: &str, origin: &str, wanted: (Option<u64>, Sha256), found: (u64, Sha256)) -> Failure {
    differing(label, origin, wanted, &format!("found:  {} bytes, sha256 {}", found.0, found.1))
}

/// The error for content that differs from a pin; `found` describes the content.
pub fn differing(label: &str, origin: &str, wanted: (Option<u64>, Sha256), found: &str) -> Failure {
    let size = wanted.0.map_or(String::new(), |size| format!("{size} bytes, "));
    Failure::new(
        Exit::Data,
        format!("{label} from `{origin}` does not match its pin\n    pinned: {size}sha256 {}\n    {found}", wanted.1),
    )
    .hint(
        "it was not used; possible causes are a proxy that changes downloads, the login page of a network, or a wrong \
         file",
    )
}
