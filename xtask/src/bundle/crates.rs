//! The crates that are linked into the launcher of a runtime, from the record in the runtime's `licenses/`.

use anyhow::Result;
use speaches_format::layout;

use super::Runtime;
use crate::base::failure::{Exit, Failure};
use crate::inputs::launcher::licenses::{Crate, RECORD, Record, STANDARD_LIBRARY};

/// Those of the target, sorted; nothing if the runtime has no record.
pub fn crates(runtime: &Runtime<'_>) -> Result<Option<Vec<Crate>>> {
    let Some(place) = text(runtime, &[RECORD]) else { return Ok(None) };
    let path = runtime.root.join(place);
    let record: Record = toml::from_str(&fs_err::read_to_string(&path)?)
        .map_err(|error| Failure::new(Exit::Data, format!("`{path}` is malformed: {error}")))?;
    let mut crates = record.crates;
    crates.retain(|one| one.targets.contains(&runtime.description.info.target));
    Ok(Some(crates))
}

/// Whether the texts of all that is linked into the launcher are there.
pub fn have_texts(runtime: &Runtime<'_>) -> bool {
    text(runtime, &[RECORD]).is_some() && text(runtime, &STANDARD_LIBRARY).is_some()
}

/// The first of these files, which belong below `licenses/`, that is in the runtime.
pub fn text(runtime: &Runtime<'_>, files: &[&str]) -> Option<String> {
    files.iter().map(|file| format!("{}/{file}", layout::LICENSES)).find(|place| runtime.has(place))
}
