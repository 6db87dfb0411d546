//! The one downloader. Whatever it returns has the size and sha256 that were asked for.

use std::io::{Read, Write as _};

use anyhow::{Context as _, Result, bail};
use camino::Utf8PathBuf;
use fs_err::File;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::Store;
use crate::digest::{Hasher, Sha256};
use crate::failure::{Exit, Failure};
use crate::http;
use crate::progress::{Bar, Progress};

/// How many connections are open at once.
pub const CONNECTIONS: usize = 8;

/// Something to fetch.
#[derive(Clone, Debug)]
pub struct Download {
    /// What it is, for people.
    pub label: String,
    /// Where it is, tried in order.
    pub urls: Vec<String>,
    /// In bytes, when it is known.
    pub size: Option<u64>,
    /// What it must hash to.
    pub sha256: Sha256,
}

impl Store {
    /// Fetches what is not there yet, several at a time.
    pub fn fetch_all(&self, downloads: &[Download], progress: &dyn Progress) -> Result<()> {
        let missing = downloads.iter().filter(|one| !self.file(one.sha256).exists()).collect::<Vec<_>>();
        if missing.is_empty() {
            return Ok(());
        }
        let total = missing.iter().map(|one| one.size).sum::<Option<u64>>();
        let bar = progress.bytes(&format!("Fetching {}", counted(missing.len(), "file")), total);
        // These threads wait for the network, not for the processor.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(CONNECTIONS.min(missing.len())).build()?;
        pool.install(|| missing.par_iter().try_for_each(|download| self.fetch(download, bar.as_ref())))?;
        bar.finish();
        Ok(())
    }

    /// Fetches one file, unless it is there.
    pub fn fetch(&self, download: &Download, bar: &dyn Bar) -> Result<()> {
        self.publish(&self.file(download.sha256), |work| {
            let mut failures = Vec::new();
            for url in &download.urls {
                let path = work.join(failures.len().to_string());
                match transfer(url, download, &path, bar) {
                    Ok(()) => return Ok(path),
                    // A full disk or a wrong byte is no better on the next server, or nothing to hide.
                    Err(error) if is_final(&error) => return Err(error),
                    Err(error) => failures.push(format!("{url}: {error:#}")),
                }
            }
            bail!(
                Failure::new(
                    Exit::Unavailable,
                    format!("cannot fetch {}:\n    {}", download.label, failures.join("\n    "))
                )
                .hint("check the network and try again: what was fetched already is kept")
            );
        })
    }
}

fn is_final(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Failure>()
            || cause
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::StorageFull)
    })
}

fn transfer(url: &str, download: &Download, path: &Utf8PathBuf, bar: &dyn Bar) -> Result<()> {
    // Compressed on the way, the bytes would not be those that were hashed.
    let mut response = http::client()?
        .get(url)
        .header(reqwest::header::ACCEPT_ENCODING, "identity")
        .send()
        .and_then(reqwest::blocking::Response::error_for_status)
        .map_err(reqwest::Error::without_url)?;
    let mut writer = Hasher::new(File::create(path)?);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = response.read(&mut buffer).context("the connection broke")?;
        if read == 0 {
            break;
        }
        writer.write_all(&buffer[..read])?;
        bar.advance(read as u64);
    }
    let (sha256, size) = writer.finish();
    if download.size.is_some_and(|wanted| wanted != size) || sha256 != download.sha256 {
        bail!(mismatch(&download.label, url, (download.size, download.sha256), (size, sha256)));
    }
    Ok(())
}

/// What to say about bytes that are not those of a pin.
pub fn mismatch(label: &str, origin: &str, wanted: (Option<u64>, Sha256), found: (u64, Sha256)) -> Failure {
    let size = wanted.0.map_or(String::new(), |size| format!("{size} bytes, "));
    Failure::new(
        Exit::Data,
        format!(
            "{label} from `{origin}` is not what its pin says\n    pinned: {size}sha256 {}\n    found:  {} bytes, sha256 {}",
            wanted.1, found.0, found.1
        ),
    )
    .hint("nothing of it was used; a proxy that changes what it passes on, or a wrong file, does this")
}

/// `1 file`, `2 files`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}
