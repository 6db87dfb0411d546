//! `bench fetch`: the downloader beside curl, pip and uv, from a server in this process.
//!
//! All of them fetch the same wheels by the same URLs and write them to the same disk. curl checks no hash, so it also
//! runs with `sha256sum` after it; uv unpacks what it fetches, since it has no command that only downloads.

use std::cell::Cell;
use std::fmt::Write as _;
use std::process::Command;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde_json::json;
use xtask::bench_api::{CONNECTIONS, Silent, Store, Uv, human_size, pluralize, print, pythons, read_downloads};

use crate::process::{peak_memory, run as run_process, version, version_of};
use crate::report::Report;
use crate::runner::{Candidate, alternate, compare_times, timed, warm_up};
use crate::server::Server;
use crate::synthetic_wheel::Wheel;
use crate::workspace::Workspace;

const SMALL: u32 = 200;
/// The smallest and the largest of them, in bytes; there are as many between 10 and 20 kB as between 1 and 2 MB.
const SIZES: (f64, f64) = (10e3, 2e6);

/// Download files from this machine, beside curl, pip and uv
#[derive(Args)]
pub struct Arguments {
    /// The size of the large file, in MiB
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=4000))]
    large_mib: u64,
    /// Number of rounds
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// An interpreter with pip [default: the first one on PATH]
    #[arg(long, value_name = "PATH")]
    python_from: Option<Utf8PathBuf>,
    /// Leave out pip
    #[arg(long)]
    without_pip: bool,
}

/// Download files as fetch does, for bench fetch
#[derive(Args)]
pub struct ListArguments {
    /// As for fetch
    list: Utf8PathBuf,
}

/// Does what the benchmark measures, in a process of its own so that its memory can be told.
pub fn list(arguments: &ListArguments) -> Result<()> {
    Store::locate()?.fetch_all(&read_downloads(&arguments.list)?, |count| count.to_string(), &Silent)?;
    print(&peak_memory().unwrap_or_default().to_string())?;
    Ok(())
}

/// A peer: its name, and the commands that it runs one after the other in the directory of a run, which is beside the
/// files that say what is to be fetched.
type Baseline = (String, Box<dyn Fn() -> Vec<Command>>);

pub fn run(arguments: &Arguments, manifests: &Utf8Path) -> Result<Report> {
    let mut report = Report::new("this tool");
    let store = Store::locate()?;
    let workspace = Workspace::new(&store)?;
    let baselines = baselines(arguments, &store, manifests, &mut report)?;
    let files = workspace.path().join("files");
    fs_err::create_dir(&files)?;
    eprintln!("creating the files");
    let large = vec![Wheel::make(&files, "bench_large", arguments.large_mib << 20)?];
    let size = |number: u32| SIZES.0 * (SIZES.1 / SIZES.0).powf(f64::from(number) / f64::from(SMALL - 1));
    let small = (0..SMALL).map(|number| Wheel::make(&files, &format!("bench_{number:03}"), size(number) as u64));
    let mut small = small.collect::<Result<Vec<_>>>()?;
    // An order that has nothing to do with the sizes, and is the same every time.
    fastrand::Rng::with_seed(1).shuffle(&mut small);
    let server = Server::start(&files)?;
    for wheels in [large, small] {
        describe(&workspace, &server, &wheels)?;
        let (peak, connections) = (Cell::new(0), Cell::new(0));
        let ours = || {
            let place = workspace.fresh(false)?;
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["fetch-list", "../list.json"]).env("SPEACHES_STORE", place.join("store"));
            let before = server.connections();
            let time = timed(|| {
                peak.set(peak.get().max(run_in(&place, "this tool", &mut command)?.parse()?));
                Ok(())
            })?;
            connections.set(connections.get().max(server.connections() - before));
            Ok(time)
        };
        let mut candidates = vec![Candidate::new(&report.ours, ours)];
        for (name, commands) in &baselines {
            candidates.push(Candidate::new(name, || {
                let place = workspace.fresh(false)?;
                let mut commands = commands();
                timed(|| commands.iter_mut().try_for_each(|command| run_in(&place, name, command).map(drop)))
            }));
        }
        warm_up(&mut candidates)?;
        alternate(&mut candidates, arguments.rounds)?;
        let bytes = wheels.iter().map(|wheel| wheel.size).sum::<u64>();
        let title = format!("{}, {}", pluralize(wheels.len(), "file"), human_size(bytes));
        compare_times(&mut report, &title, None, &candidates);
        let (memory, connections) = (human_size(peak.get()), pluralize(connections.get(), "connection"));
        report.notes.push(format!("{title}: peak memory of this tool {memory}, {connections}"));
    }
    Ok(report)
}

