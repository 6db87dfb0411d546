//! `bench wheels`: filling `site-packages` from a lock, beside uv and pip.
//!
//! All three get the same wheels by the same URLs, which the index is asked for before, check their hashes, and compile
//! no bytecode. (uv gets them as requirements, not as `pylock.toml`: of those it caches nothing.)

use std::cell::Cell;
use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use xtask::bench_api::{
    Exit, Failure, GROUPS, Interpreter, Lock, Store, Target, Uv, file_name, fill_site_packages, human_size, locate,
    minor_of, pluralize, print, pythons, target_and_locks,
};

use crate::fetch::pip_version;
use crate::process::{self, peak_memory, version_of};
use crate::report::Report;
use crate::runner::{Candidate, alternate, compare_times, timed, warm_up};
use crate::workspace::Workspace;

/// Fill site-packages from a lock, beside uv and pip
#[derive(Args)]
pub struct Arguments {
    /// An interpreter with pip; its minor version decides which lock [default: the first one on PATH]
    #[arg(long, value_name = "PATH")]
    python_from: Option<Utf8PathBuf>,
    /// Leave out optional parts: diarization, ui
    #[arg(long, value_name = "PART,…", value_delimiter = ',', default_value = "diarization")]
    without: Vec<String>,
    /// Number of rounds
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Leave out pip, which takes most of the time
    #[arg(long)]
    without_pip: bool,
}

/// Fill a directory as provision does, for bench wheels
#[derive(Args)]
pub struct FillArguments {
    /// A lock whose wheels have URLs
    lock: Utf8PathBuf,
    /// The new directory
    into: Utf8PathBuf,
}

/// Does what the benchmark measures, in a process of its own so that its memory can be told.
pub fn fill(arguments: &FillArguments, manifests: &Utf8Path) -> Result<()> {
    let (target, _) = target_and_locks(manifests)?;
    fill_site_packages(&arguments.lock, &arguments.into, &target)?;
    print(&peak_memory().unwrap_or_default().to_string())?;
    Ok(())
}

