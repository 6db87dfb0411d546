//! Compares the entries of an archive with its `runtime.json`, which comes before the files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use speaches_format::description::{Description, File};
use speaches_format::layout;
use speaches_format::verification::Differences;

use super::super::entries;
use super::{damaged, reading};
use crate::base::digest::{Hasher, Sha256};
use crate::runtime::verify;

/// No description is longer, in bytes.
const LONGEST: u64 = 1 << 28;
/// Bytes that are read at once.
const CHUNK: usize = 1 << 18;

/// An entry as its archive describes it.
pub struct Found<'a> {
    /// With the top-level directory.
    pub name: &'a str,
    pub kind: Kind<'a>,
    pub mode: u32,
}

pub enum Kind<'a> {
    Directory,
    File,
    Link(&'a str),
    Other,
}

pub struct Walk<'a> {
    bundle: &'a Utf8Path,
    /// The place of the runtime and of the empty directory beside it, if the archive may not choose them.
    place: Option<(&'static str, &'static str)>,
    top: Option<String>,
    described: Option<Described>,
    differences: Differences,
    buffer: Vec<u8>,
}

struct Described {
    description: Description,
    files: BTreeMap<String, File>,
    directories: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    pub fn new(bundle: &'a Utf8Path) -> Self {
        Self {
            bundle,
            place: None,
            top: None,
            described: None,
            differences: Differences::default(),
            buffer: vec![0; CHUNK],
        }
    }

    /// Before the first entry of an archive in which the runtime is somewhere, and an empty directory somewhere else.
    pub fn inside(bundle: &'a Utf8Path, top: &'static str, beside: &'static str) -> Self {
        Self { place: Some((top, beside)), ..Self::new(bundle) }
    }

    pub fn visit(&mut self, found: &Found<'_>, content: &mut dyn Read) -> Result<()> {
        let name = found.name;
        let Some(top) = &self.top else {
            let top = name.strip_suffix('/').filter(|top| match self.place {
                Some((place, _)) => *top == place,
                None => !top.is_empty() && !top.contains('/'),
            });
            let top = top.filter(|_| matches!(found.kind, Kind::Directory) && found.mode == 0o755);
            self.top = Some(top.ok_or_else(|| self.foreign(name))?.to_owned());
            return Ok(());
        };
        let path = name.strip_prefix(top.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            let beside = self.place.map(|(_, beside)| beside);
            if matches!(found.kind, Kind::Directory) && beside.is_some() && name.strip_suffix('/') == beside {
                return Ok(());
            }
            self.differences.extra.push(name.to_owned());
            return Ok(());
        };
        let path = path.to_owned();
        if self.described.is_none() {
            if path != layout::DESCRIPTION || !matches!(found.kind, Kind::File) || found.mode != 0o644 {
                return Err(self.foreign(name));
            }
            self.described = Some(self.describe(content)?);
            return Ok(());
        }
        self.compare(&path, found, content)
    }

    fn compare(&mut self, path: &str, found: &Found<'_>, content: &mut dyn Read) -> Result<()> {
        let described = self.described.as_mut().context("the description comes first")?;
        if let Some(directory) = path.strip_suffix('/') {
            if !described.directories.remove(directory) {
                self.differences.extra.push(path.to_owned());
            } else if !matches!(found.kind, Kind::Directory) || found.mode != 0o755 {
                self.differences.changed.push(path.to_owned());
            }
            return Ok(());
        }
        let Some(file) = described.files.remove(path) else {
            self.differences.extra.push(path.to_owned());
            return Ok(());
        };
        let same = match found.kind {
            Kind::Link(to) => file.mode == "link" && Sha256::of(to.as_bytes()).to_string() == file.sha256,
            Kind::File => {
                let mut hasher = Hasher::new(io::sink());
                loop {
                    match content.read(&mut self.buffer) {
                        Ok(0) => break,
                        Ok(read) => hasher.update(&self.buffer[..read]),
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(reading(self.bundle, &format!("in `{path}`"), error)),
                    }
                }
                let (sha256, size) = hasher.finish();
                let mode = if file.mode == "755" { 0o755 } else { 0o644 };
                (size, sha256.to_string()) == (file.size, file.sha256) && file.mode != "link" && found.mode == mode
            }
            Kind::Directory | Kind::Other => false,
        };
        if !same {
            self.differences.changed.push(path.to_owned());
        }
        Ok(())
    }

    fn describe(&self, content: &mut dyn Read) -> Result<Described> {
        let mut text = Vec::new();
        let place = format!("in `{}`", layout::DESCRIPTION);
        content.take(LONGEST).read_to_end(&mut text).map_err(|error| reading(self.bundle, &place, error))?;
        let description = verify::parse(&format!("{}: {}", self.bundle, layout::DESCRIPTION), &text)?;
        let directories = entries::entries(&description)
            .iter()
            .filter_map(|entry| match entry {
                entries::Entry::Directory(path) if !path.is_empty() => Some((*path).to_owned()),
                _ => None,
            })
            .collect();
        let files = description.files.iter().map(|file| (file.path.clone(), file.clone())).collect();
        Ok(Described { description, files, directories })
    }

    /// Ends the walk after the last entry.
    pub fn finish(self, bundle: &Utf8Path) -> Result<(Description, Differences)> {
        let described = self.described.ok_or_else(|| damaged(bundle, "it has no `runtime.json`"))?;
        let mut differences = self.differences;
        differences.missing = described.files.into_keys().collect();
        differences.missing.extend(described.directories.iter().map(|directory| format!("{directory}/")));
        for list in [&mut differences.changed, &mut differences.missing, &mut differences.extra] {
            list.sort();
        }
        Ok((described.description, differences))
    }

    /// An error of reading the archive. A file that was seen to be changed before is the cause more likely than what comes
    /// last: the checksums of formats are at their ends.
    pub fn reading(&self, place: &str, error: io::Error) -> anyhow::Error {
        match self.differences.changed.first() {
            Some(file) => reading(self.bundle, &format!("`{file}` was changed, and {place}"), error),
            None => reading(self.bundle, place, error),
        }
    }

    /// An archive whose files may be as described.
    pub fn damaged(&self, how: &str) -> anyhow::Error {
        damaged(self.bundle, how)
    }

    fn foreign(&self, name: &str) -> anyhow::Error {
        damaged(self.bundle, &format!("it does not begin with a directory and its `runtime.json`, but has `{name}`"))
    }
}
