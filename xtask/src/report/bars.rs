//! Bars on a terminal, as indicatif draws them.

use std::fmt::Write;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use console::{Term, truncate_str};
use indicatif::{
    HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState, ProgressStyle,
    TermLike,
};

use super::lines;
use super::progress::{Bar, Progress, Silent, Unit};
use crate::base::quantity::format_duration;

/// All bars of this process, which must not draw over messages between them.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// How often a second bars are drawn at most.
const DRAWN: u8 = 20;
/// Between two looks at a step that does not advance.
const TICK: Duration = Duration::from_millis(200);
/// Columns that stay free for what a terminal echoes for Ctrl-C.
const FREE: usize = 3;
/// The shortest useful length of a cut name, in columns.
const MIN_NAME_WIDTH: usize = 8;

/// A line on terminals that have so many columns, and how many of them are not there for the name of the step: those of a
/// short bar among them.
struct Line(usize, &'static str, usize);

const VERB: Line = Line(0, "{prefix}", 0);
const STEP: [Line; 2] = [Line(36, "{prefix}{what} ({elapsed})", 20), VERB];
const AMOUNT: [Line; 2] = [Line(36, "{prefix}{what} {amount}", 33), VERB];
const ITEMS: [Line; 3] =
    [Line(72, "{prefix}{what} [{wide_bar}] {amount}", 35), Line(36, "{prefix}{what} {amount}", 24), VERB];
const BYTES: [Line; 4] = [
    Line(100, "{prefix}{what} [{wide_bar}] {amount:>20} {decimal_bytes_per_sec:>12} {left:>9}", 67),
    Line(72, "{prefix}{what} [{wide_bar}] {amount:>20} {left:>9}", 54),
    Line(36, "{prefix}{what} {amount}", 33),
    VERB,
];
const PART: [Line; 2] =
    [Line(72, "{prefix} [{bar:16}] {amount:>20} {what}", 53), Line(56, "{prefix} {amount:>20} {what}", 34)];

fn bars() -> &'static MultiProgress {
    BARS.get_or_init(|| {
        let screen = Screen { term: Term::buffered_stderr(), line_ended: AtomicBool::new(false) };
        MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(Box::new(screen), DRAWN))
    })
}

/// The terminal, on which lines of bars end where their text ends. indicatif fills them up to the edge, where the terminal
/// begins the next one: the echo of Ctrl-C would be on a line below the bars, and one of them would be left above it.
#[derive(Debug)]
struct Screen {
    term: Term,
    /// Whether the next character begins a line.
    line_ended: AtomicBool,
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        columns().try_into().unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        self.term.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.term.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.bytes().all(|byte| byte == b' ') {
            self.line_ended.store(true, Ordering::Relaxed);
            return Ok(());
        }
        if self.line_ended.swap(false, Ordering::Relaxed) {
            self.term.write_str("\r\n")?;
        }
        self.term.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.term.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.line_ended.store(false, Ordering::Relaxed);
        self.term.flush()
    }
}

/// Hides all bars while `write` writes to the terminal.
pub fn suspend_bars<T>(write: impl FnOnce() -> T) -> T {
    match BARS.get() {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

/// Removes all bars, and draws no more.
pub fn end() {
    if let Some(bars) = BARS.get() {
        // A terminal that is gone needs no tidying up.
        let _ = bars.clear();
        bars.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// How wide lines of bars are, in columns.
fn columns() -> usize {
    usize::from(Term::stderr().size().1).saturating_sub(FREE)
}

pub struct Terminal;

impl Progress for Terminal {
    fn step(&self, doing: &str, what: &str) -> Box<dyn Bar> {
        DrawnBar::step(doing, what, Unit::Nothing, None, &STEP)
    }

    fn bytes(&self, doing: &str, what: &str, total: Option<u64>) -> Box<dyn Bar> {
        let known = total.is_some();
        DrawnBar::step(doing, what, Unit::Bytes, total, if known { &BYTES } else { &AMOUNT })
    }

    fn items(&self, doing: &str, what: &str, total: usize) -> Box<dyn Bar> {
        DrawnBar::step(doing, what, Unit::Items, Some(total as u64), &ITEMS)
    }
}

struct DrawnBar(ProgressBar);

impl DrawnBar {
    fn step(doing: &str, what: &str, unit: Unit, total: Option<u64>, choice: &'static [Line]) -> Box<dyn Bar> {
        let bar = Self::new(doing, what, unit, total, choice).expect("a verb fits on every terminal");
        bar.0.enable_steady_tick(TICK);
        Box::new(bar)
    }

    /// Nothing where the terminal is too narrow for any of the lines.
    fn new(doing: &str, what: &str, unit: Unit, total: Option<u64>, choice: &'static [Line]) -> Option<Self> {
        let Line(_, template, rest) = choice.iter().find(|Line(least, ..)| *least <= columns())?;
        let what = what.to_owned();
        let style = ProgressStyle::with_template(template)
            .expect("the templates are right")
            .progress_chars("=> ")
            .with_key("what", move |_: &ProgressState, to: &mut dyn Write| {
                let room = columns().saturating_sub(*rest);
                if room > MIN_NAME_WIDTH {
                    let _ = write!(to, " {}", truncate_str(&what, room - 1, "…"));
                }
            })
            .with_key("amount", move |state: &ProgressState, to: &mut dyn Write| {
                let _ = to.write_str(&unit.amount(state.pos(), state.len()).unwrap_or_default());
            })
            .with_key("left", |state: &ProgressState, to: &mut dyn Write| {
                let left = state.eta();
                if left >= Duration::from_secs(1) {
                    let _ = write!(to, "{:#} left", HumanDuration(left));
                }
            });
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        // Also when a step ends with an error: its message belongs on a line of its own.
        let bar = bar.with_style(style).with_finish(ProgressFinish::AndClear);
        Some(Self(bars().add(bar.with_prefix(lines::doing(doing, lines::are_coloured())))))
    }
}

impl Bar for DrawnBar {
    fn advance(&self, amount: u64) {
        self.0.inc(amount);
    }

    fn found(&self, amount: u64) {
        self.0.inc(amount);
        // The amount was there already; counted as progress, it would make the estimate far too short.
        self.0.reset_eta();
    }

    fn set_back(&self, amount: u64) {
        self.0.dec(amount);
    }

    fn part(&self, name: &str, total: Option<u64>) -> Box<dyn Bar> {
        let choice = if total.is_some() { &PART[..] } else { &PART[1..] };
        match Self::new("", name, Unit::Bytes, total, choice) {
            Some(bar) => Box::new(bar),
            None => Box::new(Silent),
        }
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }

    fn done(&self, did: &str, what: &str) {
        let time = format_duration(self.0.elapsed());
        self.0.finish_and_clear();
        suspend_bars(|| lines::write_status_to_stderr(did, &format!("{what} in {time}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_where_it_is_chosen_and_one_is_for_every_terminal() {
        for choice in [&STEP[..], &AMOUNT, &ITEMS, &BYTES, &PART] {
            for Line(least, template, rest) in choice {
                assert!(ProgressStyle::with_template(template).is_ok() && rest <= least, "{template}");
            }
            assert!(choice.is_sorted_by(|one, other| one.0 > other.0), "the widest first");
        }
        for choice in [&STEP[..], &AMOUNT, &ITEMS, &BYTES] {
            assert_eq!(choice.last().unwrap().0, 0);
        }
    }
}
