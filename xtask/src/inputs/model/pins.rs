//! Fills in the open entries of `models.toml` with the answers of the hub.

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use toml_edit::{ArrayOfTables, DocumentMut, Table, value};

use super::hub_error::HubError;
use super::resolve::{self, Resolution};
use crate::base::failure::Failure;
use crate::pins::manifest::{ModelEntry, ModelsManifest};

pub enum Outcome {
    /// Everything was pinned before.
    Complete,
    /// These are the changes that were written.
    Filled(Vec<String>),
    /// The hub did not answer, and nothing was written.
    OutOfReach(Failure),
}

/// Asks the hub for what the manifest at `path` leaves open, and writes it there. Comments and order stay.
///
/// # Errors
/// When the hub contradicts a pin, or refuses to tell. Nothing is written then.
pub fn fill(path: &Utf8Path, manifest: &ModelsManifest) -> Result<Outcome> {
    let mut document: DocumentMut = fs_err::read_to_string(path)?.parse()?;
    let mut changes = Vec::new();
    for (index, entry) in manifest.model.iter().enumerate() {
        if entry.revision.is_some() && entry.file.iter().all(|file| file.pin().is_some()) {
            continue;
        }
        let resolution = match resolve::examine(entry) {
            Ok(resolution) => resolution,
            Err(HubError::OutOfReach(failure)) => return Ok(Outcome::OutOfReach(failure)),
            Err(HubError::Refused(failure)) => return Err(failure.into()),
        };
        // By place: a repository with GGML weights may have several entries.
        let models = document.get_mut("model").and_then(toml_edit::Item::as_array_of_tables_mut);
        let found = models.and_then(|models| models.get_mut(index));
        changes.extend(write(found.context("the manifest was just read with this model")?, entry, &resolution)?);
    }
    if changes.is_empty() {
        return Ok(Outcome::Complete);
    }
    fs_err::write(path, document.to_string())?;
    Ok(Outcome::Filled(changes))
}

fn find<'a>(tables: Option<&'a mut ArrayOfTables>, path: &str) -> Option<&'a mut Table> {
    tables?.iter_mut().find(|table| table.get("path").and_then(toml_edit::Item::as_str) == Some(path))
}

/// Writes what was found out about a model and says what that is.
fn write(model: &mut Table, entry: &ModelEntry, resolution: &Resolution) -> Result<Vec<String>> {
    let id = &entry.id;
    let mut changes = Vec::new();
    if entry.revision.is_none() {
        changes.push(format!("{id}: revision → {}", resolution.commit));
        model.insert("revision", value(&resolution.commit));
    }
    for file in entry.file.iter().filter(|file| file.pin().is_none()) {
        let path = &file.path;
        let (size, sha256) = resolution.files[path];
        let found = find(model.get_mut("file").and_then(toml_edit::Item::as_array_of_tables_mut), path);
        let table = found.context("the manifest was just read with this file")?;
        if file.predicted && file.sha256 == Some(sha256) && file.size.is_none_or(|predicted| predicted == size) {
            changes.push(format!("{id}: {path}: the hub confirms the predicted sha256 {sha256}"));
        } else {
            let before = file.sha256.map_or_else(String::new, |before| format!("{before} → "));
            changes.push(format!("{id}: {path}: sha256 {before}{sha256}, {size} bytes"));
        }
        table.insert("size", value(i64::try_from(size)?));
        table.insert("sha256", value(sha256.to_string()));
        table.remove("predicted");
    }
    Ok(changes)
}
