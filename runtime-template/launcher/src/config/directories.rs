//! Directories that belong to the user, when no setting names others.

use std::path::{Path, PathBuf};

use speaches_format::system::System;

use super::sources::Sources;

/// The directory in which huggingface_hub keeps models, found as it finds it.
#[must_use]
pub fn default_hub(sources: &Sources<'_>) -> PathBuf {
    let below = |cache: PathBuf| cache.join("huggingface").join("hub");
    if let Some(cache) = sources.path("XDG_CACHE_HOME") {
        return below(cache);
    }
    let own = sources.home().map(|home| below(home.join(".cache")));
    // Models that are there serve, even where no others can be added.
    own.filter(|hub| hub.is_dir() || is_writable(hub)).unwrap_or_else(|| below(temporary().join("cache")))
}

/// The directory that has a subdirectory for the state of each running service. A home that can only be read has none, so
/// that it is in the directory for temporary files.
#[must_use]
pub fn state_root(sources: &Sources<'_>) -> PathBuf {
    if let Some(state) = sources.path("XDG_STATE_HOME") {
        return state.join("speaches");
    }
    if let Some(local) = local_app_data(sources) {
        return local.join("speaches");
    }
    let below = match sources.system {
        System::MacOs => "Library/Application Support/speaches",
        System::Linux | System::Windows => ".local/state/speaches",
    };
    in_home(sources, below).unwrap_or_else(temporary)
}

/// The directory of the user for large files that a service can make again.
pub(super) fn cache_root(sources: &Sources<'_>) -> PathBuf {
    if let Some(cache) = sources.path("XDG_CACHE_HOME") {
        return cache.join("speaches");
    }
    if let Some(local) = local_app_data(sources) {
        return local.join("speaches").join("cache");
    }
    let below = match sources.system {
        System::MacOs => "Library/Caches/speaches",
        System::Linux | System::Windows => ".cache/speaches",
    };
    in_home(sources, below).unwrap_or_else(|| temporary().join("cache"))
}

/// The directory of Windows for a user's data on this machine.
fn local_app_data(sources: &Sources<'_>) -> Option<PathBuf> {
    sources.path("LOCALAPPDATA").filter(|_| sources.system == System::Windows)
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
/// N.B. every user can make a directory there, so `private_directory` checks it before the launcher writes anything.
pub(super) fn temporary() -> PathBuf {
    #[cfg(unix)]
    let name = format!("speaches-{}", nix::unistd::Uid::effective());
    #[cfg(not(unix))]
    let name = "speaches";
    std::env::temp_dir().join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_directories(system: System, variables: &[(&str, &str)], state: &str, cached: &str) {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().to_str().unwrap();
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.replace("HERE", home))
        };
        let sources = Sources { variable: &variable, contract: PathBuf::new(), directory: "/work".into(), system };
        assert_eq!(state_root(&sources), Path::new(&state.replace("HERE", home)), "{system:?}");
        assert_eq!(cache_root(&sources), Path::new(&cached.replace("HERE", home)), "{system:?}");
    }

    #[test]
    fn each_system_has_places_of_its_own() {
        let home = [("HOME", "HERE")];
        assert_directories(System::Linux, &home, "HERE/.local/state/speaches", "HERE/.cache/speaches");
        let library = ("HERE/Library/Application Support/speaches", "HERE/Library/Caches/speaches");
        assert_directories(System::MacOs, &home, library.0, library.1);
        let windows = [("USERPROFILE", "HERE"), ("LOCALAPPDATA", "HERE/AppData/Local")];
        let local = ("HERE/AppData/Local/speaches", "HERE/AppData/Local/speaches/cache");
        assert_directories(System::Windows, &windows, local.0, local.1);
        // These belong to another system, as in WSL, where Windows may hand on its variables.
        assert_directories(System::Linux, &[home[0], windows[1]], "HERE/.local/state/speaches", "HERE/.cache/speaches");
        let xdg = [("HOME", "HERE"), ("XDG_STATE_HOME", "HERE/s"), ("XDG_CACHE_HOME", "HERE/c")];
        for system in [System::Linux, System::MacOs, System::Windows] {
            assert_directories(system, &xdg, "HERE/s/speaches", "HERE/c/speaches");
        }
    }
}