pub fn run(arguments: &Arguments, manifests: &Utf8Path) -> Result<Report> {
    let mut report = Report::new("this tool");
    let store = Store::locate()?;
    let (target, locks) = target_and_locks(manifests)?;
    let python = python(arguments, &locks, &target)?;
    let minor = minor_of(&python.version).to_owned();
    let lock = Lock::load(&locks, &minor, &target, target.accelerator(None)?)?;
    let groups = GROUPS.iter().filter(|group| !arguments.without.iter().any(|part| part == *group));
    let wheels = lock.select(&groups.map(|group| (*group).to_owned()).collect::<Vec<_>>());
    let uv = Uv::locate(&store, manifests, &pythons(&[]))?;
    eprintln!("asking the package index");
    let unknown = wheels.iter().copied().filter(|wheel| wheel.url.is_none()).collect::<Vec<_>>();
    let urls = locate(&uv, &store, &unknown, &minor, &target)?;
    let bytes = wheels.iter().filter_map(|wheel| wheel.size).sum::<u64>();

    let mut pylock = format!("lock-version = '1.0'\ncreated-by = 'bench'\nrequires-python = '=={minor}.*'\n");
    let mut requirements = String::new();
    for wheel in &wheels {
        let url = wheel.url.as_ref().or_else(|| urls.get(&wheel.sha256)).context("a wheel without a URL")?;
        let size = wheel.size.map(|size| format!("size = {size}, ")).unwrap_or_default();
        let (name, version, sha256) = (&wheel.name.distribution, &wheel.name.version, wheel.sha256);
        writeln!(pylock, "[[packages]]\nname = '{name}'\nversion = '{version}'")?;
        writeln!(pylock, "wheels = [{{ url = '{url}', {size}hashes = {{ sha256 = '{sha256}' }} }}]")?;
        writeln!(requirements, "{name} @ {url} --hash=sha256:{sha256}")?;
    }
    let workspace = Workspace::new(&store)?;
    let pylock = workspace.write("pylock.toml", pylock)?;
    let requirements = workspace.write("requirements.txt", requirements)?;

    let (tool, manifests) = (std::env::current_exe()?, camino::absolute_utf8(manifests)?);
    let command =
        |who: &str, cache: &Utf8Path, site: &Utf8Path| match who {
            "uv" => {
                let mut command = uv.command();
                command
                    .args(["pip", "sync", "--quiet", "--link-mode", "hardlink", "--cache-dir", cache.as_str()])
                    .args(["--python", python.executable().as_str(), "--target", site.as_str(), requirements.as_str()]);
                command
            }
            "pip" => {
                let mut command = Command::new(python.executable());
                command
                    .args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes"])
                    .args(["--disable-pip-version-check", "--no-warn-script-location", "--cache-dir", cache.as_str()])
                    .args(["--target", site.as_str(), "--requirement", requirements.as_str()]);
                command
            }
            _ => {
                let mut command = Command::new(&tool);
                command.args(["--manifests", manifests.as_str(), "fill-wheels", pylock.as_str(), site.as_str()]);
                command.env("SPEACHES_STORE", cache);
                command
            }
        };
    let peak = Cell::new(0);
    // A cold cache is in the directory of the run. Links from a warm cache share its bytes, but pip copies.
    let race = |who: &str, cold: bool| {
        let place = workspace.fresh(!cold && who != "pip")?;
        let cache = if cold { place.join("cache") } else { workspace.path().join(format!("cache of {who}")) };
        let mut command = command(who, &cache, &place.join("site"));
        timed(|| {
            let said = process::run(who, command.current_dir(workspace.path()), b"")?;
            // The others say nothing.
            peak.set(peak.get().max(said.parse::<u64>().unwrap_or_default()));
            Ok(())
        })
    };
    let candidates = |cold: bool, linked: &str| {
        let baselines = [
            ("this tool", "this tool".to_owned()),
            ("uv", format!("uv pip sync{linked}")),
            ("pip", "pip install".to_owned()),
        ];
        let baselines = baselines.into_iter().filter(|(who, _)| *who != "pip" || !arguments.without_pip);
        baselines.map(|(who, name)| Candidate::new(name, move || race(who, cold))).collect::<Vec<_>>()
    };
    report.versions.extend(version_of(uv.command().arg("--version")).map(|version| ("uv".to_owned(), version)));
    if arguments.without_pip {
        report.skip("pip", "`--without-pip` excludes it");
    } else {
        report.versions.extend(pip_version(python.executable()).map(|version| ("pip".to_owned(), version)));
    }
    let (mut cold, mut warm) = (candidates(true, ""), candidates(false, " (hard links)"));
    // This fills the caches that are to be warm.
    warm_up(&mut warm)?;
    alternate(&mut cold, arguments.rounds)?;
    alternate(&mut warm, arguments.rounds)?;
    compare_times(&mut report, "cold", None, &cold);
    compare_times(&mut report, "warm", None, &warm);
    report.notes.push(format!("{}, {}, Python {minor}", pluralize(wheels.len(), "wheel"), human_size(bytes)));
    report.notes.push(format!("peak memory of this tool: {}", human_size(peak.get())));
    Ok(report)
}

fn python(arguments: &Arguments, locks: &Utf8Path, target: &Target) -> Result<Interpreter> {
    if let Some(path) = &arguments.python_from {
        return Interpreter::inspect(path);
    }
    let accelerator = target.accelerator(None)?;
    let has_lock = |interpreter: &Interpreter| {
        let name = file_name(minor_of(&interpreter.version), &target.triple, accelerator);
        locks.join(name).is_file()
    };
    let found =
        pythons(&["3.12", "3.10"]).into_iter().filter_map(|path| Interpreter::inspect(&path).ok()).find(has_lock);
    let Some(found) = found else {
        bail!(
            Failure::new(
                Exit::Unavailable,
                "no CPython on this machine has a minor version with a lock, and pip and uv need one"
            )
            .hint("name one with `--python-from`")
        );
    };
    Ok(found)
}
