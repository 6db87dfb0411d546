//! `bench transcribe`: a runtime beside upstream, and whisper.cpp beside faster-whisper in one runtime.
//!
//! Two services run at the same time and are asked in alternation; whisper.cpp and faster-whisper may use the same number
//! of threads. The sound is what the runtime speaks itself.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use xtask::bench_api::{Exit, Failure, Service};

use crate::baselines::{ServerArgs, Servers};
use crate::client::Client;
use crate::process::processor_time;
use crate::report::{Report, Unit};
use crate::runner::{Candidate, Figure, alternate, compare, compare_times, timed};
use crate::sound::clip;

/// Lengths of sound beside upstream, in seconds.
const LENGTHS: [u32; 2] = [5, 60];
/// The promised ratio of processor time to upstream.
const LIMIT: f64 = 0.75;
/// How many clients ask at once.
const CROWDS: [usize; 3] = [1, 4, 8];

/// Transcribe the same sound with a runtime and with upstream, with whisper.cpp and with faster-whisper
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    servers: ServerArgs,
    /// Lengths of the sound for whisper.cpp, in seconds
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "5,30,120")]
    seconds: Vec<u32>,
    /// How many threads each of them uses
    #[arg(long, value_name = "N", default_value_t = default_threads())]
    threads: usize,
    /// Number of rounds for each length
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(4))
}

/// Measures the parts for which everything is there.
pub fn run(arguments: &Arguments) -> Result<Report> {
    let servers = Servers::new(&arguments.servers)?;
    let cannot = find_whispercpp(&servers).err();
    let upstream = arguments.servers.has_upstream();
    if let Some(cannot) = cannot.filter(|_| !upstream) {
        return Err(cannot);
    }
    let mut report = servers.report();
    let recording = servers.recording()?;
    if upstream {
        beside_upstream(&servers, &recording, arguments.rounds, &mut report)?;
    }
    match find_whispercpp(&servers) {
        Ok(()) => beside_whispercpp(arguments, &servers, &recording, &mut report)?,
        Err(why) => report.skip("whisper.cpp", &format!("{why:#}")),
    }
    Ok(report)
}

/// Why whisper.cpp cannot take part, if it cannot.
fn find_whispercpp(servers: &Servers) -> Result<()> {
    let model = servers.client("")?.listens;
    if !servers.info.models.iter().any(|weights| weights.serves.contains(&model)) {
        bail!(
            Failure::new(Exit::Config, format!("the runtime has no GGML weights for {model}")).hint(
                "docs/transcription.md says how to get them; `--upstream-python` and `--upstream-source` need none"
            )
        );
    }
    Ok(())
}

fn beside_upstream(servers: &Servers, recording: &[u8], rounds: usize, report: &mut Report) -> Result<()> {
    let mut running = Vec::new();
    for kind in servers.kinds() {
        let server = servers.start_ready(*kind, |_| {})?;
        // The first request loads the model.
        let heard = server.client.transcribe(&clip(recording, LENGTHS[0]))?;
        report.notes.push(format!("{} hears {heard:?}", kind.name()));
        running.push(server);
    }
    for seconds in LENGTHS {
        let clip = clip(recording, seconds);
        let mut candidates = Vec::new();
        for server in &running {
            candidates.push(Candidate::new(server.kind.name(), || {
                let before = processor_time(server.pid())?;
                let [wall] = timed(|| server.client.transcribe(&clip).map(drop))?;
                Ok([wall, processor_time(server.pid())? - before])
            }));
        }
        alternate(&mut candidates, rounds)?;
        let figures = [Figure("", Unit::Seconds, None), Figure("processor time", Unit::Seconds, Some(LIMIT))];
        compare(report, &format!("{seconds} s of speech"), figures, &candidates[0], &candidates[1..]);
    }
    Ok(())
}

fn beside_whispercpp(arguments: &Arguments, servers: &Servers, recording: &[u8], report: &mut Report) -> Result<()> {
    let threads = arguments.threads.to_string();
    let start = |more: &[&str]| -> Result<(Service, Client)> {
        let mut service = Service::start_with(&servers.runtime, &servers.info, |command| {
            command.arg("--stt-backend").args(more).env("WHISPER__CPU_THREADS", &threads);
        })?;
        let client = servers.client(&service.wait_until_ready()?)?;
        Ok((service, client))
    };
    let (service, whispercpp) = start(&["whispercpp"])?;
    let (_other, faster_whisper) = start(&["faster-whisper", "--stt-device", "cpu"])?;
    // The first request loads the model.
    let short = clip(recording, 2);
    for (name, client) in [("whisper.cpp", &whispercpp), ("faster-whisper", &faster_whisper)] {
        report.notes.push(format!("{name} hears {:?}", client.transcribe(&short)?));
    }
    let ours = format!("whisper.cpp, {}", device(&service)?);
    let theirs = format!("faster-whisper, cpu, {threads} threads");
    let mut compare_backends = |what: String, seconds: u32, clients: usize| -> Result<()> {
        let clip = clip(recording, seconds);
        let mut both = [
            Candidate::new(&ours, || timed(|| crowd(&whispercpp, &clip, clients))),
            Candidate::new(&theirs, || timed(|| crowd(&faster_whisper, &clip, clients))),
        ];
        alternate(&mut both, arguments.rounds)?;
        compare_times(report, &format!("{ours}: {what}"), None, &both);
        Ok(())
    };
    for seconds in &arguments.seconds {
        compare_backends(format!("{seconds} s of sound"), *seconds, 1)?;
    }
    let shortest = arguments.seconds.iter().min().copied().context("`--seconds` names no length")?;
    for clients in CROWDS {
        compare_backends(format!("{clients} at once, {shortest} s each"), shortest, clients)?;
    }
    Ok(())
}

/// So many clients ask at the same moment; it ends when the last one has its answer.
fn crowd(client: &Client, clip: &[u8], clients: usize) -> Result<()> {
    std::thread::scope(|scope| {
        let threads = (0..clients).map(|_| scope.spawn(|| client.transcribe(clip))).collect::<Vec<_>>();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result.map(drop),
            Err(_) => bail!("a client panicked"),
        })
    })
}

/// The device that whisper.cpp reports. It is an error when whisper.cpp is not used.
fn device(service: &Service) -> Result<String> {
    let begun = Instant::now();
    loop {
        let log = service.log();
        let about = log.lines().rev().find_map(|line| line.split_once("is transcribed by "));
        match about.map(|(_, what)| what.strip_prefix("whisper.cpp on ").ok_or(what)) {
            Some(Ok(device)) => return Ok(device.split(", loaded").next().unwrap_or(device).to_owned()),
            Some(Err(what)) => bail!(
                Failure::new(Exit::Unavailable, format!("whisper.cpp is not used: {what}"))
                    .hint("docs/transcription.md lists its requirements")
            ),
            None if begun.elapsed() > Duration::from_secs(5) => {
                bail!(Failure::new(
                    Exit::Unavailable,
                    format!("the log of the service does not name the backend for transcription:\n{log}")
                ));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
