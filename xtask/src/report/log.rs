//! Progress for a log: a line for each finished step, and an occasional line about a step that takes long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lines::write_status_to_stderr;
use super::progress::{Bar, Progress, Unit};
use crate::base::quantity::format_duration;

/// The intervals of reports about a running step.
#[derive(Clone, Copy)]
struct Intervals {
    /// The time before the first report.
    silent: Duration,
    /// The time between further reports.
    pause: Duration,
    /// Gets a verb and the rest.
    report: fn(&str, &str),
}

const INTERVALS: Intervals =
    Intervals { silent: Duration::from_secs(10), pause: Duration::from_secs(30), report: write_status_to_stderr };

/// Writes lines that a log can have.
pub struct Log;

impl Progress for Log {
    fn step(&self, doing: &str, what: &str) -> Box<dyn Bar> {
        Box::new(LoggedBar::begin(doing, what, Unit::Nothing, None, INTERVALS))
    }

    fn bytes(&self, doing: &str, what: &str, total: Option<u64>) -> Box<dyn Bar> {
        Box::new(LoggedBar::begin(doing, what, Unit::Bytes, total, INTERVALS))
    }

    fn items(&self, doing: &str, what: &str, total: usize) -> Box<dyn Bar> {
        Box::new(LoggedBar::begin(doing, what, Unit::Items, Some(total as u64), INTERVALS))
    }
}

/// A step, followed by a thread of its own: one that waits for a compiler says nothing by itself.
struct LoggedBar(Arc<Step>);

struct Step {
    doing: String,
    what: String,
    unit: Unit,
    total: Option<u64>,
    began: Instant,
    done: AtomicU64,
    intervals: Intervals,
    /// Locked during a report, so that no report follows the end of a step.
    is_over: Mutex<bool>,
    ends: Condvar,
}

impl LoggedBar {
    fn begin(doing: &str, what: &str, unit: Unit, total: Option<u64>, intervals: Intervals) -> Self {
        let step = Arc::new(Step {
            doing: doing.to_owned(),
            what: what.to_owned(),
            unit,
            total,
            began: Instant::now(),
            done: AtomicU64::new(0),
            intervals,
            is_over: Mutex::new(false),
            ends: Condvar::new(),
        });
        let logged = step.clone();
        std::thread::spawn(move || logged.follow());
        Self(step)
    }

    fn end(&self) {
        *self.0.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.ends.notify_all();
    }
}

impl Step {
    fn follow(&self) {
        let mut pause = self.intervals.silent;
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let waited = self.ends.wait_timeout_while(is_over, pause, |is_over| !*is_over);
            is_over = waited.unwrap_or_else(PoisonError::into_inner).0;
            if *is_over {
                return;
            }
            (self.intervals.report)(&self.doing, &self.now());
            pause = self.intervals.pause;
        }
    }

    /// How far it is: `26 wheels: 45.1 of 116.3 MB after 40 s`.
    fn now(&self) -> String {
        let seconds = self.began.elapsed().as_secs();
        match self.unit.amount(self.done.load(Ordering::Relaxed), self.total) {
            Some(amount) => format!("{}: {amount} after {seconds} s", self.what),
            None => format!("{}: {seconds} s so far", self.what),
        }
    }
}

impl Drop for LoggedBar {
    fn drop(&mut self) {
        self.end();
    }
}

impl Bar for LoggedBar {
    fn advance(&self, amount: u64) {
        self.0.done.fetch_add(amount, Ordering::Relaxed);
    }

    fn set_back(&self, amount: u64) {
        self.0.done.fetch_sub(amount, Ordering::Relaxed);
    }

    fn finish(&self) {
        self.end();
    }

    fn done(&self, did: &str, what: &str) {
        self.end();
        (self.0.intervals.report)(did, &format!("{what} in {}", format_duration(self.0.began.elapsed())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn said() -> Vec<String> {
        SAID.lock().unwrap().clone()
    }

    #[test]
    fn a_long_step_says_how_far_it_is_and_nothing_after_its_end() {
        let intervals = Intervals {
            silent: Duration::from_millis(30),
            pause: Duration::from_millis(30),
            report: |verb, text| SAID.lock().unwrap().push(format!("{verb} {text}")),
        };
        LoggedBar::begin("Asking", "nobody", Unit::Nothing, None, intervals).finish();
        let fetching = LoggedBar::begin("Fetching", "2 files", Unit::Bytes, Some(2_000_000), intervals);
        fetching.advance(1_500_000);
        fetching.set_back(500_000);
        while said().len() < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        fetching.done("Fetched", "2 files (2.0 MB)");
        let lines = said();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(said(), lines, "something was said after the end");
        let (last, before) = lines.split_last().unwrap();
        assert!(before.iter().all(|line| line.starts_with("Fetching 2 files: 1.0 of 2.0 MB after ")), "{lines:?}");
        assert!(last.starts_with("Fetched 2 files (2.0 MB) in "), "{lines:?}");
    }
}
