//! Sources that are files of this machine: a package index may be a directory.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use reqwest::Url;

use super::Download;
use super::answer::Arrival;
use super::attempt::Setback;
use super::partial::{About, Partial};
use crate::progress::Bar;

/// The path that a source is, unless it is to be fetched from a server.
pub fn path(source: &str) -> Option<Utf8PathBuf> {
    match Url::parse(source) {
        Ok(url) if url.scheme() == "file" => Utf8PathBuf::from_path_buf(url.to_file_path().ok()?).ok(),
        // `C:` is a drive.
        Ok(url) if url.scheme().len() > 1 => None,
        _ => Some(Utf8PathBuf::from(source)),
    }
}

/// Copies a file to where it would have been downloaded to.
pub fn copy(path: &Utf8Path, download: &Download, partial: &mut Partial, bar: &dyn Bar) -> Result<Arrival, Setback> {
    let mut file = File::open(path).map_err(|error| Setback::Source(error.into()))?;
    let metadata = file.metadata().map_err(|error| Setback::Source(error.into()))?;
    let total = metadata.is_file().then_some(metadata.len());
    if let (Some(wanted), Some(found)) = (download.size, total)
        && wanted != found
    {
        let found = format!("found:  {found} bytes");
        let pin = (download.size, download.sha256);
        return Err(Setback::Wrong(super::differing(&download.label, path.as_str(), pin, &found)));
    }
    bar.set_back(partial.length());
    partial.restart(About { url: path.to_string(), validator: None, total }).map_err(Setback::Here)?;
    loop {
        let read = file.read(partial.room()).map_err(|error| Setback::Source(error.into()))?;
        if read == 0 {
            return Ok(Arrival::default());
        }
        partial.append(read).map_err(Setback::Here)?;
        bar.advance(read as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn paths_and_urls_are_told_apart() {
        for remote in ["http://a/b", "https://a/b?c", "ftp://a/b"] {
            assert_eq!(path(remote), None, "{remote}");
        }
        for local in ["/a/b c.whl", "a/b", r"C:\a\b", "./a%20b"] {
            assert_eq!(path(local).unwrap(), local);
        }
        #[cfg(unix)]
        assert_eq!(path("file:///a/b%20c+d").unwrap(), "/a/b c+d");
    }
}
