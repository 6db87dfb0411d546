//! Checks that a `.dist-info` directory agrees with the name of its wheel.

use std::collections::BTreeSet;

use crate::name::{WheelName, normalize};
use crate::path::fold;

/// Largest `WHEEL` in bytes; real ones have hundreds.
pub(crate) const LARGEST_WHEEL: u64 = 1 << 20;
/// Largest `METADATA` in bytes. It holds the description of the project, with images in a few.
pub(crate) const LARGEST_METADATA: u64 = 16 << 20;

/// Finds the `.dist-info` among the first parts of all paths, and gives it without the suffix.
///
/// Recording installed projects: "This directory is named as `{name}-{version}.dist-info`". PEP 427: "the .data
/// directory, named as the .dist-info directory but with the .data/ extension". Other spellings in upper case would be
/// the same directories on macOS and Windows.
pub(crate) fn stem<'a>(tops: impl Iterator<Item = &'a str>, name: &WheelName) -> Result<String, String> {
    let with_suffix = |suffix: &str, tops: &BTreeSet<&'a str>| {
        tops.iter().filter(|top| fold(top).ends_with(suffix)).copied().collect::<Vec<_>>()
    };
    let tops = tops.collect::<BTreeSet<_>>();
    let own = with_suffix(".dist-info", &tops);
    let [own] = own[..] else {
        return Err(format!("it has {} `.dist-info` directories, not one", own.len()));
    };
    let foreign = || format!("its metadata is that of `{own}`");
    let stem = own.strip_suffix(".dist-info").ok_or_else(foreign)?;
    let (distribution, version) = stem.rsplit_once('-').ok_or_else(foreign)?;
    if normalize(distribution) != name.distribution || !same_version(version, &name.version) {
        return Err(foreign());
    }
    match with_suffix(".data", &tops).into_iter().find(|data| data.strip_suffix(".data") != Some(stem)) {
        Some(other) => Err(format!("`{other}` is the `.data` directory of another wheel")),
        None => Ok(stem.to_owned()),
    }
}

/// Versions are compared as they are written, but for the characters that names of files and directories replace. No
/// locked wheel needs more of PEP 440.
fn same_version(one: &str, other: &str) -> bool {
    let plain = |version: &str| version.to_ascii_lowercase().replace('-', "_");
    plain(one) == plain(other)
}

/// Checks `METADATA`, where Core metadata requires a name and a version.
pub(crate) fn check_metadata(text: &[u8], path: &str, name: &WheelName) -> Result<(), String> {
    let headers = headers(text, path)?;
    let found = single(&headers, path, "Name")?;
    if normalize(found) != name.distribution {
        return Err(format!("`{path}` is about the distribution `{found}`"));
    }
    let found = single(&headers, path, "Version")?;
    if !same_version(found, &name.version) {
        return Err(format!("`{path}` is about the version `{found}`"));
    }
    Ok(())
}

/// Checks `WHEEL`. PEP 427: "A wheel installer […] must fail if Wheel-Version has a greater major version than the
/// version it supports." Whether the root is purelib or platlib makes no difference here, both being `site-packages`.
pub(crate) fn check_wheel(text: &[u8], path: &str, name: &WheelName) -> Result<(), String> {
    let headers = headers(text, path)?;
    let version = single(&headers, path, "Wheel-Version")?;
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !version.split_once('.').is_some_and(|(major, minor)| major == "1" && number(minor)) {
        return Err(format!("`{path}`: it is of the format {}, and only 1.x is known", version.escape_debug()));
    }
    let purelib = single(&headers, path, "Root-Is-Purelib")?;
    if !["true", "false"].contains(&purelib.to_ascii_lowercase().as_str()) {
        return Err(format!("`{path}`: Root-Is-Purelib is `{}`, not true or false", purelib.escape_debug()));
    }
    check_build(&headers, path, name)?;
    check_tags(&headers, path, name)
}

/// PEP 427: "Build is the build number and is omitted if there is no build number." Archives that were renamed for a
/// second build omit it too.
fn check_build(headers: &[(String, &str)], path: &str, name: &WheelName) -> Result<(), String> {
    let fields = name.file.split('-').collect::<Vec<_>>();
    let named = if fields.len() == 6 { Some(fields[2]) } else { None };
    match headers.iter().find(|(key, _)| key == "build") {
        Some((_, build)) if named != Some(build) => {
            Err(format!("`{path}` is about the build `{}`, and the file name is not", build.escape_debug()))
        }
        _ => Ok(()),
    }
}

