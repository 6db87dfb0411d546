//! `cargo xtask bench fetch`: the downloader beside curl, pip and uv, from a server in this process.
//!
//! All of them fetch the same wheels by the same URLs and write them to the same disk. curl checks no hash, so it also
//! runs with `sha256sum` after it; uv unpacks what it fetches, since it has no command that only downloads.

use std::cell::Cell;
use std::fmt::Write as _;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde_json::json;

use super::child;
use super::contest::{self, Contestant};
use super::noise::{LARGEST_MIB, Wheel};
use super::places::Places;
use super::programs;
use super::report::Report;
use super::server::Server;
use crate::progress::Silent;
use crate::quantity::counted;
use crate::quantity::human_size;
use crate::store::Store;
use crate::store::fetch::CONNECTIONS;
use crate::wheel::uv::Uv;
use crate::{commands, host, work};

/// How many small files there are.
const SMALL: u32 = 200;
/// The smallest and the largest of them, in bytes; there are as many between 10 and 20 kB as between 1 and 2 MB.
const SIZES: (f64, f64) = (10e3, 2e6);

/// Download files from this machine, beside curl, pip and uv
#[derive(Args, Debug)]
pub struct Arguments {
    /// The size of the large file, in MiB
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=LARGEST_MIB))]
    pub(super) large_mib: u64,
    /// How often each one runs
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) rounds: usize,
    /// An interpreter with pip [default: the first one on PATH]
    #[arg(long, value_name = "PATH")]
    pub(super) python_from: Option<Utf8PathBuf>,
    /// Leave out pip
    #[arg(long)]
    pub(super) without_pip: bool,
}

/// Download files as fetch does, for bench fetch
#[derive(Args, Debug)]
pub struct ListArguments {
    /// As for fetch
    list: Utf8PathBuf,
}

/// Does what the benchmark measures, in a process of its own so that its memory can be told.
pub fn list(arguments: &ListArguments) -> Result<()> {
    Store::locate()?.fetch_all(&commands::fetch::read(&arguments.list)?, |count| count.to_string(), &Silent)?;
    commands::print(&child::peak_memory().unwrap_or_default().to_string())?;
    Ok(())
}

/// Runs the subcommand, which is about a comparison: without curl it measures nothing.
pub fn run(arguments: &Arguments, manifests: &Utf8Path) -> Result<Report> {
    programs::version("curl")?;
    measure(arguments, manifests)
}

/// Measures with whoever is there.
pub fn measure(arguments: &Arguments, manifests: &Utf8Path) -> Result<Report> {
    let mut report = Report::new("this tool");
    let store = Store::locate()?;
    let rivals = Rivals::find(arguments, &store, manifests, &mut report);
    for absent in &report.absent {
        eprintln!("without {}: {}", absent.name, absent.why);
    }
    let places = Places::new(&store)?;
    let files = places.path().join("files");
    fs_err::create_dir(&files)?;
    eprintln!("making the files");
    let large = vec![Wheel::make(&files, "bench_large", arguments.large_mib << 20)?];
    let mut small = (0..SMALL)
        .map(|number| {
            let size = SIZES.0 * (SIZES.1 / SIZES.0).powf(f64::from(number) / f64::from(SMALL - 1));
            Wheel::make(&files, &format!("bench_{number:03}"), size as u64)
        })
        .collect::<Result<Vec<_>>>()?;
    // An order that has nothing to do with the sizes, and is the same every time.
    fastrand::Rng::with_seed(1).shuffle(&mut small);
    let server = Server::start(&files)?;
    for wheels in [large, small] {
        let course = Course::new(&wheels, &server, &places, &rivals)?;
        let mut contestants = course.contestants(&report.ours);
        contest::warm_up(&mut contestants)?;
        contest::alternate(&mut contestants, arguments.rounds)?;
        let bytes = wheels.iter().map(|wheel| wheel.size).sum::<u64>();
        let title = format!("{}, {}", counted(wheels.len(), "file"), human_size(bytes));
        report.notes.push(format!(
            "{title}: peak memory of this tool {}, {}",
            human_size(course.peak.get()),
            counted(course.connections.get(), "connection"),
        ));
        report.comparisons.push(contest::compare_times(title, &contestants));
    }
    Ok(report)
}

/// Those of the others that this machine has.
struct Rivals {
    curl: bool,
    sha256sum: bool,
    /// An interpreter with pip.
    pip: Option<Utf8PathBuf>,
    uv: Option<Uv>,
}

impl Rivals {
    /// Looks for them, and writes down what is not there.
    fn find(arguments: &Arguments, store: &Store, manifests: &Utf8Path, report: &mut Report) -> Self {
        let mut has = |program: &str, name: &str| match programs::note_versions(&[program], report) {
            Ok(()) => true,
            Err(error) => {
                report.lacks(name, format!("{error:#}"));
                false
            }
        };
        let curl = has("curl", "curl");
        let sha256sum = curl && has("sha256sum", "curl with a check of the hashes");
        let pythons = arguments.python_from.clone().map_or_else(|| host::pythons(&[]), |path| vec![path]);
        let pip = if arguments.without_pip {
            report.lacks("pip", "`--without-pip` leaves it out");
            None
        } else {
            let found = pythons.iter().find_map(|python| Some((python.clone(), pip_version(python)?)));
            match found {
                Some((python, version)) => {
                    report.versions.insert("pip".to_owned(), version);
                    Some(python)
                }
                None => {
                    report.lacks("pip", "no Python was found that has it; `--python-from` can name one");
                    None
                }
            }
        };
        let uv = Uv::locate(store, manifests, &pythons);
        match &uv {
            Ok(uv) => report
                .versions
                .extend(programs::version_of(uv.command().arg("--version")).map(|it| ("uv".to_owned(), it))),
            Err(error) => report.lacks("uv", format!("{error:#}")),
        }
        Self { curl, sha256sum, pip, uv: uv.ok() }
    }
}

