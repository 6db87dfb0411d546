//! The names of license files, the same for wheels, crates and models.

/// The beginnings of names of license and copyright files, in lower case.
const STARTS: [&str; 9] =
    ["license", "licence", "unlicense", "copying", "copyright", "notice", "authors", "thirdparty", "third-party"];

/// Whether a file with this name, without directories, holds a license.
pub fn is_license_file(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    STARTS.iter().any(|start| name.starts_with(start))
}
