//! Comparing a runtime with its description. The comparison itself is the launcher's, which has to do the same.

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use speaches_launcher::layout;
use speaches_launcher::runtime::{Description, SCHEMA};
pub use speaches_launcher::verification::Differences;
use speaches_launcher::verification::{self, Depth};

use crate::failure::{Exit, Failure};

/// Reads `runtime.json`.
pub fn read(runtime: &Utf8Path) -> Result<Description> {
    let path = runtime.join(layout::DESCRIPTION);
    if !path.is_file() {
        bail!(
            Failure::new(
                Exit::NoInput,
                format!("`{runtime}` is no runtime: there is no `{}` in it", layout::DESCRIPTION)
            )
            .hint("`cargo xtask provision` makes one and prints its path")
        );
    }
    let description: Description = serde_json::from_slice(&fs_err::read(&path)?)
        .map_err(|error| Failure::new(Exit::Data, format!("`{path}` is damaged: {error}")))?;
    if description.head.schema != SCHEMA {
        bail!(Failure::new(
            Exit::Data,
            format!("`{path}` has the format {}, and this tool knows {SCHEMA}", description.head.schema)
        ));
    }
    Ok(description)
}

/// Hashes every file of a runtime.
pub fn verify(runtime: &Utf8Path, description: &Description) -> Result<Differences> {
    verification::compare(runtime.as_std_path(), &description.files, Depth::Content)
        .with_context(|| format!("cannot compare `{runtime}` with its description"))
}
