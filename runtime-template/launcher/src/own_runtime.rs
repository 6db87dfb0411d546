//! The runtime that this program lies in.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use speaches_format::description::{Description, RuntimeInfo, Unreadable};
use speaches_format::failure::{Exit, Failure};
use speaches_format::layout::{self, Family};
use speaches_format::system::System;

/// The hint for an incomplete runtime.
pub const DAMAGED: &str =
    "the runtime is damaged; provision or unpack it again (`bin/speaches verify` shows the differences)";

/// The key of the list of files.
const FILES: &[u8] = b"\"files\":";
/// Bytes that are read at once: the head of a large runtime.
const CHUNK: u64 = 1 << 16;

/// A runtime and the head of its description.
pub struct OwnRuntime {
    /// Absolute path, without symbolic links.
    pub root: PathBuf,
    pub info: RuntimeInfo,
}

impl OwnRuntime {
    pub fn find() -> Result<Self, Failure> {
        let root = root()?;
        let info = read_info(&root)?;
        Ok(Self { root, info })
    }

    pub fn description(&self) -> Result<Description, Failure> {
        let text = fs_err::read(self.root.join(layout::DESCRIPTION));
        let text = text.map_err(|error| damaged(&self.root, &error.to_string()))?;
        Description::parse(&text).map_err(|error| unreadable(&self.root, &error))
    }

    #[must_use]
    pub fn python(&self) -> PathBuf {
        self.root.join(layout::PYTHON).join(Family::of_system(self.info.system()).interpreter(&self.info.python.minor))
    }

    /// The script that this program turns into.
    #[must_use]
    pub fn manager(&self) -> PathBuf {
        self.root.join(layout::SERVICE_MANAGER)
    }

    #[must_use]
    pub fn app(&self) -> PathBuf {
        self.root.join(layout::APP)
    }

    /// The Hugging Face cache with the bundled models.
    #[must_use]
    pub fn hub(&self) -> PathBuf {
        self.root.join(layout::MODELS_HUB)
    }
}

pub fn root() -> Result<PathBuf, Failure> {
    let executable = std::env::current_exe()
        .and_then(dunce::canonicalize)
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot find out where this program is: {error}")))?;
    // bin/speaches
    let root = executable.parent().and_then(Path::parent).map(Path::to_owned);
    root.filter(|root| root.join(layout::DESCRIPTION).is_file()).ok_or_else(|| {
        Failure::new(
            Exit::Unavailable,
            format!("`{}` is not in a runtime: there is no `{}` above it", executable.display(), layout::DESCRIPTION),
        )
        .hint("start `bin/speaches` where it was provisioned, or through a symbolic link; a copy does not work")
    })
}

/// The path to start the launcher of the runtime at `root` with. Where releases are installed side by side, the link
/// `current` leads to the one that is used, and stays right when the next one comes.
#[must_use]
pub fn launcher(root: &Path) -> PathBuf {
    let current = root.with_file_name("current");
    let is_used = dunce::canonicalize(&current).is_ok_and(|target| target == root);
    if is_used { &current } else { root }.join(Family::of_system(System::HERE).launcher())
}

/// Reads as far as the list of files, which comes last and is a hundred times as long as the rest: going through all of
/// it would take longer than everything else that this program does.
fn read_info(root: &Path) -> Result<RuntimeInfo, Failure> {
    let failed = |error: &dyn std::fmt::Display| damaged(root, &error.to_string());
    let mut file = fs_err::File::open(root.join(layout::DESCRIPTION)).map_err(|error| failed(&error))?;
    let mut text = Vec::new();
    loop {
        let searched = text.len().saturating_sub(FILES.len());
        let length = file.by_ref().take(CHUNK).read_to_end(&mut text).map_err(|error| failed(&error))?;
        // N.B. inside a text the quotes would have a backslash before them, so this is the key.
        if let Some(found) = text[searched..].windows(FILES.len()).position(|window| window == FILES) {
            text.truncate(searched + found);
            let end =
                text.iter().rposition(|byte| !byte.is_ascii_whitespace() && *byte != b',').map_or(0, |last| last + 1);
            text.truncate(end);
            text.push(b'}');
            break;
        }
        if length == 0 {
            break;
        }
    }
    RuntimeInfo::parse(&text).map_err(|error| unreadable(root, &error))
}

fn unreadable(root: &Path, error: &Unreadable) -> Failure {
    // Launcher and description are made together: where their formats differ, one of them was exchanged.
    damaged(root, &error.to_string())
}

fn damaged(root: &Path, what: &str) -> Failure {
    let path = root.join(layout::DESCRIPTION);
    Failure::new(Exit::Unavailable, format!("`{}` cannot be used: {what}", path.display())).hint(DAMAGED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use speaches_format::description::File;

    #[test]
    fn the_head_is_read_without_the_files_in_any_layout_of_the_text() {
        let directory = tempfile::tempdir().unwrap();
        let mut info = crate::config::tests::info();
        // Longer than what is read at once, and with something that looks like the key.
        info.tool = format!("\"files\": [{}", "x".repeat(100_000));
        let file = File { path: "a".into(), size: 1, sha256: String::new(), mode: "644".into() };
        let description = Description { info: info.clone(), files: vec![file] };
        for text in [serde_json::to_string(&description).unwrap(), serde_json::to_string_pretty(&description).unwrap()]
        {
            fs_err::write(directory.path().join(layout::DESCRIPTION), text).unwrap();
            let read = read_info(directory.path()).unwrap();
            assert_eq!((read.tool, read.models), (info.tool.clone(), info.models.clone()));
        }
        fs_err::write(directory.path().join(layout::DESCRIPTION), "{").unwrap();
        assert_eq!(read_info(directory.path()).unwrap_err().exit, Exit::Unavailable);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_newest_release_is_preferred_to_the_release() {
        let directory = tempfile::tempdir().unwrap();
        let parent = dunce::canonicalize(directory.path()).unwrap();
        let root = parent.join("1.0");
        fs_err::create_dir(&root).unwrap();
        assert_eq!(launcher(&root), root.join("bin/speaches"));
        fs_err::os::unix::fs::symlink(&root, parent.join("current")).unwrap();
        assert_eq!(launcher(&root), parent.join("current/bin/speaches"));
    }
}
