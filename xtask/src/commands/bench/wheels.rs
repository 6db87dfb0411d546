//! `cargo xtask bench wheels`: filling `site-packages` from a lock, beside uv and pip.
//!
//! All three get the same wheels by the same URLs, which the index is asked for before, check their hashes, and compile
//! no bytecode. (uv gets them as requirements, not as `pylock.toml`: of those it caches nothing.)

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::child;
use super::contest::{self, Contestant};
use super::places::Places;
use super::report::Report;
use super::{fetch, programs};
use crate::digest::Sha256;
use crate::failure::{Exit, Failure};
use crate::lock::{self, Lock, LockedWheel};
use crate::manifest::Manifests;
use crate::progress::{self, Silent};
use crate::python::harvest::Interpreter;
use crate::quantity::counted;
use crate::quantity::human_size;
use crate::runtime::stage::Contents;
use crate::store::Store;
use crate::target::Target;
use crate::wheel::uv::Uv;
use crate::wheel::{fill, index, tree};
use crate::work;
use crate::{host, manifest};

/// Fill site-packages from a lock, beside uv and pip
#[derive(Args, Debug)]
pub struct Arguments {
    /// An interpreter with pip; its minor version decides which lock [default: the first one on PATH]
    #[arg(long, value_name = "PATH")]
    pub(super) python_from: Option<Utf8PathBuf>,
    /// Leave out optional parts: diarization, ui
    #[arg(long, value_name = "PART,…", value_delimiter = ',', default_value = "diarization")]
    pub(super) without: Vec<String>,
    /// How often each one runs
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) rounds: usize,
    /// Leave out pip, which takes most of the time
    #[arg(long)]
    pub(super) without_pip: bool,
}

/// Fill a directory as provision does, for bench wheels
#[derive(Args, Debug)]
pub struct FillArguments {
    /// A lock whose wheels have URLs
    lock: Utf8PathBuf,
    /// The new directory
    into: Utf8PathBuf,
}

/// Does what the benchmark measures, in a process of its own so that its memory can be told.
pub fn fill(arguments: &FillArguments, manifests: &Utf8Path) -> Result<()> {
    let store = Store::locate()?;
    let target = Manifests::load(manifests, false)?.targets.target(host::triple())?;
    let lock = Lock::read(&arguments.lock)?;
    let trees = fill::trees(&store, &lock.wheels, &BTreeMap::new(), &target, &Silent)?;
    let mut contents = Contents::default();
    for (wheel, tree) in lock.wheels.iter().zip(&trees) {
        contents.add(&wheel.name.file, tree, tree::below_site_packages)?;
    }
    contents.fill(&arguments.into, &Silent)?;
    println!("{}", child::peak_memory().unwrap_or_default());
    Ok(())
}

/// Runs the subcommand.
pub fn run(arguments: &Arguments, manifest_directory: &Utf8Path) -> Result<Report> {
    let mut report = Report::new("this tool");
    let store = Store::locate()?;
    let manifests = Manifests::load(manifest_directory, false)?;
    let target = manifests.targets.target(host::triple())?;
    let python = python(arguments, &manifests, &target)?;
    let minor = manifest::minor_of(&python.version).to_owned();
    let lock = Lock::load(&manifests.locks, &minor, &target, target.accelerator(None)?)?;
    let groups = lock::GROUPS.iter().filter(|group| !arguments.without.iter().any(|part| part == *group));
    let wheels = lock.select(&groups.map(|group| (*group).to_owned()).collect::<Vec<_>>());
    let uv = Uv::locate(&store, manifest_directory, &host::pythons(&[]))?;
    let step = progress::for_stderr().step("Asking", "the package index");
    let urls = index::locate(
        &uv,
        &store,
        &wheels.iter().copied().filter(|wheel| wheel.url.is_none()).collect::<Vec<_>>(),
        &minor,
        &target,
    )?;
    step.finish();
    let bytes = wheels.iter().filter_map(|wheel| wheel.size).sum::<u64>();

    let arena = Arena::new(&store, &wheels, &urls, &python, &uv, &minor)?;
    let mut cold =
        vec![Contestant::new(&report.ours, || arena.ours(true)), Contestant::new("uv pip sync", || arena.uv(true))];
    let mut warm = vec![
        Contestant::new(&report.ours, || arena.ours(false)),
        Contestant::new("uv pip sync (hard links)", || arena.uv(false)),
    ];
    report
        .versions
        .extend(programs::version_of(uv.command().arg("--version")).map(|version| ("uv".to_owned(), version)));
    if arguments.without_pip {
        report.lacks("pip", "it takes most of the time, so it was left out; `cargo xtask bench wheels` has it");
    } else {
        cold.push(Contestant::new("pip install", || arena.pip(true)));
        warm.push(Contestant::new("pip install", || arena.pip(false)));
        report.versions.extend(fetch::pip_version(python.executable()).map(|version| ("pip".to_owned(), version)));
    }
    // This fills the caches that are to be warm.
    contest::warm_up(&mut warm)?;
    contest::alternate(&mut cold, arguments.rounds)?;
    contest::alternate(&mut warm, arguments.rounds)?;
    report.comparisons.push(contest::compare_times("cold", &cold));
    report.comparisons.push(contest::compare_times("warm", &warm));
    report.notes.push(format!("{}, {}, Python {minor}", counted(wheels.len(), "wheel"), human_size(bytes)));
    report.notes.push(format!("peak memory of this tool: {}", human_size(arena.peak.get())));
    Ok(report)
}

