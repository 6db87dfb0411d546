//! Directories that belong to the user, when no setting names others.

use std::path::{Path, PathBuf};

use super::{Config, Sources};

/// The directory in which huggingface_hub keeps models, found as it finds it.
#[must_use]
pub fn default_hub(sources: &Sources<'_>) -> PathBuf {
    const HUB: &str = "huggingface/hub";
    if let Some(cache) = sources.path("XDG_CACHE_HOME") {
        return cache.join(HUB);
    }
    let own = sources.home().map(|home| home.join(".cache").join(HUB));
    // Models that are there serve, even where no others can be added.
    own.filter(|hub| hub.is_dir() || is_writable(hub)).unwrap_or_else(|| temporary().join("cache").join(HUB))
}

/// The directory that has a subdirectory for the state of each running service. A home that can only be read has none, so
/// that it is in the directory for temporary files.
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
    let below =
        if cfg!(target_os = "macos") { "Library/Application Support/speaches" } else { ".local/state/speaches" };
    in_home(sources, below).unwrap_or_else(temporary)
}

/// What to say when the home cannot be written, so that another directory takes its place.
#[must_use]
pub fn warning(config: &Config, sources: &Sources<'_>) -> Option<String> {
    let (home, state) = (sources.home()?, &config.values.state_dir);
    (config.is_default("state_dir") && state.starts_with(temporary()))
        .then(|| format!("`{}` cannot be written, so the state is in `{}`", home.display(), state.display()))
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
    let below = if cfg!(target_os = "macos") { "Library/Caches/speaches" } else { ".cache/speaches" };
    in_home(sources, below).unwrap_or_else(|| temporary().join("cache"))
}

/// A directory in the user's home, if it can be written or made there.
fn in_home(sources: &Sources<'_>, below: &str) -> Option<PathBuf> {
    sources.home().map(|home| home.join(below)).filter(|directory| is_writable(directory))
}

/// Whether this user can write a directory, or make it.
fn is_writable(directory: &Path) -> bool {
    directory.ancestors().find(|ancestor| ancestor.exists()).is_some_and(may_be_written)
}

#[cfg(unix)]
fn may_be_written(existing: &Path) -> bool {
    use nix::unistd::{AccessFlags, access};
    existing.is_dir() && access(existing, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

/// On Windows only trying tells.
#[cfg(not(unix))]
fn may_be_written(existing: &Path) -> bool {
    existing.is_dir()
}

/// The place of a program that was started with no environment at all, as service managers may do, or whose user has a
/// home that can only be read.
///
/// N.B. everybody can make a directory there, so `private_directory` looks at it before anything is written.
fn temporary() -> PathBuf {
    #[cfg(unix)]
    let name = format!("speaches-{}", nix::unistd::Uid::effective());
    #[cfg(not(unix))]
    let name = "speaches";
    std::env::temp_dir().join(name)
}
