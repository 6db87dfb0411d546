//! Comparing a runtime with its description.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use speaches_launcher::layout;
use speaches_launcher::runtime::{Description, File, SCHEMA};
use walkdir::WalkDir;

use crate::digest::Sha256;
use crate::failure::{Exit, Failure};

/// Files that packages write into their own directory when the service runs.
const WRITTEN_AT_RUN_TIME: [&str; 1] = ["gradio/hash_seed.txt"];

/// How a runtime differs from its description.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Other bytes, or other permissions.
    pub changed: Vec<String>,
    /// Described, but not there.
    pub missing: Vec<String>,
    /// There, but not described.
    pub extra: Vec<String>,
}

impl Differences {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.missing.is_empty() && self.extra.is_empty()
    }

    /// One line each.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let kinds = [("changed", &self.changed), ("missing", &self.missing), ("extra", &self.extra)];
        kinds.into_iter().flat_map(|(kind, paths)| paths.iter().map(move |path| format!("{kind}: {path}")))
    }
}

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
    let described = description.files.iter().map(|file| (file.path.as_str(), file)).collect::<BTreeMap<_, _>>();
    let mut differences = Differences::default();
    let states = description
        .files
        .par_iter()
        .map(|file| Ok((file.path.clone(), state(&runtime.join(&file.path), file)?)))
        .collect::<Result<Vec<_>>>()?;
    for (path, state) in states {
        match state {
            State::Same => {}
            State::Changed => differences.changed.push(path),
            State::Missing => differences.missing.push(path),
        }
    }
    for entry in WalkDir::new(runtime).sort_by_file_name() {
        let entry = entry?;
        let path = Utf8Path::from_path(entry.path()).context("a path that is not UTF-8")?;
        let relative = path.strip_prefix(runtime)?.as_str().replace('\\', "/");
        let known = described.contains_key(relative.as_str())
            || relative == layout::DESCRIPTION
            || WRITTEN_AT_RUN_TIME.iter().any(|known| relative.ends_with(known));
        if !entry.file_type().is_dir() && !known {
            differences.extra.push(relative);
        }
    }
    Ok(differences)
}

enum State {
    Same,
    Changed,
    Missing,
}

fn state(path: &Utf8PathBuf, file: &File) -> Result<State> {
    let Ok(metadata) = path.symlink_metadata() else {
        return Ok(State::Missing);
    };
    let same = if file.mode == "link" {
        metadata.is_symlink()
            && Sha256::of(fs_err::read_link(path)?.to_string_lossy().as_bytes()).to_string() == file.sha256
    } else {
        metadata.is_file()
            && metadata.len() == file.size
            && mode_is(&metadata, &file.mode)
            && Sha256::of_file(path)?.to_string() == file.sha256
    };
    Ok(if same { State::Same } else { State::Changed })
}

/// Whether a file is executable or not as it should be. Write permissions may differ: a runtime that an
/// administrator made read-only is still the same.
fn mode_is(metadata: &std::fs::Metadata, mode: &str) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        (metadata.permissions().mode() & 0o100 != 0) == (mode == "755")
    }
    #[cfg(not(unix))]
    {
        let _ = (metadata, mode);
        true
    }
}