/// The baselines that this machine has. Without curl there is no comparison.
fn baselines(arguments: &Arguments, store: &Store, manifests: &Utf8Path, report: &mut Report) -> Result<Vec<Baseline>> {
    report.versions.insert("curl".to_owned(), version("curl")?);
    let curl = || {
        let mut curl = Command::new("curl");
        // The first one must be first: without it, curl reads what its user has set.
        curl.args(["--disable", "--silent", "--show-error", "--fail", "--parallel", "--parallel-max"]);
        curl.args([&CONNECTIONS.to_string(), "--config", "../curl.txt"]);
        curl
    };
    let title = format!("curl --parallel-max {CONNECTIONS}, no check");
    let mut baselines: Vec<Baseline> = vec![(title, Box::new(move || vec![curl()]))];
    match version("sha256sum") {
        Ok(version) => {
            report.versions.insert("sha256sum".to_owned(), version);
            let checked = move || {
                let mut sha256sum = Command::new("sha256sum");
                sha256sum.args(["--check", "--quiet", "../sha256.txt"]);
                vec![curl(), sha256sum]
            };
            baselines.push(("the same, then sha256sum -c".to_owned(), Box::new(checked)));
        }
        Err(error) => report.skip("curl with a check of the hashes", &error.to_string()),
    }
    let pythons = arguments.python_from.clone().map_or_else(|| pythons(&[]), |path| vec![path]);
    match Uv::locate(store, manifests, &pythons) {
        Ok(uv) => {
            report.versions.extend(version_of(uv.command().arg("--version")).map(|found| ("uv".to_owned(), found)));
            let install = move || {
                let mut command = uv.command();
                command
                    .args(["pip", "install", "--quiet", "--no-config", "--no-deps", "--require-hashes"])
                    .args(["--link-mode", "hardlink", "--python", uv.python().as_str(), "--cache-dir", "cache"])
                    .args(["--target", "site", "--requirement", "../requirements.txt"]);
                vec![command]
            };
            baselines.push(("uv pip install (unpacks as well)".to_owned(), Box::new(install)));
        }
        Err(error) => report.skip("uv", &format!("{error:#}")),
    }
    let pip = |python: &Utf8PathBuf| Some((python.clone(), pip_version(python)?));
    match pythons.iter().find_map(pip).filter(|_| !arguments.without_pip) {
        Some((python, version)) => {
            report.versions.insert("pip".to_owned(), version);
            let download = move || {
                let mut command = Command::new(&python);
                command
                    .args(["-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "download"])
                    .args(["--quiet", "--no-deps", "--require-hashes", "--dest", "files"])
                    .args(["--requirement", "../requirements.txt"]);
                vec![command]
            };
            baselines.push(("pip download".to_owned(), Box::new(download)));
        }
        None if arguments.without_pip => report.skip("pip", "`--without-pip` excludes it"),
        None => report.skip("pip", "found no Python with pip; name one with `--python-from`"),
    }
    Ok(baselines)
}

pub fn pip_version(python: &Utf8Path) -> Option<String> {
    version_of(Command::new(python).args(["-m", "pip", "--version"]))
}

/// Says what is to be fetched, in the form that each of them wants.
fn describe(workspace: &Workspace, server: &Server, wheels: &[Wheel]) -> Result<()> {
    let (mut list, mut urls, mut digests, mut requirements) = (Vec::new(), String::new(), String::new(), String::new());
    for wheel in wheels {
        let (file, sha256, url) = (&wheel.file, wheel.sha256, server.url(&wheel.file));
        list.push(json!({ "urls": [url], "sha256": sha256, "size": wheel.size }));
        writeln!(urls, "url = {url}\noutput = {file}")?;
        writeln!(digests, "{sha256}  {file}")?;
        writeln!(requirements, "{} @ {url} --hash=sha256:{sha256}", wheel.name)?;
    }
    let list = serde_json::to_string(&list)?;
    let files = [("list.json", list), ("curl.txt", urls), ("sha256.txt", digests), ("requirements.txt", requirements)];
    files.into_iter().try_for_each(|(name, text)| workspace.write(name, text).map(drop))
}

/// Runs a command in a directory, with no proxy between it and the server.
fn run_in(place: &Utf8Path, who: &str, command: &mut Command) -> Result<String> {
    command.current_dir(place).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    // pip puts files here first, so it must be on the file system of their destination.
    run_process(who, command.env("TMPDIR", place), b"")
}
