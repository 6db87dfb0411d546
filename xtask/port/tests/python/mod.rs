//! The CPythons that tests find on this machine, and what they install for themselves.

use std::path::{Path, PathBuf};
use std::process::Command;

use downlevel::Package;

#[path = "../../../../tests/support/skip.rs"]
mod skip;
#[allow(unused_imports, reason = "not every test program asks everything")]
pub use skip::not_run;

/// A CPython of a minor version: from `DOWNLEVEL_PYTHON_3_<minor>`, from `PATH`, or one of pyenv's.
#[allow(dead_code, reason = "not every test program asks everything")]
pub fn find(minor: u8) -> Option<PathBuf> {
    let name = format!("python3.{minor}");
    let mut candidates: Vec<PathBuf> =
        std::env::var_os(format!("DOWNLEVEL_PYTHON_3_{minor}")).map(PathBuf::from).into_iter().collect();
    candidates.push(PathBuf::from(&name));
    let root = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv")));
    for entry in root.and_then(|root| fs_err::read_dir(root.join("versions")).ok()).into_iter().flatten().flatten() {
        candidates.push(entry.path().join("bin").join(&name));
    }
    // A shim can be there without an interpreter behind it, so each is asked.
    let wanted = format!("3.{minor}");
    candidates.into_iter().find(|candidate| {
        let script = "import sys; print('%d.%d' % sys.version_info[:2])";
        let output = Command::new(candidate).args(["-I", "-c", script]).output();
        output.is_ok_and(|output| output.status.success() && String::from_utf8_lossy(&output.stdout).trim() == wanted)
    })
}

/// An environment with every package that rewritten source may import, or `None`, said aloud.
#[allow(dead_code, reason = "not every test program asks everything")]
pub fn with_packages(minor: u8) -> Option<PathBuf> {
    let Some(base) = find(minor) else {
        not_run(
            &format!("python3.{minor}"),
            "what is rewritten",
            &format!("there is no python3.{minor} on this machine"),
        );
        return None;
    };
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-3.{minor}"));
    // nextest gives each test a process of its own.
    let one_at_a_time = fs_err::File::create(environment.with_file_name(format!("python-3.{minor}.lock"))).unwrap();
    one_at_a_time.file().lock().unwrap();
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let modules = "import backports.strenum, exceptiongroup, taskgroup, tomli, typing_extensions";
    // Backports of names that Python 3.11 has refuse to be installed there.
    let check = if minor == 10 { modules } else { "import typing_extensions" };
    let ready = || Command::new(&python).args(["-I", "-c", check]).output().is_ok_and(|output| output.status.success());
    if ready() {
        return Some(python);
    }
    let made = Command::new(&base).args(["-m", "venv"]).arg(&environment).output();
    let packages = [
        Package::TypingExtensions,
        Package::Taskgroup,
        Package::Tomli,
        Package::Exceptiongroup,
        Package::BackportsStrenum,
    ];
    let wanted = if minor == 10 { &packages[..] } else { &packages[..1] };
    let requirements = wanted.iter().map(|package| format!("{package}>={}", package.minimum_version()));
    if made.is_ok_and(|output| output.status.success()) {
        let pip =
            ["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "15", "--disable-pip-version-check"];
        let _ = Command::new(&python).args(pip).args(requirements).output();
    }
    if ready() {
        return Some(python);
    }
    let why = format!("python3.{minor} is here, but the packages of the rewritten source could not be installed");
    not_run("packages", "what is rewritten", &why);
    None
}

/// The output of a script, errors included.
#[allow(dead_code, reason = "not every test program asks everything")]
pub fn run(python: &Path, script: &Path) -> String {
    let output = Command::new(python).arg(script).env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
