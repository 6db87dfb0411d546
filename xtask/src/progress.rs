//! What a person sees while they wait. Silent when nobody is watching.

mod events;

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressFinish, ProgressStyle};

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
    /// Something that whoever is watching should know.
    fn say(&self, text: &str) {
        eprintln!("{text}");
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
        let bar =
            ProgressBar::new_spinner().with_message(text.to_owned()).with_style(style("{spinner} {msg} ({elapsed})"));
        Box::new(started(bar))
    }

    fn bytes(&self, text: &str, total: Option<u64>) -> Box<dyn Bar> {
        let bar = match total {
            Some(total) => ProgressBar::new(total)
                .with_style(style("{spinner} {msg} [{bar:24}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {msg} {bytes} {bytes_per_sec}")),
        };
        let bars = MultiProgress::new();
        let whole = started(bars.add(bar.with_message(text.to_owned())));
        Box::new(Several { bars, whole })
    }

    fn items(&self, text: &str, total: usize) -> Box<dyn Bar> {
        let bar = ProgressBar::new(total as u64).with_style(style("{spinner} {msg} [{bar:24}] {pos}/{len}"));
        Box::new(started(bar.with_message(text.to_owned())))
    }
}

/// A bar for the whole with one below it for each part.
struct Several {
    bars: MultiProgress,
    whole: ProgressBar,
}

impl Bar for Several {
    fn advance(&self, amount: u64) {
        self.whole.advance(amount);
    }

    fn set_back(&self, amount: u64) {
        self.whole.set_back(amount);
    }

    fn part(&self, text: &str, total: Option<u64>) -> Box<dyn Bar> {
        let bar = match total {
            Some(total) => ProgressBar::new(total)
                .with_style(style("    [{bar:16}] {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}")),
            None => ProgressBar::new_spinner().with_style(style("    {bytes} {bytes_per_sec} {wide_msg}")),
        };
        Box::new(self.bars.add(bar.with_message(text.to_owned()).with_finish(ProgressFinish::AndClear)))
    }

    fn say(&self, text: &str) {
        self.bars.suspend(|| eprintln!("{text}"));
    }

    fn finish(&self) {
        self.whole.finish_and_clear();
    }
}

impl Bar for ProgressBar {
    fn advance(&self, amount: u64) {
        self.inc(amount);
    }

    fn set_back(&self, amount: u64) {
        self.dec(amount);
    }

    fn say(&self, text: &str) {
        self.suspend(|| eprintln!("{text}"));
    }

    fn finish(&self) {
        self.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are right").progress_chars("=> ")
}

fn started(bar: ProgressBar) -> ProgressBar {
    bar.enable_steady_tick(Duration::from_millis(120));
    // Also when a step ends with an error: its message belongs on a line of its own.
    bar.with_finish(ProgressFinish::AndClear)
}

/// Progress for programs, one JSON object a line on standard error.
pub fn as_json() -> &'static dyn Progress {
    &events::Events
}

/// Progress for whoever watches standard error: bars for a person, nothing for a log.
pub fn for_stderr() -> &'static dyn Progress {
    if std::io::stderr().is_terminal() { &Terminal } else { &Silent }
}
