//! `cargo xtask bench RUNTIME`: all benchmarks in one run, and the page about them.

use std::time::Instant;

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::catalog::Benchmark;
use super::machine::{self, Machine};
use super::peers::{Servers, Upstream};
use super::privacy::publishable;
use super::report::Report;
use super::results::{Entry, Outcome, Results, Tool};
use super::{bundle, fetch, load, speech, start, table, transcribe, verify, wheels};
use crate::failure::{self, Failure};
use crate::runtime;

/// How much is compressed: as `bench bundle` does by itself.
const LEVEL: u32 = 9;
/// The size of the large file, in MiB; `bench fetch` takes a larger one.
const LARGE_MIB: u64 = 256;
/// How long sounds to transcribe are, in seconds; `bench transcribe` has longer ones.
const SOUNDS: [u32; 2] = [5, 30];
/// For how many seconds many clients are served, a minute of which is compared with the rest.
const SECONDS: u64 = 120;
/// With real weights upstream speaks for minutes in a round.
const SPEECHES: usize = 3;

/// What all benchmarks are run with.
#[derive(Args, Debug)]
// They lie beside those of `bench` itself, whose struct has the same name.
#[group(id = "all")]
pub struct Arguments {
    /// The directory of the runtime that all benchmarks are run with, with models
    #[arg(required = true)]
    runtime: Option<Utf8PathBuf>,
    /// The interpreter of an environment in which upstream is installed (`uv sync` of its checkout)
    #[arg(long, value_name = "PATH", requires = "upstream_source")]
    upstream_python: Option<Utf8PathBuf>,
    /// The checkout of upstream
    #[arg(long, value_name = "DIR", requires = "upstream_python")]
    upstream_source: Option<Utf8PathBuf>,
    /// The ffmpeg that upstream starts for each request; by default that of PATH
    #[arg(long, value_name = "PATH")]
    ffmpeg: Option<Utf8PathBuf>,
    /// The bundled model that transcribes [default: the first one]
    #[arg(long, value_name = "ID")]
    stt_model: Option<String>,
    /// An interpreter with pip; its minor version decides which lock [default: the first one on PATH]
    #[arg(long, value_name = "PATH")]
    python_from: Option<Utf8PathBuf>,
    /// How often each one runs in each benchmark
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Run only these benchmarks
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<Benchmark>,
    /// Where the page, the plots and results.json are written [default: docs/benchmarks/ of this repository]
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
}

/// Make the page and the plots again from results.json, without measuring
#[derive(Args, Debug)]
pub struct PlotArguments {
    /// Where results.json is [default: docs/benchmarks/ of this repository]
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
}

fn directory(out: Option<&Utf8PathBuf>, root: &Utf8Path) -> Utf8PathBuf {
    out.cloned().unwrap_or_else(|| root.join("docs/benchmarks"))
}

/// Makes the page and the plots again.
pub fn plot(arguments: &PlotArguments, root: &Utf8Path) -> Result<()> {
    let out = directory(arguments.out.as_ref(), root);
    Results::read(&out)?.publish(&out)?;
    super::super::print(out.as_str())?;
    Ok(())
}

/// Runs all benchmarks, and writes down what came of each of them before it fails for the first that failed.
pub fn run(arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    let runtime = arguments.runtime.as_ref().expect("clap has seen to it");
    let run = Run { arguments, runtime: camino::absolute_utf8(runtime)?, manifests };
    let description = runtime::verify::read(&run.runtime)?;
    let (machine, tool) = (Machine::here()?, Tool::this(root));
    let mut entries = Vec::new();
    let mut failures = Vec::new();
    for name in Benchmark::all().iter().copied() {
        eprintln!("== {name}");
        let (load, begun) = (machine::load(), Instant::now());
        let outcome = match run.prevented(name)? {
            Some(why) => Outcome::NotRun(publishable(&why)),
            None => match run.measure(name) {
                Ok(report) => Outcome::Measured(public(report)),
                Err(error) => {
                    eprintln!("{}", failure::describe(&error));
                    let why = publishable(&format!("{error:#}"));
                    failures.push((name, error));
                    Outcome::Failed(why)
                }
            },
        };
        super::super::print(&match &outcome {
            Outcome::Measured(report) => table::text(report, name.title()),
            Outcome::Failed(why) => format!("{name} failed: {why}\n"),
            Outcome::NotRun(why) => format!("{name} not run: {why}\n"),
        })?;
        entries.push(Entry { name, load, seconds: begun.elapsed().as_secs(), outcome });
    }
    let out = directory(arguments.out.as_ref(), root);
    Results::new(tool, &description, machine, entries).publish(&out)?;
    eprintln!("wrote the page, the plots and results.json");
    super::super::print(out.as_str())?;
    if let Some((_, first)) = failures.first() {
        let names = failures.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(", ");
        bail!(
            Failure::new(failure::exit_of(first), format!("these benchmarks failed: {names}"))
                .hint("what they said is above; `--only` runs them alone")
        );
    }
    Ok(())
}

