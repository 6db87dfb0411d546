//! Programs of this machine that take part, and their versions.

use std::process::{Command, Stdio};

use anyhow::Result;

use super::report::Report;
use crate::failure::{Exit, Failure};

/// The version of a program on PATH, asked as most of them are asked.
pub fn version(name: &str) -> Result<String> {
    version_of(Command::new(name).arg("--version")).ok_or_else(|| {
        Failure::new(Exit::Unavailable, format!("there is no {name} on PATH to compare this tool with"))
            .hint(format!("install {name}"))
            .into()
    })
}

/// The version in what a command says, when it succeeds.
pub fn version_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(first_version(&String::from_utf8_lossy(&output.stdout)).unwrap_or_else(|| "unknown".to_owned()))
}

/// Writes down the versions of programs on PATH; the first one that is not there is an error.
pub fn note_versions(names: &[&str], report: &mut Report) -> Result<()> {
    for name in names {
        report.versions.insert((*name).to_owned(), version(name)?);
    }
    Ok(())
}

/// The first word that looks like a version: perhaps a letter, digits, a point, a digit. It is in the first line; others are
/// about compilers and libraries.
fn first_version(text: &str) -> Option<String> {
    let line = text.lines().next()?;
    line.split(|c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')'))
        .map(|word| word.strip_prefix(|c: char| c.is_ascii_alphabetic()).unwrap_or(word))
        .find(|word| {
            let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
            rest.len() < word.len()
                && rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (says, version) in [
            ("*** Zstandard CLI (64-bit) v1.5.4, by Yann Collet ***\n", "1.5.4"),
            ("tar (GNU tar) 1.34\nCopyright (C) 2021", "1.34"),
            ("bsdtar 3.5.3 - libarchive 3.7.4", "3.5.3"),
            ("curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1", "7.88.1"),
            ("uv 0.13.9 (abcdef 2026-01-01)", "0.13.9"),
            ("pip 24.0 from a place (python 3.12)", "24.0"),
            ("ffmpeg version 7.1.1-static Copyright", "7.1.1-static"),
            ("ffmpeg version n9.0.2-17-g2a571b Copyright\nbuilt with gcc 16.2.0", "9.0.2-17-g2a571b"),
        ] {
            assert_eq!(first_version(says).as_deref(), Some(version));
        }
        assert_eq!(first_version("no version at all. 5 files"), None);
        assert!(version("no-such-program-at-all").is_err());
    }
}
