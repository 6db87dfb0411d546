//! The machine that the tool runs on. Nothing here decides what goes into a runtime.

use std::process::Command;

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::base::failure::{Exit, Failure};
use crate::base::program;

/// The target triple of this machine, by the names of `manifests/targets.toml`.
pub fn triple() -> &'static str {
    // A tool built for musl makes runtimes for glibc all the same, since the wheels need it.
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        "x86_64-unknown-linux-gnu"
    } else if cfg!(all(target_os = "linux", target_arch = "aarch64")) {
        "aarch64-unknown-linux-gnu"
    } else if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
        "aarch64-apple-darwin"
    } else if cfg!(all(target_os = "macos", target_arch = "x86_64")) {
        "x86_64-apple-darwin"
    } else if cfg!(all(windows, target_arch = "x86_64")) {
        "x86_64-pc-windows-msvc"
    } else {
        "this machine"
    }
}

/// An environment variable; an empty one counts as unset.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The directory of caches of this user.
pub fn cache_directory() -> Result<Utf8PathBuf> {
    if let Some(cache) = variable("XDG_CACHE_HOME") {
        return Ok(cache.into());
    }
    if cfg!(windows)
        && let Some(local) = variable("LOCALAPPDATA")
    {
        return Ok(local.into());
    }
    match variable("HOME").or_else(|| variable("USERPROFILE")) {
        Some(home) => Ok(Utf8Path::new(&home).join(".cache")),
        None => bail!(
            Failure::new(Exit::Config, "cannot locate the store: `HOME` is not set")
                .hint("set `SPEACHES_STORE` to a directory")
        ),
    }
}

/// The interpreter that a shim of pyenv stands for, when the shim itself does not lead to one.
///
/// pyenv puts a `python3.12` on PATH as soon as any 3.12 is installed, which then refuses to run unless that
/// version is also the selected one. A user who names it here has said which version they mean.
pub fn behind_shim(path: &Utf8Path) -> Option<Utf8PathBuf> {
    let shims = path.parent().filter(|parent| parent.file_name() == Some("shims"))?;
    let minor = path.file_name()?.strip_prefix("python").filter(|minor| minor.contains('.'))?;
    let mut found = shims
        .parent()?
        .join("versions")
        .read_dir_utf8()
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let patch = entry.file_name().strip_prefix(minor)?.strip_prefix('.')?.parse::<u32>().ok()?;
            let interpreter = entry.path().join("bin").join(path.file_name()?);
            interpreter.is_file().then_some((patch, interpreter))
        })
        .collect::<Vec<_>>();
    found.sort();
    found.pop().map(|(_, interpreter)| interpreter)
}

/// Interpreters of this machine that answer, best first: those asked for by name, then what PATH has.
pub fn pythons(minors: &[&str]) -> Vec<Utf8PathBuf> {
    let mut names = minors.iter().map(|minor| format!("python{minor}")).collect::<Vec<_>>();
    names.extend(["python3".to_owned(), "python".to_owned()]);
    let mut found = Vec::<Utf8PathBuf>::new();
    for name in names {
        // Version managers put shims on PATH that answer for versions that are not there, so the only
        // proof that an interpreter works is that it runs.
        if let Some(path) = answer(name.as_str().into())
            && !found.contains(&path)
        {
            found.push(path);
        }
    }
    found
}

/// The executable that an interpreter reports.
fn answer(interpreter: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut command = Command::new(interpreter);
    command.args(["-I", "-c", "import sys; print(sys.executable)"]).stdin(std::process::Stdio::null());
    let output = program::output(&mut command).ok()?;
    let path = Utf8PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    (output.status.success() && path.is_file()).then_some(path)
}

/// The interpreter of a minor version that PATH has only as a shim which refuses to run.
pub fn python_behind_shim(minor: &str) -> Option<Utf8PathBuf> {
    answer(&behind_shim(&on_path(&format!("python{minor}"))?)?)
}

/// Finds a program on PATH.
fn on_path(name: &str) -> Option<Utf8PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .filter_map(|directory| Utf8PathBuf::from_path_buf(directory.join(name)).ok())
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_interpreter_behind_a_shim_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(directory.path()).unwrap();
        for version in ["3.12.1", "3.12.10", "3.1.2", "3.13.0"] {
            let bin = root.join("versions").join(version).join("bin");
            fs_err::create_dir_all(&bin).unwrap();
            fs_err::write(bin.join("python3.12"), "").unwrap();
        }
        let found = behind_shim(&root.join("shims/python3.12"));
        assert_eq!(found, Some(root.join("versions/3.12.10/bin/python3.12")));
        assert_eq!(behind_shim(&root.join("bin/python3.12")), None);
        assert_eq!(behind_shim(&root.join("shims/python3")), None);
    }
}
