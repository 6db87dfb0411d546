//! Progress for programs: one JSON object a line on standard error.
//!
//! `{"event": "progress", "step": …, "part": …, "done": N, "total": N, "seconds": N}`, where `event` is `begin`,
//! `progress` (at most twice a second for each step and part) or `end`; `part` is one file of a step that fetches
//! several; `done` and `total` count what the step counts, bytes when it fetches. An `end` has a `summary` where a person
//! would read one, such as `Fetched 26 wheels (116.3 MB)`. `{"event": "note", "text": …}` is for people.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::progress::{Bar, Progress};

const PAUSE: Duration = Duration::from_millis(500);

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
    // A closed standard error is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{event}");
}

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
        counter.tell("begin", 0, None);
        Box::new(counter)
    }

    fn tell(&self, event: &str, done: u64, summary: Option<&str>) {
        let seconds = self.began.elapsed().as_millis() as f64 / 1000.0;
        let mut event = json!({
            "event": event, "step": self.step, "part": self.part, "done": done, "total": self.total, "seconds": seconds
        });
        if let Some(summary) = summary {
            event["summary"] = summary.into();
        }
        tell(&event);
    }

    fn end(&self, summary: Option<&str>) {
        self.tell("end", self.state.lock().unwrap_or_else(PoisonError::into_inner).done, summary);
    }

    fn change(&self, change: impl FnOnce(u64) -> u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done = change(state.done);
        if state.told.elapsed() >= PAUSE {
            state.told = Instant::now();
            self.tell("progress", state.done, None);
        }
    }
}

impl Progress for Events {
    fn step(&self, doing: &str, what: &str) -> Box<dyn Bar> {
        Counter::begin(&format!("{doing} {what}"), None, None)
    }

    fn bytes(&self, doing: &str, what: &str, total: Option<u64>) -> Box<dyn Bar> {
        Counter::begin(&format!("{doing} {what}"), None, total)
    }

    fn items(&self, doing: &str, what: &str, total: usize) -> Box<dyn Bar> {
        Counter::begin(&format!("{doing} {what}"), None, Some(total as u64))
    }
}

impl Bar for Counter {
    fn advance(&self, amount: u64) {
        self.change(|done| done + amount);
    }

    fn set_back(&self, amount: u64) {
        self.change(|done| done.saturating_sub(amount));
    }

    fn part(&self, name: &str, total: Option<u64>) -> Box<dyn Bar> {
        Self::begin(&self.step, Some(name), total)
    }

    fn finish(&self) {
        self.end(None);
    }

    fn done(&self, did: &str, what: &str) {
        self.end(Some(&format!("{did} {what}")));
    }
}
