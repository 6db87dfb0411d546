//! Archives of python-build-standalone, kind `install_only_stripped`: a gzipped tar with `python/` at its top.

use std::io::{self, BufReader, Read};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use flate2::read::MultiGzDecoder;
use fs_err::File;
use tar::EntryType;

use crate::base::failure::{Exit, Failure};
use crate::store::tree::{RelativePath, TreeWriter};

const TOP: &str = "python/";

/// Whether a file is a gzipped archive rather than a program.
pub fn is_archive(path: &Utf8Path) -> Result<bool> {
    let mut magic = [0; 2];
    let read = File::open(path)?.read(&mut magic)?;
    Ok(magic[..read] == [0x1f, 0x8b])
}

type Archive = tar::Archive<MultiGzDecoder<BufReader<File>>>;

fn open(path: &Utf8Path) -> Result<Archive> {
    Ok(tar::Archive::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, File::open(path)?))))
}

fn damaged(path: &Utf8Path, what: &str) -> Failure {
    Failure::new(Exit::Data, format!("`{path}` is not an archive of a CPython installation: {what}"))
        .hint("use an `install_only_stripped` archive of python-build-standalone")
}

/// A file of an archive. It keeps errors of the archive apart from errors of the destination.
struct Source<R> {
    inner: R,
    error: Option<String>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        if let Err(error) = &read {
            self.error = Some(error.to_string());
        }
        read
    }
}

/// The version that the headers in an archive state.
pub fn version(path: &Utf8Path) -> Result<String> {
    let mut archive = open(path)?;
    for entry in archive.entries()? {
        let mut entry = entry.map_err(|error| damaged(path, &error.to_string()))?;
        if entry.path()?.ends_with("patchlevel.h") {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            let version = text
                .lines()
                .find_map(|line| line.strip_prefix("#define PY_VERSION")?.trim().strip_prefix('"')?.strip_suffix('"'));
            if let Some(version) = version {
                return Ok(version.trim_end_matches('+').to_owned());
            }
        }
    }
    bail!(damaged(path, "no `patchlevel.h` in it states a version"))
}

/// Unpacks an installation without the parts that `left_out` names by their path.
pub fn unpack(path: &Utf8Path, minor: &str, left_out: fn(&str) -> bool, writer: &mut TreeWriter) -> Result<()> {
    let mut archive = open(path)?;
    let mut links = Vec::new();
    for entry in archive.entries()? {
        let entry = entry.map_err(|error| damaged(path, &error.to_string()))?;
        let name = Utf8PathBuf::from_path_buf(entry.path()?.into_owned())
            .map_err(|name| damaged(path, &format!("`{}` is not UTF-8", name.display())))?;
        let Some(name) = name.as_str().strip_prefix(TOP).map(str::to_owned) else {
            continue;
        };
        if name.is_empty() || left_out(&name) {
            continue;
        }
        match entry.header().entry_type() {
            EntryType::Directory => {}
            EntryType::Regular | EntryType::Continuous => {
                let name = RelativePath::new(name).map_err(|error| damaged(path, &error.to_string()))?;
                let executable = entry.header().mode()? & 0o111 != 0;
                let mut source = Source { inner: entry, error: None };
                let added = writer.add(name, &mut source, executable);
                if let Some(error) = source.error {
                    bail!(damaged(path, &error));
                }
                added.with_context(|| format!("cannot unpack `{path}`"))?;
            }
            EntryType::Symlink => {
                let to = entry.link_name()?.context("a link without a target")?;
                let to = to.to_str().context("a link to a path that is not UTF-8")?.to_owned();
                links.push((RelativePath::new(name).map_err(|error| damaged(path, &error.to_string()))?, to));
            }
            kind => bail!(damaged(path, &format!("`{name}` is a {kind:?}"))),
        }
    }
    for (name, to) in links {
        writer.link(name, &to).map_err(|error| damaged(path, &error.to_string()))?;
    }
    let library = [format!("lib/python{minor}/os.py"), "Lib/os.py".to_owned()];
    if !library.into_iter().any(|file| RelativePath::new(file).is_ok_and(|file| writer.contains(&file))) {
        bail!(damaged(path, &format!("it has no standard library of Python {minor}")));
    }
    Ok(())
}
