//! Wheels whose `RECORD` is known to be wrong, with the hash that it should hold.
//!
//! PEP 427 wants installation to fail when a file is not "correctly hashed in RECORD", and for every other wheel it
//! does. These were changed by hand after `RECORD` was written and then published; installers that do not verify never
//! noticed. Each was looked at, and what is unpacked is still verified, only against the hash that stands here.

use crate::Sha256;

/// File name of the wheel, member, and sha256 of the member in hexadecimal digits.
const WRONG_ROWS: [(&str, &str, &str); 2] = [
    // The tag in `WHEEL` was raised to macOS 12, as in the file name.
    (
        "google_crc32c-1.6.0-cp312-cp312-macosx_12_0_arm64.whl",
        "google_crc32c-1.6.0.dist-info/WHEEL",
        "a48dcb3f37f89dc0f54d5f616aadddc0d9a7876add61d98d84b63fd5e52e7724",
    ),
    (
        "google_crc32c-1.6.0-cp312-cp312-macosx_12_0_x86_64.whl",
        "google_crc32c-1.6.0.dist-info/WHEEL",
        "7f57d5a01085864938b9713b9a89e41a136b0a3e3019e937f9838b454a6ce063",
    ),
];

/// Whether a member is what it should be, although its row says something else.
pub(crate) fn excuses(wheel: &str, member: &str, sha256: Sha256) -> bool {
    let digits = || sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    WRONG_ROWS.iter().any(|(file, path, wanted)| *file == wheel && *path == member && *wanted == digits())
}