/// PEP 427: "Tag is the wheel's expanded compatibility tags". Two liberties are taken by wheels that everybody
/// installs. Maturin wrote compressed sets into the lines. And wheels are renamed after they were built: that of torch
/// for macOS lost its ABI and the version of the system that it needs, that of grpcio has become `universal2`. So tags
/// that differ have to agree at least in the interpreters, the kind of system and an architecture.
fn check_tags(headers: &[(String, &str)], path: &str, name: &WheelName) -> Result<(), String> {
    let named = expand(&name.python, &name.abi, &name.platform);
    let mut written = BTreeSet::new();
    for (_, tag) in headers.iter().filter(|(key, _)| key == "tag") {
        let [python, abi, platform] = tag.split('-').collect::<Vec<_>>()[..] else {
            return Err(format!("`{path}` has the tag `{}`, which is none", tag.escape_debug()));
        };
        // Far more than any wheel has; sets of sets multiply.
        if tag.len() > 1000 || written.len() > 1000 {
            return Err(format!("`{path}` has more tags than any wheel"));
        }
        written.extend(expand(python, abi, platform));
    }
    if written.is_empty() {
        return Err(format!("`{path}` has no tag"));
    }
    let parts = |tags: &BTreeSet<[String; 3]>| {
        let platforms = tags.iter().map(|[_, _, platform]| split_platform(platform));
        let (systems, machines) = platforms.map(|(system, machine)| (system.to_owned(), machine.to_owned())).unzip();
        let pythons = tags.iter().map(|[python, _, _]| python.clone()).collect::<BTreeSet<_>>();
        ((pythons, systems), machines)
    };
    let (named_parts, named_machines): ((_, BTreeSet<String>), BTreeSet<String>) = parts(&named);
    let (written_parts, written_machines): ((_, BTreeSet<String>), BTreeSet<String>) = parts(&written);
    let several = |machines: &BTreeSet<String>| machines.contains("universal2");
    let renamed = named_parts == written_parts
        && (!named_machines.is_disjoint(&written_machines) || several(&named_machines) || several(&written_machines));
    if named == written || renamed {
        return Ok(());
    }
    let written = written.into_iter().map(|tag| tag.join("-")).take(8).collect::<Vec<_>>().join(", ");
    Err(format!("`{path}` has tags that are not those of the file name: {}", written.escape_debug()))
}

/// The cross product of compressed sets (PEP 425).
fn expand(python: &str, abi: &str, platform: &str) -> BTreeSet<[String; 3]> {
    let mut tags = BTreeSet::new();
    for python in python.split('.') {
        for abi in abi.split('.') {
            tags.extend(platform.split('.').map(|platform| [python, abi, platform].map(str::to_owned)));
        }
    }
    tags
}

/// The kind of system and the architecture of a platform tag such as `manylinux_2_17_x86_64`.
fn split_platform(platform: &str) -> (&str, &str) {
    let (system, rest) = platform.split_once('_').unwrap_or((platform, ""));
    let digits = |c: char| c.is_ascii_digit();
    let system = if system.starts_with("manylinux") { "linux" } else { system.trim_end_matches(digits) };
    let machine = rest.trim_start_matches(|c| digits(c) || c == '_');
    (system, machine)
}

/// The lines of "the same basic key: value format", up to where the header ends; keys in lower case.
fn headers<'a>(text: &'a [u8], path: &str) -> Result<Vec<(String, &'a str)>, String> {
    let text = std::str::from_utf8(text).map_err(|_| format!("`{path}` is not UTF-8"))?;
    let mut headers = Vec::new();
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            continue;
        }
        // As for Python's parser of e-mails, which everybody uses, an empty line or one without a colon ends them.
        let Some((key, value)) = line.split_once(':') else { break };
        headers.push((key.to_ascii_lowercase(), value.trim()));
    }
    Ok(headers)
}

fn single<'a>(headers: &[(String, &'a str)], path: &str, key: &str) -> Result<&'a str, String> {
    let mut found = headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(key));
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Ok(value),
        (None, _) => Err(format!("`{path}` has no {key}")),
        (Some(_), Some(_)) => Err(format!("`{path}` has more than one {key}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(file: &str, lines: &str) -> Result<(), String> {
        let name = WheelName::parse(file).unwrap();
        check_wheel(format!("Wheel-Version: 1.0\nRoot-Is-Purelib: true\n{lines}").as_bytes(), "WHEEL", &name)
    }

    #[test]
    fn tags_may_differ_only_as_those_of_real_wheels_do() {
        for (file, lines) in [
            ("a-1-py2.py3-none-any.whl", "Tag: py2-none-any\nTag: py3-none-any\n"),
            ("a-1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "Tag: py3-none-manylinux2014_x86_64"),
            ("a-1-py3-none-win_amd64.whl", "Tag: py3-none-win_amd64"),
            ("torch-2.8.0-cp312-none-macosx_11_0_arm64.whl", "Tag: cp312-cp312-macosx_14_0_arm64"),
            ("a-1-cp310-cp310-macosx_12_0_universal2.whl", "Tag: cp310-cp310-macosx_12_0_x86_64"),
        ] {
            tags(file, lines).unwrap();
        }
        for (file, lines) in [
            ("a-1-py3-none-any.whl", "Tag: py2-none-any\nTag: py3-none-any\n"),
            ("a-1-py3-none-any.whl", "Tag: py3-none-win_amd64"),
            ("a-1-cp312-cp312-manylinux2014_x86_64.whl", "Tag: cp312-cp312-manylinux2014_aarch64"),
            ("a-1-cp312-cp312-macosx_11_0_arm64.whl", "Tag: cp310-cp310-macosx_11_0_arm64"),
            ("a-1-cp312-cp312-macosx_11_0_arm64.whl", "Tag: cp312-cp312-macosx_11_0_x86_64"),
        ] {
            assert!(tags(file, lines).unwrap_err().contains("not those of the file name"), "{file}");
        }
    }

    #[test]
    fn the_build_is_that_of_the_name_or_omitted() {
        tags("a-1-2-py3-none-any.whl", "Tag: py3-none-any\nBuild: 2\n").unwrap();
        tags("a-1-2-py3-none-any.whl", "Tag: py3-none-any\n").unwrap();
        tags("a-1-py3-none-any.whl", "Tag: py3-none-any\nBuild: 2\n").unwrap_err();
    }
}