/// A report without anything about where things are on this machine.
fn public(mut report: Report) -> Report {
    for absent in &mut report.absent {
        absent.why = publishable(&absent.why);
    }
    report
}

struct Run<'a> {
    arguments: &'a Arguments,
    runtime: Utf8PathBuf,
    manifests: &'a Utf8Path,
}

impl Run<'_> {
    /// Why a benchmark is not run, if it is not.
    fn prevented(&self, name: Benchmark) -> Result<Option<String>> {
        let only = &self.arguments.only;
        if !only.is_empty() && !only.contains(&name) {
            return Ok(Some("`--only` names others".to_owned()));
        }
        if name == Benchmark::Transcribe && self.upstream().is_none() {
            let head = runtime::verify::read(&self.runtime)?.head;
            let lacks = transcribe::lacks(&head, self.arguments.stt_model.as_deref());
            return Ok(lacks.err().map(|why| format!("{why:#}")));
        }
        Ok(None)
    }

    fn upstream(&self) -> Option<Upstream> {
        let (python, source) = (&self.arguments.upstream_python, &self.arguments.upstream_source);
        Some(Upstream { python: python.clone()?, source: source.clone()? })
    }

    fn measure(&self, name: Benchmark) -> Result<Report> {
        let rounds = self.arguments.rounds;
        let python_from = self.arguments.python_from.clone();
        let runtime = self.runtime.clone();
        let stt_model = self.arguments.stt_model.clone();
        match name {
            Benchmark::Bundle => bundle::measure(&bundle::Arguments { runtime, level: LEVEL, rounds }, self.manifests),
            Benchmark::Verify => verify::measure(&verify::Arguments { runtime, rounds }),
            Benchmark::Fetch => {
                let arguments = fetch::Arguments { large_mib: LARGE_MIB, rounds, python_from, without_pip: false };
                fetch::measure(&arguments, self.manifests)
            }
            Benchmark::Wheels => {
                let without = vec!["diarization".to_owned()];
                // With pip this one alone would take as long as all others together.
                let arguments = wheels::Arguments { python_from, without, rounds, without_pip: true };
                wheels::run(&arguments, self.manifests)
            }
            Benchmark::Start => {
                let servers = Servers::new(&runtime, self.upstream().as_ref())?;
                start::measure(&servers.listening_with(stt_model.as_deref())?, rounds)
            }
            Benchmark::Speech => self.speech(),
            Benchmark::Transcribe => transcribe::run(&transcribe::Arguments {
                runtime,
                seconds: SOUNDS.to_vec(),
                threads: transcribe::default_threads(),
                rounds,
                stt_model,
                upstream: self.upstream(),
            }),
            Benchmark::Load => {
                load::run(&load::Arguments { runtime, stt_model, clients: load::CLIENTS, seconds: SECONDS })
            }
        }
    }

    /// Without ffmpeg upstream speaks in no format but two.
    fn speech(&self) -> Result<Report> {
        let upstream = self.upstream();
        let (peer, why) = match (&upstream, speech::find_ffmpeg(self.arguments.ffmpeg.as_deref())) {
            (Some(upstream), Ok(ffmpeg)) => (Some(speech::Peer { upstream, ffmpeg }), None),
            (Some(_), Err(error)) => (None, Some(format!("{error:#}"))),
            (None, _) => (None, None),
        };
        let rounds = self.arguments.rounds.min(SPEECHES);
        let rounds = speech::Rounds { sentence: rounds, paragraph: rounds };
        let mut report = speech::measure(&self.runtime, peer.as_ref(), rounds)?;
        if let (Some(why), Some(absent)) = (why, report.absent.first_mut()) {
            absent.why = why;
        }
        Ok(report)
    }
}
