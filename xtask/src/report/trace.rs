//! The log of `--verbose` and `RUST_LOG`: each action of the tool, between its other messages.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tracing::Level;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;

use super::output;
use super::progress::{Bar, Progress};
use crate::base::host;
use crate::base::quantity::format_duration;

/// Selects the levels of each module, in the usual syntax of Rust programs.
const VARIABLE: &str = "RUST_LOG";
/// The modules of this crate, by the name that `RUST_LOG` has for them.
const OURS: &str = "xtask";

/// Starts the log, if a flag or variable asks for it.
pub fn begin(verbose: bool) {
    let variable = host::variable(VARIABLE);
    let wanted = wanted(verbose, variable.as_deref()).unwrap_or_else(|error| {
        output::say(&format!("warning: `{VARIABLE}` is not understood and therefore not followed: {error}"));
        only_ours(verbose, &Targets::new())
    });
    if wanted.iter().next().is_none() {
        return;
    }
    let lines = tracing_subscriber::fmt::layer().with_timer(Since(Instant::now())).with_writer(|| LogWriter);
    // It fails only in a second call, which would change nothing.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(wanted).with(lines));
}

fn wanted(verbose: bool, variable: Option<&str>) -> Result<Targets, ParseError> {
    // Nothing at all would be taken for the level of errors.
    let asked = variable.filter(|text| !text.trim().is_empty()).map_or(Ok(Targets::new()), str::parse)?;
    Ok(only_ours(verbose, &asked))
}

/// N.B. the log of other crates is left out for any value of the variable: it has URLs with their signatures.
fn only_ours(verbose: bool, asked: &Targets) -> Targets {
    let is_ours = |name: &str| name.strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let everywhere = asked.default_level().map(|level| (OURS.to_owned(), level));
    let named = asked.iter().filter(|(name, _)| is_ours(name)).map(|(name, level)| (name.to_owned(), level));
    let flag = verbose.then(|| (OURS.to_owned(), Level::DEBUG.into()));
    // Of two for the same name the last one counts.
    Targets::new().with_targets(everywhere.into_iter().chain(named).chain(flag))
}

/// The time since the tool was started.
struct Since(Instant);

impl FormatTime for Since {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{:>8.3}", self.0.elapsed().as_secs_f64())
    }
}

/// Writes each line, which comes in one piece, where no bar is drawn over it, or as an event.
struct LogWriter;

impl io::Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        output::line(String::from_utf8_lossy(line).trim_end());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Progress with a line for the beginning of each step, and one that says how long it took, also where a person would
/// read none.
pub struct Timed<P>(pub P);

/// Whether steps are logged.
pub fn is_on() -> bool {
    tracing::enabled!(Level::INFO)
}

impl<P: Progress> Progress for Timed<P> {
    fn step(&self, doing: &str, what: &str) -> Box<dyn Bar> {
        TimedBar::begin(doing, what, self.0.step(doing, what))
    }

    fn bytes(&self, doing: &str, what: &str, total: Option<u64>) -> Box<dyn Bar> {
        TimedBar::begin(doing, what, self.0.bytes(doing, what, total))
    }

    fn items(&self, doing: &str, what: &str, total: usize) -> Box<dyn Bar> {
        TimedBar::begin(doing, what, self.0.items(doing, what, total))
    }
}

struct TimedBar {
    name: String,
    began: Instant,
    is_over: AtomicBool,
    bar: Box<dyn Bar>,
}

impl TimedBar {
    fn begin(doing: &str, what: &str, bar: Box<dyn Bar>) -> Box<dyn Bar> {
        let name = format!("{doing} {what}");
        tracing::debug!("{name}: begins");
        Box::new(Self { name, began: Instant::now(), is_over: AtomicBool::new(false), bar })
    }

    fn end(&self, how: &str) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            tracing::info!("{}: {how} after {}", self.name, format_duration(self.began.elapsed()));
        }
    }
}

impl Bar for TimedBar {
    fn advance(&self, amount: u64) {
        self.bar.advance(amount);
    }

    fn found(&self, amount: u64) {
        self.bar.found(amount);
    }

    fn set_back(&self, amount: u64) {
        self.bar.set_back(amount);
    }

    fn part(&self, name: &str, total: Option<u64>) -> Box<dyn Bar> {
        self.bar.part(name, total)
    }

    fn finish(&self) {
        self.bar.finish();
        self.end("over");
    }

    fn done(&self, did: &str, what: &str) {
        self.bar.done(did, what);
        self.end("over");
    }
}

impl Drop for TimedBar {
    fn drop(&mut self) {
        self.end("given up");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_and_the_variable_choose_among_modules_of_this_crate_only() {
        let told = |verbose, variable: &str, module: &str, level| {
            wanted(verbose, Some(variable)).unwrap().would_enable(module, &level)
        };
        assert!(told(true, "", "xtask::net::http", Level::DEBUG));
        assert!(told(true, "warn", "xtask::net::http", Level::DEBUG));
        assert!(told(false, "info", "xtask::net::http", Level::INFO));
        assert!(!told(false, "info", "xtask::net::http", Level::DEBUG));
        assert!(told(false, "h2=trace,xtask::store=debug", "xtask::store::tree", Level::DEBUG));
        assert!(!told(false, "h2=trace,xtask::store=debug", "xtask::net::http", Level::INFO));
        assert!(!told(true, "trace,h2=trace", "h2::client", Level::ERROR));
        for nothing in ["", "h2=trace", "xtasks=trace"] {
            assert_eq!(wanted(false, Some(nothing)).unwrap().iter().count(), 0, "{nothing}");
        }
        assert!(wanted(false, Some("a=b=c")).is_err());
    }
}