fn python(arguments: &Arguments, manifests: &Manifests, target: &Target) -> Result<Interpreter> {
    if let Some(path) = &arguments.python_from {
        return Interpreter::inspect(path);
    }
    let accelerator = target.accelerator(None)?;
    let found = host::pythons(&["3.12", "3.10"]).into_iter().find_map(|path| {
        let interpreter = Interpreter::inspect(&path).ok()?;
        let name = lock::file_name(manifest::minor_of(&interpreter.version), &target.triple, accelerator);
        manifests.locks.join(name).is_file().then_some(interpreter)
    });
    let Some(found) = found else {
        bail!(
            Failure::new(Exit::Unavailable, "pip and uv need a CPython of this machine that there is a lock for")
                .hint("name one with `--python-from`")
        );
    };
    Ok(found)
}

/// The directory of a benchmark: caches and what is filled from them, all on one file system.
struct Arena {
    places: Places,
    pylock: Utf8PathBuf,
    requirements: Utf8PathBuf,
    python: Utf8PathBuf,
    uv: Uv,
    /// Of this tool, in bytes.
    peak: Cell<u64>,
}

impl Arena {
    fn new(
        store: &Store,
        wheels: &[&LockedWheel],
        urls: &BTreeMap<Sha256, String>,
        python: &Interpreter,
        uv: &Uv,
        minor: &str,
    ) -> Result<Self> {
        let places = Places::new(store)?;
        let pylock = places.path().join("pylock.toml");
        let requirements = places.path().join("requirements.txt");
        let mut lines = format!("lock-version = '1.0'\ncreated-by = 'bench'\nrequires-python = '=={minor}.*'\n");
        let mut list = String::new();
        for wheel in wheels {
            let url = wheel.url.as_ref().or_else(|| urls.get(&wheel.sha256)).context("a wheel without a URL")?;
            let size = wheel.size.map(|size| format!("size = {size}, ")).unwrap_or_default();
            let (name, sha256) = (&wheel.name, wheel.sha256);
            write!(
                lines,
                "[[packages]]\nname = '{}'\nversion = '{}'\nwheels = [{{ url = '{url}', {size}hashes = {{ sha256 = \
                 '{sha256}' }} }}]\n",
                name.distribution, name.version
            )?;
            writeln!(list, "{} @ {url} --hash=sha256:{sha256}", name.distribution)?;
        }
        fs_err::write(&pylock, lines)?;
        fs_err::write(&requirements, list)?;
        Ok(Self {
            places,
            pylock,
            requirements,
            python: python.executable().to_owned(),
            uv: uv.clone(),
            peak: Cell::default(),
        })
    }

    /// A cache and a place that does not exist. `linked` says whether what is put there shares its bytes with the cache.
    fn places(&self, who: &str, cold: bool, linked: bool) -> Result<(Utf8PathBuf, Utf8PathBuf)> {
        let run = self.places.next()?;
        let cache = self.places.path().join(if cold { format!("{who}-cache-{run}") } else { format!("{who}-cache") });
        let site = self.places.path().join(format!("{who}-site-{run}"));
        if cold {
            self.places.done_with([cache.clone(), site.clone()]);
        } else if !linked {
            self.places.done_with([site.clone()]);
        }
        Ok((cache, site))
    }

    fn ours(&self, cold: bool) -> Result<Duration> {
        let (cache, site) = self.places("ours", cold, true)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "fill-wheels", self.pylock.as_str(), site.as_str()]).env("SPEACHES_STORE", cache);
        let started = std::time::Instant::now();
        let output = work::output(&mut command, b"")?;
        let time = started.elapsed();
        child::check("this tool", &output)?;
        let peak = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_default();
        self.peak.set(self.peak.get().max(peak));
        Ok(time)
    }

    fn uv(&self, cold: bool) -> Result<Duration> {
        let (cache, site) = self.places("uv", cold, true)?;
        let mut command = self.uv.command();
        command
            .args(["pip", "sync", "--quiet", "--link-mode", "hardlink", "--cache-dir", cache.as_str()])
            .args(["--python", self.python.as_str(), "--target", site.as_str(), self.requirements.as_str()])
            .current_dir(self.places.path());
        contest::timed(|| child::check("uv", &work::output(&mut command, b"")?))
    }

    fn pip(&self, cold: bool) -> Result<Duration> {
        let (cache, site) = self.places("pip", cold, false)?;
        let mut command = Command::new(&self.python);
        command
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes"])
            .args(["--disable-pip-version-check", "--no-warn-script-location", "--cache-dir", cache.as_str()])
            .args(["--target", site.as_str(), "--requirement", self.requirements.as_str()])
            .current_dir(self.places.path());
        contest::timed(|| child::check("pip", &work::output(&mut command, b"")?))
    }
}
