//! The crates that are linked into the launcher of a runtime, as the record among its licences has them. `tests/repository/licences.rs`
//! makes the record from `Cargo.lock`, for all targets.

use anyhow::Result;
use serde::Deserialize;
use speaches_launcher::layout;

use super::Runtime;
use crate::failure::{Exit, Failure};

/// The record, below `licenses/`.
pub const RECORD: &str = "launcher/crates.toml";
/// The notices of the standard library, below `licenses/`.
pub const STANDARD_LIBRARY: &str = "launcher/rust-standard-library.html";

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "crate")]
    crates: Vec<Crate>,
}

/// A crate.
#[derive(Debug, Deserialize)]
pub struct Crate {
    pub name: String,
    pub version: String,
    /// Of its archive.
    pub sha256: String,
    /// An SPDX expression.
    pub license: String,
    /// Those for which it is linked.
    targets: Vec<String>,
}

/// Those of the target, sorted; nothing if the runtime has no record, as those of older tools.
pub fn crates(runtime: &Runtime<'_>) -> Result<Option<Vec<Crate>>> {
    let place = format!("{}/{RECORD}", layout::LICENSES);
    if !runtime.has(&place) {
        return Ok(None);
    }
    let path = runtime.root.join(place);
    let record: Record = toml::from_str(&fs_err::read_to_string(&path)?)
        .map_err(|error| Failure::new(Exit::Data, format!("`{path}` is malformed: {error}")))?;
    let mut crates = record.crates;
    crates.retain(|one| one.targets.contains(&runtime.description.head.target));
    Ok(Some(crates))
}
