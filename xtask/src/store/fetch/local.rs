//! Sources that are files of this machine: a package index may be a directory.

use std::io::Read as _;

use camino::Utf8Path;
use fs_err::File;

use super::download::Download;
use super::error::FetchError;
use super::mismatch::differing;
use super::partial::{About, Partial};
use super::response::ResponseInfo;
use crate::report::Bar;

/// Copies a file to where it would have been downloaded to.
pub fn copy(
    path: &Utf8Path,
    download: &Download,
    partial: &mut Partial,
    bar: &dyn Bar,
) -> Result<ResponseInfo, FetchError> {
    tracing::info!("copies `{path}`");
    let mut file = File::open(path).map_err(|error| FetchError::Fatal(error.into()))?;
    let metadata = file.metadata().map_err(|error| FetchError::Fatal(error.into()))?;
    let total = metadata.is_file().then_some(metadata.len());
    if let (Some(wanted), Some(found)) = (download.size, total)
        && wanted != found
    {
        let found = format!("found:  {found} bytes");
        let pin = (download.size, download.sha256);
        return Err(FetchError::Mismatch(differing(&download.label, path.as_str(), pin, &found)));
    }
    bar.set_back(partial.length());
    partial.restart(About { url: path.to_string(), validator: None, total }).map_err(FetchError::Local)?;
    loop {
        let read = file.read(partial.buffer()).map_err(|error| FetchError::Fatal(error.into()))?;
        if read == 0 {
            return Ok(ResponseInfo::default());
        }
        partial.append(read).map_err(FetchError::Local)?;
        bar.advance(read as u64);
    }
}
