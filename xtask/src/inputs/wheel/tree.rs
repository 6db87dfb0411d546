//! Wheels as trees of the store.
//!
//! A tree of a wheel has two roots: `site-packages/` (purelib and platlib) and `data/` (files that go below the
//! prefix of the installation).

use std::io::{BufReader, Read};

use anyhow::Result;
use fs_err::File;
use speaches_format::layout::Family;
use wheel_archive::path::RelativePath;
pub use wheel_archive::place::{DATA, SITE_PACKAGES};
use wheel_archive::unpack::{self, Error, Sink};

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::inputs::license_file::is_license_file;
use crate::pins::lock::LockedWheel;
use crate::store::Store;
use crate::store::tree::{Entry, Tree, TreeWriter};

impl LockedWheel {
    pub fn has_tree(&self, store: &Store, family: Family) -> bool {
        has_tree(store, self.sha256, family)
    }

    /// Its unpacked tree. Fetches nothing: the wheel has to be in the store.
    pub fn tree(&self, store: &Store, family: Family) -> Result<Tree> {
        store.make_tree("wheel", key(self.sha256, family), |writer| {
            let archive = BufReader::with_capacity(1 << 16, File::open(store.file(self.sha256))?);
            unpack::unpack(archive, &self.name, depth(family), writer).map_err(|error| {
                let what = error.to_string();
                match error {
                    Error::Sink { error, .. } => error.context(what),
                    Error::Refused { .. } => Failure::new(Exit::Data, what).into(),
                }
            })
        })
    }
}

/// The name of the unpacked tree of a wheel in the store.
fn key(wheel: Sha256, family: Family) -> Sha256 {
    Sha256::of_json(&(unpack::VERSION, wheel, depth(family)))
}

/// Whether the unpacked tree of a wheel is there.
pub fn has_tree(store: &Store, wheel: Sha256, family: Family) -> bool {
    store.has_tree("wheel", key(wheel, family))
}

/// The path of a file of such a tree below `site-packages`, if it is there.
pub fn below_site_packages(path: &RelativePath) -> Option<RelativePath> {
    RelativePath::new(path.as_str().strip_prefix(SITE_PACKAGES)?.strip_prefix('/')?).ok()
}

/// How many directories lie between the prefix of an installation and what its `site-packages` holds.
fn depth(family: Family) -> usize {
    family.site_packages("3").split('/').count()
}

impl Sink for TreeWriter {
    type Error = anyhow::Error;

    fn add(&mut self, path: RelativePath, source: &mut dyn Read, executable: bool) -> Result<([u8; 32], u64)> {
        let (sha256, size) = Self::add(self, path, source, executable)?;
        Ok((sha256.bytes(), size))
    }
}

/// The files of a tree that hold a license, by where they belong below `licenses/`: those of its metadata, and those that
/// lie among its modules.
pub fn licenses<'a>(
    entries: impl Iterator<Item = (&'a RelativePath, &'a Entry)> + Clone,
) -> impl Iterator<Item = (&'a RelativePath, String)> {
    let inside = |path: &'a RelativePath| Some(path.as_str().strip_prefix(SITE_PACKAGES)?.trim_start_matches('/'));
    let stem = entries.clone().find_map(|(path, _)| inside(path)?.split_once('/')?.0.strip_suffix(".dist-info"));
    entries.filter_map(move |(path, _)| {
        let inside = inside(path)?;
        let stem = stem?;
        let rest = inside.strip_prefix(stem).and_then(|rest| rest.strip_prefix(".dist-info/"));
        let file = inside.rsplit('/').next()?.to_ascii_uppercase();
        let is_code = [".PY", ".PYI", ".PYC", ".SO", ".PYD", ".DLL"].iter().any(|end| file.ends_with(end));
        let declared = rest.and_then(|rest| rest.strip_prefix("licenses/"));
        let is_license = declared.is_some() || is_license_file(&file);
        (is_license && !is_code).then(|| (path, format!("{stem}/{}", declared.or(rest).unwrap_or(inside))))
    })
}
