//! Progress: a line for each finished step, and on a terminal a bar for each running one.

mod bars;
mod events;
mod lines;
mod log;
mod output;
mod progress;
pub mod trace;

use std::io::IsTerminal as _;

pub use output::{command, end, fail, next, print, result, say, status};
pub use progress::{Bar, Progress, Silent};

/// Progress for programs, one JSON object a line on standard error; [`say`] and the like say things so, too.
pub fn as_json() -> &'static dyn Progress {
    output::follow();
    if trace::is_on() { &trace::Timed(events::Events) } else { &events::Events }
}

/// Progress on standard error: bars for a user at a terminal, an occasional line for a log.
pub fn for_stderr() -> &'static dyn Progress {
    // As cargo does: a terminal that cannot move its cursor is none for bars, and that of a CI ends up in a log.
    let draws = std::env::var_os("TERM").is_none_or(|name| name != "dumb");
    let is_ci = ["CI", "TF_BUILD"].iter().any(|name| std::env::var_os(name).is_some());
    match (std::io::stderr().is_terminal() && draws && !is_ci, trace::is_on()) {
        (true, false) => &bars::Terminal,
        (true, true) => &trace::Timed(bars::Terminal),
        (false, false) => &log::Log,
        (false, true) => &trace::Timed(log::Log),
    }
}
