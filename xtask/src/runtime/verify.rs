//! Reads `runtime.json`, and compares a runtime with it. The comparison is in `speaches_format::verification`, which
//! the launcher uses too.

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use speaches_format::description::{Description, Unreadable};
use speaches_format::layout;
pub use speaches_format::verification::Differences;
use speaches_format::verification::{self, Depth};

use crate::base::failure::{Exit, Failure};

/// Reads `runtime.json`.
pub fn read(runtime: &Utf8Path) -> Result<Description> {
    let path = runtime.join(layout::DESCRIPTION);
    if !path.is_file() {
        bail!(
            Failure::new(Exit::NoInput, format!("`{runtime}` is not a runtime: it has no `{}`", layout::DESCRIPTION))
                .hint("`cargo xtask provision` makes one and prints its path")
        );
    }
    parse(path.as_str(), &fs_err::read(&path)?)
}

/// Reads the text of a `runtime.json`; `place` says where it is.
pub fn parse(place: &str, text: &[u8]) -> Result<Description> {
    Description::parse(text).map_err(|error| {
        let (how, hint) = match &error {
            Unreadable::OtherFormat(_) => ("cannot be read", "provision it again, or use the version that made it"),
            Unreadable::Damaged(_) => ("is damaged", "provision or unpack it again"),
        };
        Failure::new(Exit::Data, format!("`{place}` {how}: {error}")).hint(hint).into()
    })
}

/// Hashes every file of a runtime.
pub fn verify(runtime: &Utf8Path, description: &Description) -> Result<Differences> {
    verification::compare(runtime.as_std_path(), &description.files, Depth::Content)
        .with_context(|| format!("cannot compare `{runtime}` with its description"))
}