/// The version of an interpreter's pip.
pub fn pip_version(python: &Utf8Path) -> Option<String> {
    programs::version_of(Command::new(python).args(["-m", "pip", "--version"]))
}

/// What is to be fetched, in the form that each contestant wants, and what was seen on the way.
struct Course<'a> {
    server: &'a Server,
    places: &'a Places,
    rivals: &'a Rivals,
    list: Utf8PathBuf,
    urls: Utf8PathBuf,
    digests: Utf8PathBuf,
    requirements: Utf8PathBuf,
    /// Of this tool, in bytes.
    peak: Cell<u64>,
    /// Of this tool in one run, at most.
    connections: Cell<usize>,
}

impl<'a> Course<'a> {
    fn new(wheels: &[Wheel], server: &'a Server, places: &'a Places, rivals: &'a Rivals) -> Result<Self> {
        let inputs = places.path().join(format!("inputs-{}", places.next()?));
        fs_err::create_dir(&inputs)?;
        let mut list = Vec::new();
        let (mut urls, mut digests, mut requirements) = (String::new(), String::new(), String::new());
        for wheel in wheels {
            let (file, sha256, url) = (wheel.file(), wheel.sha256, server.url(wheel.file()));
            list.push(json!({ "urls": [url], "sha256": sha256, "size": wheel.size }));
            writeln!(urls, "url = {url}\noutput = {file}")?;
            writeln!(digests, "{sha256}  {file}")?;
            writeln!(requirements, "{} @ {url} --hash=sha256:{sha256}", wheel.name)?;
        }
        let write = |name: &str, text: String| -> Result<Utf8PathBuf> {
            let path = inputs.join(name);
            fs_err::write(&path, text)?;
            Ok(path)
        };
        Ok(Self {
            server,
            places,
            rivals,
            list: write("list.json", serde_json::to_string(&list)?)?,
            urls: write("curl.txt", urls)?,
            digests: write("sha256.txt", digests)?,
            requirements: write("requirements.txt", requirements)?,
            peak: Cell::default(),
            connections: Cell::default(),
        })
    }

    fn contestants(&self, ours: &str) -> Vec<Contestant<'_>> {
        let mut contestants = vec![Contestant::new(ours, || self.ours())];
        if self.rivals.curl {
            contestants
                .push(Contestant::new(format!("curl --parallel-max {CONNECTIONS}, no check"), || self.curl(false)));
        }
        if self.rivals.sha256sum {
            contestants.push(Contestant::new("the same, then sha256sum -c", || self.curl(true)));
        }
        if let Some(uv) = &self.rivals.uv {
            contestants.push(Contestant::new("uv pip install (unpacks as well)", || self.uv(uv)));
        }
        if let Some(python) = &self.rivals.pip {
            contestants.push(Contestant::new("pip download", || self.pip(python)));
        }
        contestants
    }

    /// A new directory for one run.
    fn place(&self) -> Result<Utf8PathBuf> {
        let place = self.places.path().join(format!("run-{}", self.places.next()?));
        fs_err::create_dir(&place)?;
        self.places.done_with([place.clone()]);
        Ok(place)
    }

    fn ours(&self) -> Result<Duration> {
        let place = self.place()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "fetch-list", self.list.as_str()]).env("SPEACHES_STORE", place.join("store"));
        let before = self.server.connections();
        contest::timed(|| {
            let output = run_in(&place, &mut command)?;
            child::check("this tool", &output)?;
            let peak = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_default();
            self.peak.set(self.peak.get().max(peak));
            self.connections.set(self.connections.get().max(self.server.connections() - before));
            Ok(())
        })
    }

    fn curl(&self, checks: bool) -> Result<Duration> {
        let place = self.place()?;
        let mut curl = Command::new("curl");
        // The first one must be first: without it, curl reads what its user has set.
        curl.args(["--disable", "--silent", "--show-error", "--fail", "--parallel", "--parallel-max"]).args([
            &CONNECTIONS.to_string(),
            "--config",
            self.urls.as_str(),
        ]);
        let mut sha256sum = Command::new("sha256sum");
        sha256sum.args(["--check", "--quiet", self.digests.as_str()]);
        contest::timed(|| {
            child::check("curl", &run_in(&place, &mut curl)?)?;
            if checks {
                child::check("sha256sum", &run_in(&place, &mut sha256sum)?)?;
            }
            Ok(())
        })
    }

    fn uv(&self, uv: &Uv) -> Result<Duration> {
        let place = self.place()?;
        let mut command = uv.command();
        command
            .args(["pip", "install", "--quiet", "--no-config", "--no-deps", "--require-hashes"])
            .args(["--link-mode", "hardlink", "--python", uv.python().as_str()])
            .args(["--cache-dir", "cache", "--target", "site", "--requirement", self.requirements.as_str()]);
        contest::timed(|| child::check("uv", &run_in(&place, &mut command)?))
    }

    fn pip(&self, python: &Utf8Path) -> Result<Duration> {
        let place = self.place()?;
        let mut command = Command::new(python);
        command
            .args(["-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "download", "--quiet"])
            .args(["--no-deps", "--require-hashes", "--dest", "files", "--requirement", self.requirements.as_str()])
            // Where pip puts files first, which must be on the same file system as where they go.
            .env("TMPDIR", &place);
        contest::timed(|| child::check("pip", &run_in(&place, &mut command)?))
    }
}

/// Runs a command in a directory, with no proxy between it and the server.
fn run_in(place: &Utf8Path, command: &mut Command) -> Result<Output> {
    Ok(work::output(command.current_dir(place).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1"), b"")?)
}
