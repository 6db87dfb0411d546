//! Directories that belong to the user, when no setting names others.

use std::path::PathBuf;

use super::{Config, Sources};

/// The directory in which huggingface_hub keeps models, found as it finds it.
#[must_use]
pub fn default_hub(sources: &Sources<'_>) -> PathBuf {
    let cache = sources
        .path("XDG_CACHE_HOME")
        .or_else(|| sources.home().map(|home| home.join(".cache")))
        .unwrap_or_else(|| temporary().join("cache"));
    cache.join("huggingface/hub")
}

/// The directory that has a subdirectory for the state of each running service.
#[must_use]
pub fn state_root(sources: &Sources<'_>) -> PathBuf {
    if let Some(state) = sources.path("XDG_STATE_HOME") {
        return state.join("speaches");
    }
    if cfg!(windows)
        && let Some(local) = sources.path("LOCALAPPDATA")
    {
        return local.join("speaches");
    }
    match sources.home() {
        Some(home) if cfg!(target_os = "macos") => home.join("Library/Application Support/speaches"),
        Some(home) => home.join(".local/state/speaches"),
        None => temporary(),
    }
}

/// The directory for what several services of this machine share: the one above those of the single services, or the one
/// that somebody chose for this service.
#[must_use]
pub fn shared(config: &Config, sources: &Sources<'_>) -> PathBuf {
    if config.is_default("state_dir") { state_root(sources) } else { config.values.state_dir.clone() }
}

/// The directory for what services found out about this machine.
#[must_use]
pub fn machine(config: &Config, sources: &Sources<'_>) -> PathBuf {
    shared(config, sources).join("machine")
}

/// The directory for large files that a service can make again: in the user's cache, or below the state that somebody chose
/// for this service.
#[must_use]
pub fn cache(config: &Config, sources: &Sources<'_>) -> PathBuf {
    if !config.is_default("state_dir") {
        return config.values.state_dir.join("cache");
    }
    if let Some(cache) = sources.path("XDG_CACHE_HOME") {
        return cache.join("speaches");
    }
    if cfg!(windows)
        && let Some(local) = sources.path("LOCALAPPDATA")
    {
        return local.join("speaches").join("cache");
    }
    match sources.home() {
        Some(home) if cfg!(target_os = "macos") => home.join("Library/Caches/speaches"),
        Some(home) => home.join(".cache/speaches"),
        None => temporary().join("cache"),
    }
}

/// Where a program keeps things that was started with no environment at all, as service managers may do.
///
/// N.B. everybody can make a directory there, so `private_directory` looks at it before anything is written.
fn temporary() -> PathBuf {
    #[cfg(unix)]
    let name = format!("speaches-{}", nix::unistd::Uid::effective());
    #[cfg(not(unix))]
    let name = "speaches";
    std::env::temp_dir().join(name)
}
