//! The directories of one service, which its settings may have put elsewhere.

use std::path::PathBuf;

use super::directories::{cache_root, state_root, temporary};
use super::settings::Config;
use super::sources::Sources;

/// The warning for a home that is not writable, so that another directory takes its place.
#[must_use]
pub fn warning(config: &Config, sources: &Sources<'_>) -> Option<String> {
    let (home, state) = (sources.home()?, &config.values.service.state_dir);
    (config.is_default("state_dir") && state.starts_with(temporary()))
        .then(|| format!("`{}` is not writable, so the state is in `{}`", home.display(), state.display()))
}

/// The directory for files that several services of this machine share: the one above those of the single services, or
/// the one that the user chose for this service.
#[must_use]
pub fn shared(config: &Config, sources: &Sources<'_>) -> PathBuf {
    if config.is_default("state_dir") { state_root(sources) } else { config.values.service.state_dir.clone() }
}

/// The directory for what services found out about this machine.
#[must_use]
pub fn machine(config: &Config, sources: &Sources<'_>) -> PathBuf {
    shared(config, sources).join("machine")
}

/// The directory for large files that a service can make again: in the user's cache, or below the state directory that
/// the user chose for this service.
#[must_use]
pub fn cache(config: &Config, sources: &Sources<'_>) -> PathBuf {
    if !config.is_default("state_dir") {
        return config.values.service.state_dir.join("cache");
    }
    cache_root(sources)
}
