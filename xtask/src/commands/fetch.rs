//! `cargo xtask fetch`: the downloader by itself, for tests and benchmarks.

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde::Deserialize;

use crate::base::digest::Sha256;
use crate::base::quantity::pluralize;
use crate::report;
use crate::store::Store;
use crate::store::fetch::Download;

/// Fetch files into the store and print where they are
#[derive(Args, Debug)]
pub struct Arguments {
    /// A JSON list of {"urls": [...], "sha256": "...", "size": N or null}
    list: Utf8PathBuf,
    /// Tell the progress as JSON on standard error
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Wanted {
    urls: Vec<String>,
    sha256: Sha256,
    size: Option<u64>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let store = Store::locate()?;
    let downloads = read(&arguments.list)?;
    let progress = if arguments.json { report::as_json() } else { report::for_stderr() };
    store.fetch_all(&downloads, |count| pluralize(count, "file"), progress)?;
    for download in &downloads {
        super::print(store.file(download.sha256).as_str())?;
    }
    Ok(())
}

pub fn read(list: &Utf8Path) -> Result<Vec<Download>> {
    let wanted = serde_json::from_slice::<Vec<Wanted>>(&fs_err::read(list)?)
        .with_context(|| format!("`{list}` is not a list of downloads"))?;
    let downloads = wanted.into_iter().enumerate();
    Ok(downloads
        .map(|(index, Wanted { urls, sha256, size })| Download {
            label: format!("file {}", index + 1),
            urls,
            size,
            sha256,
        })
        .collect())
}
