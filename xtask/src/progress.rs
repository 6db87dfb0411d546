//! What a person sees while they wait. Silent when nobody is watching.

mod events;

use std::io::IsTerminal as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressFinish, ProgressStyle};

/// All bars of this process: what is said between them must not be drawn over.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
/// Whether a program follows the progress.
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// Says something that whoever is watching should know, on a line of its own.
pub fn say(text: &str) {
    if AS_JSON.load(Ordering::Relaxed) {
        events::note(text);
    } else {
        BARS.suspend(|| eprintln!("{text}"));
    }
}

/// Where progress goes.
pub trait Progress: Sync {
    /// A step whose length is not known.
    fn step(&self, _text: &str) -> Box<dyn Bar> {
        Box::new(Silent)
    }

    /// A step that goes through a number of bytes, if it is known.
    fn bytes(&self, text: &str, _total: Option<u64>) -> Box<dyn Bar> {
        self.step(text)
    }

    /// A step that goes through a number of things.
    fn items(&self, text: &str, _total: usize) -> Box<dyn Bar> {
        self.step(text)
    }
}

/// A step that is going on.
pub trait Bar: Sync {
    /// So much more was done.
    fn advance(&self, _amount: u64) {}
    /// So much has to be done again.
    fn set_back(&self, _amount: u64) {}
    /// A file that this step goes through among others.
    fn part(&self, _text: &str, _total: Option<u64>) -> Box<dyn Bar> {
        Box::new(Silent)
    }
    /// It is done.
    fn finish(&self) {}
}

/// Says nothing.
pub struct Silent;

impl Progress for Silent {}
impl Bar for Silent {}

/// Bars and spinners on a terminal.
pub struct Terminal;

impl Progress for Terminal {
    fn step(&self, text: &str) -> Box<dyn Bar> {
        let bar = ProgressBar::new_spinner().with_style(style("{spinner} {msg} ({elapsed})"));
        Box::new(started(bar, text))
    }

    fn bytes(&self, text: &str, total: Option<u64>) -> Box<dyn Bar> {
        let bar = match total {
            Some(total) => ProgressBar::new(total)
                .with_style(style("{spinner} {msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {msg} {bytes} {bytes_per_sec}")),
        };
        Box::new(started(bar, text))
    }

    fn items(&self, text: &str, total: usize) -> Box<dyn Bar> {
        let bar = ProgressBar::new(total as u64).with_style(style("{spinner} {msg} [{bar:24}] {pos}/{len}"));
        Box::new(started(bar, text))
    }
}

impl Bar for ProgressBar {
    fn advance(&self, amount: u64) {
        self.inc(amount);
    }

    fn set_back(&self, amount: u64) {
        self.dec(amount);
    }

    fn part(&self, text: &str, total: Option<u64>) -> Box<dyn Bar> {
        let bar = match total {
            Some(total) => ProgressBar::new(total)
                .with_style(style("    [{bar:16}] {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}")),
            None => ProgressBar::new_spinner().with_style(style("    {bytes} {bytes_per_sec} {wide_msg}")),
        };
        Box::new(added(bar, text))
    }

    fn finish(&self) {
        self.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are right").progress_chars("=> ")
}

/// A bar below those that are there.
fn added(bar: ProgressBar, text: &str) -> ProgressBar {
    // Also when a step ends with an error: its message belongs on a line of its own.
    BARS.add(bar.with_message(text.to_owned()).with_finish(ProgressFinish::AndClear))
}

fn started(bar: ProgressBar, text: &str) -> ProgressBar {
    let bar = added(bar, text);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// Progress for programs, one JSON object a line on standard error; [`say`] says things so, too.
pub fn as_json() -> &'static dyn Progress {
    AS_JSON.store(true, Ordering::Relaxed);
    &events::Events
}

/// Progress for whoever watches standard error: bars for a person, nothing for a log.
pub fn for_stderr() -> &'static dyn Progress {
    if std::io::stderr().is_terminal() { &Terminal } else { &Silent }
}
