//! The only downloader. Each file that it returns has the requested size and sha256.
//!
//! A file lies in `partial/` until it is whole, across processes and reboots: the next run asks for the rest.
//! The lock of the file is held meanwhile, so that of several processes one fetches it and the others find it.

mod attempt;
pub mod document;
mod download;
mod error;
mod hashing;
mod local;
mod mismatch;
mod partial;
mod place;
mod response;
mod retry;
mod space;

use anyhow::{Result, bail};
use camino::Utf8PathBuf;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::Store;
use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::base::quantity::{cached_suffix, human_size, pluralize};
use crate::net::http;
use crate::net::huggingface;
use crate::report::{self, Bar, Progress};
pub use download::Download;
use error::{FetchError, wait};
pub use mismatch::mismatch;
use partial::Partial;
pub use place::is_local;
pub use response::ErrorResponse;
use retry::{Retries, Timeouts};

/// The hint for a server with an untrusted certificate.
pub const UNTRUSTED: &str = "if your network has its own certificate authority, add it to the certificates of this \
                             system, or to the file that `SSL_CERT_FILE` names";

/// How many connections are open at once.
pub const CONNECTIONS: usize = 8;

impl Store {
    /// Fetches the missing files, several at a time. `name` describes a number of files for messages, such as
    /// `26 wheels`.
    pub fn fetch_all(
        &self,
        downloads: &[Download],
        name: impl Fn(usize) -> String,
        progress: &dyn Progress,
    ) -> Result<()> {
        let (there, missing) = downloads.iter().partition::<Vec<_>, _>(|one| self.has_file(one.sha256, one.size));
        for one in &there {
            tracing::debug!("found {} in the store: `files/{}`", one.label, one.sha256);
        }
        if missing.is_empty() {
            return Ok(());
        }
        self.check_free_space(missing.iter().map(|one| (one.sha256, one.size)), &pluralize(missing.len(), "file"))?;
        let total = missing.iter().map(|one| one.size).sum::<Option<u64>>();
        let what = name(missing.len());
        let bar = progress.bytes("Fetching", &what, total);
        // These threads wait for the network, not for the processor.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(CONNECTIONS.min(missing.len())).build()?;
        pool.install(|| missing.par_iter().try_for_each(|download| self.fetch(download, bar.as_ref())))?;
        let mut size = 0;
        for download in &missing {
            size += fs_err::metadata(self.file(download.sha256))?.len();
        }
        bar.done("Fetched", &format!("{what} ({}{})", human_size(size), cached_suffix(there.len())));
        Ok(())
    }

    /// Refuses to begin when the disk has no room for what is missing of these files, so far as their sizes are known.
    pub fn check_free_space(&self, files: impl Iterator<Item = (Sha256, Option<u64>)>, what: &str) -> Result<()> {
        let still = files.filter_map(|(sha256, size)| Some(size?.saturating_sub(partial::length(self, sha256))));
        space::check(self.root(), still.sum(), what)
    }

    /// Fetches one file, unless it is there.
    pub fn fetch(&self, download: &Download, bar: &dyn Bar) -> Result<()> {
        let file = self.file(download.sha256);
        let doing = format!("fetching {}", download.label);
        let is_damaged = || file.exists() && !self.has_file(download.sha256, download.size);
        if is_damaged() {
            let _guard = self.lock(&file, &doing)?;
            // Another process may have put it right meanwhile.
            if is_damaged() {
                let place = self.set_aside(&file)?;
                report::say(&format!(
                    "note: the cached copy of {} is truncated, as after a power cut; it is downloaded again, and the damaged \
                     copy is kept as `{place}`",
                    download.label
                ));
            }
        }
        let mut was_there = true;
        // N.B. no work directory: for each of many small files it would take longer than fetching them.
        self.publish_with(&file, &doing, || {
            was_there = false;
            let part = bar.part(&download.label, download.size);
            let bar = TeeBar { whole: bar, part: part.as_ref() };
            let mut partial = Partial::open(self, download.sha256)?;
            bar.found(partial.length());
            let whole = from_any(download, &mut partial, &bar);
            part.finish();
            if whole.is_err() {
                partial.keep_or_remove();
            }
            Ok((whole?, ()))
        })?;
        if was_there {
            bar.found(download.size.unwrap_or_default());
        }
        Ok(())
    }
}

/// A bar that forwards to the bar of one file and to that of all files.
struct TeeBar<'a> {
    whole: &'a dyn Bar,
    part: &'a dyn Bar,
}

impl Bar for TeeBar<'_> {
    fn advance(&self, amount: u64) {
        self.whole.advance(amount);
        self.part.advance(amount);
    }

    fn found(&self, amount: u64) {
        self.whole.found(amount);
        self.part.found(amount);
    }

    fn set_back(&self, amount: u64) {
        self.whole.set_back(amount);
        self.part.set_back(amount);
    }
}

/// Tries the sources in order and returns where the whole file is.
fn from_any(download: &Download, partial: &mut Partial, bar: &dyn Bar) -> Result<Utf8PathBuf> {
    let mut failures = Vec::new();
    let mut wrong = None;
    let mut untrusted = false;
    let mut advice = None;
    for url in &download.urls {
        match from_one(url, download, partial, bar) {
            Ok(path) => {
                if let Some(wrong) = wrong {
                    // Another source provided the file, but the user should check the one that sent wrong bytes.
                    report::say(&format!("warning: {wrong}"));
                }
                return Ok(path);
            }
            // A disk that is full is as full for the next source.
            Err(FetchError::Local(error)) => return Err(error),
            Err(FetchError::Mismatch(failure)) if wrong.is_none() => wrong = Some(failure),
            Err(FetchError::Mismatch(failure)) => failures.push(format!("{}: {failure}", http::redact_url(url))),
            Err(FetchError::Transient { error, .. } | FetchError::Fatal(error)) => {
                untrusted |= http::is_tls_error(&error);
                advice = advice.or_else(|| huggingface::advice(url, error.downcast_ref::<ErrorResponse>()?.status));
                failures.push(format!("{}: {error:#}", http::redact_url(url)));
            }
        }
    }
    let list = failures.join("\n    ");
    if let Some(wrong) = wrong {
        if failures.is_empty() {
            bail!(wrong);
        }
        let hint = wrong.advice().unwrap_or_default().to_owned();
        bail!(Failure::new(wrong.exit, format!("{wrong}\n  and its other sources failed:\n    {list}")).hint(hint));
    }
    let hint =
        if untrusted { UNTRUSTED } else { advice.unwrap_or("check the network and try again: downloads are kept") };
    bail!(Failure::new(Exit::Unavailable, format!("cannot fetch {}:\n    {list}", download.label)).hint(hint));
}

/// Asks one source until the file is whole, or there is no hope left.
fn from_one(url: &str, download: &Download, partial: &mut Partial, bar: &dyn Bar) -> Result<Utf8PathBuf, FetchError> {
    let timeouts = Timeouts::of_this_process();
    let mut retries = Retries::new(timeouts, partial.length());
    loop {
        let result = match place::on_this_machine(url) {
            Some(path) => local::copy(&path, download, partial, bar),
            None => attempt::once(url, download, partial, bar, timeouts),
        };
        let error = match result.and_then(|info| attempt::check(url, download, partial, &info, bar)) {
            Ok(path) => return Ok(path),
            Err(error) => error,
        };
        // The user may interrupt the wait; the next run needs the description to resume the download.
        if partial.length() > 0 && matches!(error, FetchError::Transient { .. }) {
            partial.describe().map_err(FetchError::Local)?;
        }
        wait(&mut retries, error, partial.length(), &download.label)?;
    }
}
