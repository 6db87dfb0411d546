//! Messages on standard error and results on standard output, beside bars or as events.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{bars, events, lines};

static AS_JSON: AtomicBool = AtomicBool::new(false);

/// Prints a message for the user, on lines of its own. `note:` and the like are coloured.
pub fn say(text: &str) {
    tell(text, lines::prose);
}

/// Says what was done or is about to be done: a verb and the rest, as cargo does.
pub fn status(verb: &str, text: &str) {
    tell(&format!("{verb} {text}"), |_, width| lines::status(verb, text, width));
}

/// Says what can be done next: a word and a command that is to be copied, and therefore never broken.
pub fn command(verb: &str, command: &str) {
    tell(&format!("{verb}: {command}"), |_, _| lines::command(verb, command));
}

/// Writes to standard error as it should look, or as an event when a program follows.
fn tell(text: &str, shaped: impl FnOnce(&str, Option<usize>) -> String) {
    if AS_JSON.load(Ordering::Relaxed) {
        events::note(text);
    } else {
        let shaped = shaped(text, lines::width_of_stderr());
        bars::suspend_bars(|| lines::write_to_stderr(&shaped));
    }
}

/// Writes a line as it is, or as an event when a program follows.
pub fn line(text: &str) {
    tell(text, |text, _| text.to_owned());
}

/// Says how a command failed. A program that follows gets the same lines: it knows from the exit code that it failed.
pub fn fail(text: &str) {
    let shaped = lines::prose(text, lines::width_of_stderr());
    bars::suspend_bars(|| lines::write_to_stderr(&shaped));
}

/// Removes all bars, and draws no more.
pub fn end() {
    bars::end();
}

/// Prints sentences of a result.
pub fn print(text: &str) -> io::Result<()> {
    bars::suspend_bars(|| lines::write_to_stdout(&lines::prose(text, lines::width_of_stdout())))
}

/// A result as [`lines::status`] shapes it. Bars, which go to the same terminal, stay below it.
pub fn result(verb: &str, text: &str) -> io::Result<()> {
    bars::suspend_bars(|| lines::write_to_stdout(&lines::status(verb, text, lines::width_of_stdout())))
}

/// A result as [`lines::command`] shapes it.
pub fn next(verb: &str, text: &str) -> io::Result<()> {
    bars::suspend_bars(|| lines::write_to_stdout(&lines::command(verb, text)))
}

/// From now on a program reads the output: messages become events.
pub fn follow() {
    AS_JSON.store(true, Ordering::Relaxed);
}
