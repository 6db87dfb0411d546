//! Progress for programs: one JSON object a line on standard error.
//!
//! `{"event": "progress", "step": …, "part": …, "done": N, "total": N, "seconds": N}`, where `event` is `begin`,
//! `progress` (at most twice a second for each step and part) or `end`; `part` is one file of a step that fetches
//! several; `done` and `total` count what the step counts, bytes when it fetches. `{"event": "note", "text": …}` is for
//! people.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Bar, Progress};

const PAUSE: Duration = Duration::from_millis(500);

/// Writes events.
pub struct Events;

struct Counter {
    step: String,
    part: Option<String>,
    total: Option<u64>,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    done: u64,
    told: Instant,
}

fn tell(event: &Value) {
    // Nobody who listens is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{event}");
}

/// Tells something that is for people.
pub fn note(text: &str) {
    tell(&json!({"event": "note", "text": text}));
}

impl Counter {
    fn begin(step: &str, part: Option<&str>, total: Option<u64>) -> Box<dyn Bar> {
        let now = Instant::now();
        let counter = Self {
            step: step.to_owned(),
            part: part.map(str::to_owned),
            total,
            began: now,
            state: Mutex::new(State { done: 0, told: now }),
        };
        counter.tell("begin", 0);
        Box::new(counter)
    }

    fn tell(&self, event: &str, done: u64) {
        let seconds = self.began.elapsed().as_millis() as f64 / 1000.0;
        tell(&json!({
            "event": event, "step": self.step, "part": self.part, "done": done, "total": self.total, "seconds": seconds
        }));
    }

    fn change(&self, change: impl FnOnce(u64) -> u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done = change(state.done);
        if state.told.elapsed() >= PAUSE {
            state.told = Instant::now();
            self.tell("progress", state.done);
        }
    }
}

impl Progress for Events {
    fn step(&self, text: &str) -> Box<dyn Bar> {
        Counter::begin(text, None, None)
    }

    fn bytes(&self, text: &str, total: Option<u64>) -> Box<dyn Bar> {
        Counter::begin(text, None, total)
    }

    fn items(&self, text: &str, total: usize) -> Box<dyn Bar> {
        Counter::begin(text, None, Some(total as u64))
    }
}

impl Bar for Counter {
    fn advance(&self, amount: u64) {
        self.change(|done| done + amount);
    }

    fn set_back(&self, amount: u64) {
        self.change(|done| done.saturating_sub(amount));
    }

    fn part(&self, text: &str, total: Option<u64>) -> Box<dyn Bar> {
        Self::begin(&self.step, Some(text), total)
    }

    fn finish(&self) {
        self.tell("end", self.state.lock().unwrap_or_else(PoisonError::into_inner).done);
    }
}
