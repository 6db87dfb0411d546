//! Refuses paths that the system of a target cannot have. Wheels are made on systems that allow nearly all paths.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use speaches_format::system::System;
use unicode_normalization::UnicodeNormalization as _;
use wheel_archive::path::fold;

use crate::base::failure::{Exit, Failure};

/// Windows gives a path 260 characters, its end included, unless the machine was set up otherwise.
const WINDOWS_PATH: usize = 259;
/// `C:\Users\<20 characters>\AppData\Local\Programs\<40 characters>\`, its last `\` included: where people and Harbor
/// put a runtime.
const WINDOWS_ROOT: usize = 94;
/// The rest is for paths below it. The longest path in a runtime for Windows has 144, that of the longest module 125,
/// to which its bytecode adds the 25 of `__pycache__\`, `.cpython-312` and `c`.
const WINDOWS_BELOW: usize = WINDOWS_PATH - WINDOWS_ROOT;

/// Refuses paths that cannot all be in one directory of the target. Each comes with its owner, for the message.
///
/// macOS takes `A` and `a`, composed and decomposed accents for the same. So does Windows, where some names and characters
/// have meanings of their own as well, and paths are short.
pub fn check<'a>(system: System, files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<()> {
    if system == System::Linux {
        return Ok(());
    }
    let mut spellings = BTreeMap::<String, &str>::new();
    for (path, owner) in files {
        if system == System::Windows
            && let Some(what) = windows(path)
        {
            bail!(Failure::new(Exit::Data, format!("`{path}` of `{owner}` cannot exist on Windows: {what}")));
        }
        // Directories count, too: `A/x` and `a/y` would be in one directory there, and in two here.
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for spelling in ends.map(|end| &path[..end]) {
            let there = *spellings.entry(folded(spelling)).or_insert(spelling);
            if there != spelling {
                bail!(Failure::new(
                    Exit::Data,
                    format!("`{spelling}` of `{owner}` and `{there}` are the same name on the target's file systems")
                ));
            }
        }
    }
    Ok(())
}

/// A name as a file system compares it that ignores case and composition.
fn folded(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    fold(&path.nfd().collect::<String>()).nfd().collect()
}

/// Why Windows cannot have a path. Trailing dots and spaces, `:` and `\` are refused for every target.
fn windows(path: &str) -> Option<String> {
    const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
    for part in path.split('/') {
        if let Some(character) = part.chars().find(|character| matches!(character, '<' | '>' | '"' | '|' | '?' | '*')) {
            return Some(format!("`{character}` cannot be in a name"));
        }
        // "NUL.txt and NUL.tar.gz are both equivalent to NUL" (Naming Files, Paths, and Namespaces).
        let stem = part.split('.').next().unwrap_or_default().trim_end().to_lowercase();
        let numbered = |prefix| stem.strip_prefix(prefix).is_some_and(|rest: &str| is_device_number(rest));
        if DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt") {
            return Some(format!("`{part}` is the name of a device"));
        }
    }
    let length = path.encode_utf16().count();
    (length > WINDOWS_BELOW).then(|| {
        format!(
            "it has {length} characters, and {WINDOWS_BELOW} are left for it below a directory with a path of \
             {WINDOWS_ROOT}"
        )
    })
}

fn is_device_number(text: &str) -> bool {
    matches!(text, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(system: System, paths: &[&str]) -> Option<String> {
        check(system, paths.iter().map(|path| (*path, "a.whl"))).err().map(|error| error.to_string())
    }

    #[test]
    fn names_that_differ_in_case_or_composition_only_collide() {
        for (one, other) in [
            ("a/Readme", "a/README"),
            ("Package/x.py", "package/y.py"),
            ("caf\u{e9}.py", "cafe\u{301}.py"),
            ("\u{c9}.py", "\u{e9}.py"),
            ("\u{17f}ite.py", "SITE.py"),
        ] {
            for system in [System::MacOs, System::Windows] {
                let said = refused(system, &[one, other]).unwrap();
                assert!(said.contains("are the same name") && said.contains("a.whl"), "{said}");
            }
            assert_eq!(refused(System::Linux, &[one, other]), None);
        }
        assert_eq!(refused(System::Windows, &["a/b.py", "a/c.py", "ab"]), None);
    }

    #[test]
    fn windows_has_names_and_lengths_of_its_own() {
        let long = format!("python/Lib/site-packages/{}", "x".repeat(160));
        for path in ["a/aux.py", "NUL", "a/Com1.tar.gz", "lpt\u{b2}", "a/what?.txt", "a/CON", long.as_str()] {
            let said = refused(System::Windows, &[path]).unwrap();
            assert!(said.contains(path) && said.contains("cannot exist on Windows"), "{said}");
            assert_eq!(refused(System::MacOs, &[path]), None);
        }
        let root = format!("C:\\Users\\{}\\AppData\\Local\\Programs\\{}\\", "x".repeat(20), "x".repeat(40));
        assert_eq!(root.len(), WINDOWS_ROOT);
        assert_eq!(refused(System::Windows, &["x".repeat(165).as_str()]), None);
        let said = refused(System::Windows, &["x".repeat(166).as_str()]).unwrap();
        assert!(said.contains("it has 166 characters, and 165 are left"), "{said}");
        for path in ["auxiliary.py", "com10", "console/a", "a/lpt"] {
            assert_eq!(refused(System::Windows, &[path]), None, "{path}");
        }
    }
}
