//! `cargo xtask bench speech`: speech in every format, encoded in the service's own process, beside upstream's ffmpeg.
//!
//! Both servers run all the time; each request is made to one and then to the other.

use std::io::Read as _;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use camino::Utf8PathBuf;
use clap::Args;

use super::peers::{Places, Running, Servers, Who};
use crate::commands::smoke::SENTENCE;
use crate::failure::{Exit, Failure};

const FORMATS: [&str; 6] = ["pcm", "mp3", "wav", "flac", "opus", "aac"];

/// Let a runtime speak beside upstream, and compare first bytes and processor time
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// The ffmpeg that upstream starts for each request; by default that of PATH
    #[arg(long, value_name = "PATH")]
    ffmpeg: Option<Utf8PathBuf>,
    /// How often each one speaks in each format
    #[arg(long, value_name = "N", default_value_t = 20)]
    rounds: usize,
    /// How many sentences it speaks
    #[arg(long, value_name = "N", default_value_t = 4)]
    sentences: usize,
}

/// Of one request.
#[derive(Clone, Copy, Default)]
struct Measured {
    /// Until the first byte of the body, in seconds.
    first: f64,
    /// Until its end, in seconds.
    whole: f64,
    /// Processor time of the server and the programs it has started, in seconds.
    processor: f64,
    /// Length of the body in bytes.
    bytes: usize,
}

/// Runs the subcommand.
pub fn run(arguments: &Arguments) -> Result<()> {
    let ffmpeg = find_ffmpeg(arguments)?;
    let servers = Servers::new(&arguments.places)?;
    let mut running = Vec::new();
    for who in Who::ALL {
        eprintln!("starting {}", who.name());
        let mut server = servers.start(who, |command| put_first_on_path(command, &ffmpeg))?;
        server.wait_for_page(&servers.client, "/health")?;
        running.push(server);
    }
    let text = vec![SENTENCE; arguments.sentences].join(" ");
    let mut table =
        format!("{:<6} {:>21}   {:>21}   {:>21}   {:>19}\n", "", "first byte", "whole answer", "processor", "bytes");
    for format in FORMATS {
        eprintln!("{format}");
        let body = servers.speech_request(&text, format)?;
        let mut measured = [Vec::new(), Vec::new()];
        // The first request of each loads models and libraries.
        for server in &running {
            speak(&servers, server, &body)?;
        }
        for round in 0..arguments.rounds {
            for turn in 0..2 {
                let who = (round + turn) % 2;
                measured[who].push(speak(&servers, &running[who], &body)?);
            }
        }
        let [ours, upstream] = &measured;
        let compare = |of: fn(&[Measured]) -> f64| {
            let (ours, theirs) = (of(ours) * 1000.0, of(upstream) * 1000.0);
            format!("{ours:>4.0} / {theirs:>4.0} ms {:>4.2}", ours / theirs)
        };
        let first = compare(|all| median(all, |it| it.first));
        let whole = compare(|all| median(all, |it| it.whole));
        // Linux counts in hundredths of a second, so one request tells little.
        let processor = compare(|all| all.iter().map(|it| it.processor).sum::<f64>() / all.len() as f64);
        let bytes = format!("{} / {}", ours[0].bytes, upstream[0].bytes);
        table.push_str(&format!("{format:<6} {first:>21}   {whole:>21}   {processor:>21}   {bytes:>19}\n"));
    }
    super::super::print(&format!("ours / theirs and the ratio, {} requests each\n{table}", arguments.rounds))?;
    Ok(())
}

fn find_ffmpeg(arguments: &Arguments) -> Result<Utf8PathBuf> {
    if let Some(path) = &arguments.ffmpeg {
        return Ok(camino::absolute_utf8(path)?);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter_map(|directory| Utf8PathBuf::try_from(directory.join("ffmpeg")).ok())
        .find(|program| program.is_file())
        .ok_or_else(|| {
            Failure::new(Exit::Unavailable, "upstream needs ffmpeg, and there is none on PATH")
                .hint("name one with `--ffmpeg`")
                .into()
        })
}

fn put_first_on_path(command: &mut Command, program: &Utf8PathBuf) {
    let others = std::env::var("PATH").unwrap_or_default();
    if let Some(directory) = program.parent() {
        command.env("PATH", format!("{directory}:{others}"));
    }
}

fn speak(servers: &Servers, server: &Running, body: &serde_json::Value) -> Result<Measured> {
    let before = processor_time(server.pid())?;
    let begun = Instant::now();
    let mut response = servers.client.post(server.url("/v1/audio/speech")).json(body).send()?.error_for_status()?;
    let mut first = [0];
    response.read_exact(&mut first).context("the answer is empty")?;
    let mut measured = Measured { first: begun.elapsed().as_secs_f64(), ..Measured::default() };
    let mut rest = Vec::new();
    response.read_to_end(&mut rest)?;
    measured.whole = begun.elapsed().as_secs_f64();
    measured.bytes = rest.len() + 1;
    // ffmpeg's time is its parent's when the parent has waited for it, which is after the last byte.
    std::thread::sleep(std::time::Duration::from_millis(50));
    measured.processor = processor_time(server.pid())? - before;
    Ok(measured)
}

/// Processor time of a process, its threads and its ended children, in seconds.
fn processor_time(pid: u32) -> Result<f64> {
    if !cfg!(target_os = "linux") {
        bail!(Failure::new(Exit::Unavailable, "processor time is read from /proc, which only Linux has"));
    }
    let text = fs_err::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may contain spaces. After it the state is field 3, so these are fields 14 to 17.
    let (_, fields) = text.rsplit_once(')').context("a name in parentheses")?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks as f64 / 100.0)
}

fn median(all: &[Measured], value: fn(&Measured) -> f64) -> f64 {
    let mut values = all.iter().map(value).collect::<Vec<_>>();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
