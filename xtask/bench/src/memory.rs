//! Resident memory in the life of a server: after its start, after one of each, under load, and after the idle time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

use crate::baselines::{ServerKind, Servers};
use crate::process::resident;
use crate::report::{Baseline, Report, Unit};
use crate::sound::{PARAGRAPH, SENTENCE, clip};

/// When unused models are unloaded, in seconds.
const IDLE: u64 = 10;
/// Seconds until the memory of unloaded models is returned.
const UNLOADING: u64 = 5;
/// The promised memory after a speech and a transcription, in bytes.
const SMALL: f64 = 900e6;
const MOMENTS: [&str; 4] = [
    "memory when ready",
    "memory after a speech and a transcription",
    "most memory while it speaks and transcribes",
    "memory after the idle time",
];

/// Measures each server once.
pub fn measure(servers: &Servers, recording: &[u8], report: &mut Report) -> Result<()> {
    let lives = servers.kinds().iter().map(|kind| life(servers, *kind, recording)).collect::<Result<Vec<_>>>()?;
    for (moment, title) in MOMENTS.into_iter().enumerate() {
        let upstream = lives.get(1).map(|life| Baseline {
            name: ServerKind::Upstream.name().to_owned(),
            limit: None,
            samples: vec![life[moment]],
        });
        report.add(title, Unit::Bytes, vec![lives[0][moment]], upstream);
        if moment == 1 {
            let small = Baseline { name: Unit::Bytes.show(SMALL), limit: Some(1.0), samples: vec![SMALL] };
            report.add(title, Unit::Bytes, vec![lives[0][moment]], Some(small));
        }
    }
    Ok(())
}

fn life(servers: &Servers, kind: ServerKind, recording: &[u8]) -> Result<[f64; 4]> {
    let idle = IDLE.to_string();
    // Ours knows upstream's names, too.
    let server = servers.start_ready(kind, |command| {
        command.envs([("TTS_MODEL_TTL", &idle), ("STT_MODEL_TTL", &idle)]);
    })?;
    let client = &server.client;
    let ready = resident(server.pid())?;
    client.speak(SENTENCE, "pcm")?;
    client.transcribe(&clip(recording, 5))?;
    let used = resident(server.pid())?;
    let over = AtomicBool::new(false);
    let most = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = used;
            while !over.load(Ordering::Relaxed) {
                most = resident(server.pid())?.max(most);
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok::<_, anyhow::Error>(most)
        });
        let speaker = scope.spawn(|| client.speak(PARAGRAPH, "pcm"));
        let heard = client.transcribe(&clip(recording, 60));
        let spoken = speaker.join().expect("a client does not panic");
        over.store(true, Ordering::Relaxed);
        let most = watcher.join().expect("nobody panics while watching")?;
        heard.and(spoken).map(|_| most)
    })?;
    std::thread::sleep(Duration::from_secs(IDLE + UNLOADING));
    Ok([ready, used, most, resident(server.pid())?])
}
