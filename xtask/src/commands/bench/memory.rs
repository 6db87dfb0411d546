//! Resident memory in the life of a server: after its start, after one of each, under load, and after the idle time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

use super::child::resident;
use super::peers::{Servers, Who};
use super::report::{Comparison, Middle, Peer, Unit};
use super::texts::{PARAGRAPH, SENTENCE};
use super::wav;

/// When unused models are unloaded, in seconds.
const IDLE: u64 = 10;
/// What follows then takes a while.
const UNLOADING: u64 = 5;
/// What is promised after a speech and a transcription, in bytes.
const SMALL: f64 = 900e6;
const ROWS: [&str; 4] = [
    "memory when ready",
    "memory after a speech and a transcription",
    "most memory while it speaks and transcribes",
    "memory after the idle time",
];

/// Measures each server once.
pub fn measure(servers: &Servers, recording: &[u8]) -> Result<Vec<Comparison>> {
    let mut lives = Vec::new();
    for who in servers.who() {
        eprintln!("memory of {}", who.name());
        lives.push((who.name(), life(servers, *who, recording)?));
    }
    let mut comparisons = Vec::new();
    for (row, title) in ROWS.into_iter().enumerate() {
        let peer =
            |(name, life): &(&str, [f64; 4])| Peer { name: (*name).to_owned(), limit: None, samples: vec![life[row]] };
        let mut peers = lives[1..].iter().map(peer).collect::<Vec<_>>();
        if row == 1 {
            peers.push(Peer { name: Unit::Bytes.show(SMALL), limit: Some(1.0), samples: vec![SMALL] });
        }
        let (title, ours) = (title.to_owned(), vec![lives[0].1[row]]);
        comparisons.push(Comparison { title, unit: Unit::Bytes, middle: Middle::Median, ours, peers });
    }
    Ok(comparisons)
}

fn life(servers: &Servers, who: Who, recording: &[u8]) -> Result<[f64; 4]> {
    let idle = IDLE.to_string();
    let mut server = servers.start(who, |command| {
        // Ours knows upstream's names, too.
        command.envs([("TTS_MODEL_TTL", &idle), ("STT_MODEL_TTL", &idle)]);
    })?;
    server.wait_until_ready(&servers.client)?;
    let memory = || Ok::<_, anyhow::Error>(resident(server.pid())? as f64);
    let ready = memory()?;
    servers.speak(&server, SENTENCE, "pcm")?;
    servers.transcribe(&server, &wav::clip(recording, 5))?;
    let used = memory()?;
    let over = AtomicBool::new(false);
    let minute = wav::clip(recording, 60);
    let most = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = used;
            while !over.load(Ordering::Relaxed) {
                most = memory()?.max(most);
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok::<_, anyhow::Error>(most)
        });
        let speaker = scope.spawn(|| servers.speak(&server, PARAGRAPH, "pcm"));
        let heard = servers.transcribe(&server, &minute);
        let spoken = speaker.join().expect("a client does not panic");
        over.store(true, Ordering::Relaxed);
        let most = watcher.join().expect("nobody panics while watching")?;
        heard.and(spoken).map(|_| most)
    })?;
    std::thread::sleep(Duration::from_secs(IDLE + UNLOADING));
    Ok([ready, used, most, memory()?])
}
