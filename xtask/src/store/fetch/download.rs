//! A file to download.

use super::place;
use crate::base::digest::Sha256;

#[derive(Clone, Debug)]
pub struct Download {
    pub label: String,
    /// Its sources, tried in order: `http:`, `https:` and `file:` URLs, and paths.
    pub urls: Vec<String>,
    /// In bytes, when it is known.
    pub size: Option<u64>,
    pub sha256: Sha256,
}

impl Download {
    /// Whether all of its sources are on this machine.
    pub fn is_local(&self) -> bool {
        self.urls.iter().all(|url| place::is_local(url))
    }
}
