//! Bars on a terminal.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use console::{Term, measure_text_width};
use indicatif::{
    MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState, ProgressStyle, TermLike,
};

use super::layout::{Moment, took};
use super::{Bar, Progress, Silent, Unit, lines};

/// All bars of this process, and where they are drawn: what is said between them must not be drawn over.
static BARS: OnceLock<(MultiProgress, Screen)> = OnceLock::new();

/// How often a second bars are drawn at most.
const DRAWN: u8 = 20;
/// Between two looks at a step that does not advance.
const TICK: Duration = Duration::from_millis(200);
/// Columns that stay free: what a terminal echoes for Ctrl-C would else make a new line, and leave a bar above it.
const FREE: usize = 3;
/// A terminal that is narrower, in columns, shows no parts.
const ROOM_FOR_PARTS: usize = 56;

fn bars() -> &'static MultiProgress {
    let (bars, _) = BARS.get_or_init(|| {
        let screen = Screen::new();
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), DRAWN);
        (MultiProgress::with_draw_target(target), screen)
    });
    bars
}

/// Does something that writes to the terminal, while no bar is drawn.
pub fn aside<T>(write: impl FnOnce() -> T) -> T {
    match BARS.get() {
        Some((bars, _)) => bars.suspend(write),
        None => write(),
    }
}

/// Removes all bars, and draws no more.
pub fn end() {
    if let Some((bars, screen)) = BARS.get() {
        // A terminal that is gone needs no tidying up.
        let _ = screen.end();
        bars.set_draw_target(ProgressDrawTarget::hidden());
    }
}

fn room() -> usize {
    usize::from(Term::stderr().size().1).saturating_sub(FREE)
}

/// The terminal, on which lines of bars end where their text ends, and are found again after a change of its width.
///
/// indicatif fills each line with spaces to the edge, where the terminal begins the next one, and later goes up by as many
/// lines. Then Ctrl-C is echoed onto a line below the bars; and when the window becomes narrower, most terminals make two
/// lines of each, of which half would stay.
#[derive(Clone, Debug)]
struct Screen {
    term: Term,
    /// Whether the terminal breaks lines anew when its width changes.
    reflows: bool,
    drawn: Arc<Mutex<Lines>>,
}

/// What is drawn.
#[derive(Debug, Default)]
struct Lines {
    /// How wide the lines are, from the first to the one that the cursor is behind.
    widths: Vec<usize>,
    /// Whether nothing may be drawn any more, not even by a thread that is about to.
    ended: bool,
}

impl Screen {
    fn new() -> Self {
        let is = |name, value: &str| std::env::var_os(name).is_some_and(|there| there == value);
        let reflows = std::env::var_os("XTERM_VERSION").is_none() && !is("TERM", "linux");
        Self { term: Term::buffered_stderr(), reflows, drawn: Arc::default() }
    }

    fn drawn(&self) -> MutexGuard<'_, Lines> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what is drawn. The cursor is then where the first line began.
    fn erase(&self) -> io::Result<()> {
        self.erase_lines(&mut self.drawn())
    }

    /// Removes what is drawn, for good.
    fn end(&self) -> io::Result<()> {
        let mut drawn = self.drawn();
        drawn.ended = true;
        self.erase_lines(&mut drawn)?;
        self.term.flush()
    }

    fn erase_lines(&self, drawn: &mut Lines) -> io::Result<()> {
        let widths = std::mem::take(&mut drawn.widths);
        if widths.is_empty() {
            return Ok(());
        }
        let columns = usize::from(self.width()).max(1);
        let rows =
            widths.iter().map(|width| if self.reflows { width.div_ceil(columns).max(1) } else { 1 }).sum::<usize>();
        self.term.move_cursor_up(rows - 1)?;
        self.term.write_str("\r")?;
        self.term.clear_to_end_of_screen()
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.term.size().1
    }

    fn height(&self) -> u16 {
        self.term.size().0
    }

    // Whoever moves the cursor is about to remove what is drawn, from its first line on.
    fn move_cursor_up(&self, _n: usize) -> io::Result<()> {
        self.erase()
    }

    fn move_cursor_down(&self, _n: usize) -> io::Result<()> {
        self.erase()
    }

    fn move_cursor_right(&self, _n: usize) -> io::Result<()> {
        self.erase()
    }

    fn move_cursor_left(&self, _n: usize) -> io::Result<()> {
        self.erase()
    }

    fn clear_line(&self) -> io::Result<()> {
        self.erase()
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        // What fills a line up to the edge.
        if text.bytes().all(|byte| byte == b' ') {
            return Ok(());
        }
        let mut drawn = self.drawn();
        if drawn.ended {
            return Ok(());
        }
        if !drawn.widths.is_empty() {
            self.term.write_str("\r\n")?;
        }
        drawn.widths.push(measure_text_width(text));
        self.term.write_str(text)
    }

    fn flush(&self) -> io::Result<()> {
        self.term.flush()
    }
}

/// Bars for a person.
pub struct Terminal;

impl Progress for Terminal {
    fn step(&self, doing: &str, what: &str) -> Box<dyn Bar> {
        Box::new(Drawn::step(doing, what, Unit::Nothing, None))
    }

    fn bytes(&self, doing: &str, what: &str, total: Option<u64>) -> Box<dyn Bar> {
        Box::new(Drawn::step(doing, what, Unit::Bytes, total))
    }

    fn items(&self, doing: &str, what: &str, total: usize) -> Box<dyn Bar> {
        Box::new(Drawn::step(doing, what, Unit::Things, Some(total as u64)))
    }
}

struct Drawn(ProgressBar);

impl Drawn {
    fn step(doing: &str, what: &str, unit: Unit, total: Option<u64>) -> Self {
        let coloured = lines::are_coloured();
        let bar = Self::new(doing, what, unit, total, move |moment| moment.line(room(), coloured));
        bar.0.enable_steady_tick(TICK);
        bar
    }

    fn new(
        doing: &str,
        what: &str,
        unit: Unit,
        total: Option<u64>,
        line: impl Fn(&Moment<'_>) -> String + Clone + Send + Sync + 'static,
    ) -> Self {
        let (doing, what) = (doing.to_owned(), what.to_owned());
        let write = move |state: &ProgressState, writer: &mut dyn std::fmt::Write| {
            let moment = Moment {
                doing: &doing,
                what: &what,
                unit,
                done: state.pos(),
                total: state.len(),
                elapsed: state.elapsed(),
                rate: state.per_sec(),
            };
            let _ = writer.write_str(&line(&moment));
        };
        let style = ProgressStyle::with_template("{line}").expect("the template is right").with_key("line", write);
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        // Also when a step ends with an error: its message belongs on a line of its own.
        Self(bars().add(bar.with_style(style).with_finish(ProgressFinish::AndClear)))
    }
}

impl Bar for Drawn {
    fn advance(&self, amount: u64) {
        self.0.inc(amount);
    }

    fn found(&self, amount: u64) {
        self.0.inc(amount);
        // Nobody is that fast.
        self.0.reset_eta();
    }

    fn set_back(&self, amount: u64) {
        self.0.dec(amount);
    }

    fn part(&self, name: &str, total: Option<u64>) -> Box<dyn Bar> {
        if room() < ROOM_FOR_PARTS {
            return Box::new(Silent);
        }
        Box::new(Self::new("", name, Unit::Bytes, total, |moment| moment.part_line(room())))
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }

    fn done(&self, did: &str, what: &str) {
        let time = took(self.0.elapsed());
        self.0.finish_and_clear();
        super::status(did, &format!("{what} in {time}"));
    }
}
