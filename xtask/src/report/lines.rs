//! Lines as a person reads them: coloured where that is allowed, and broken between words where a terminal is narrow.
//!
//! Lines for a file or a pipe are not broken, so that a reader of a log can search it for a text.

use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use console::Term;
use textwrap::core::Word;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// The column in which the verbs of cargo end.
pub const VERB: usize = 12;
/// Below this width, what hangs below a verb would have no room.
const NARROW: usize = 36;

/// Units, which stay on the line of their number.
const UNITS: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "ms", "s", "min", "h"];

const DONE: Style = AnsiColor::Green.on_default().bold();
const DOING: Style = AnsiColor::Cyan.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// How wide the terminal is that standard error goes to, in columns; `None` when it goes elsewhere.
pub fn width_of_stderr() -> Option<usize> {
    width(&Term::stderr())
}

/// How wide the terminal is that standard output goes to, in columns; `None` when it goes elsewhere.
pub fn width_of_stdout() -> Option<usize> {
    width(&Term::stdout())
}

fn width(terminal: &Term) -> Option<usize> {
    if !terminal.is_term() {
        return None;
    }
    terminal.size_checked().map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0)
}

/// Whether colours are wanted on standard error, by the variables that cargo knows, too.
pub fn are_coloured() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Writes lines to standard error. A closed standard error is no reason to stop.
pub fn write_to_stderr(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Writes what was done, as [`status`] shapes it, to standard error.
pub fn write_status_to_stderr(verb: &str, text: &str) {
    write_to_stderr(&status(verb, text, width_of_stderr()));
}

/// Writes lines that are a result. The reader may stop before their end, as `head` does.
pub fn write_to_stdout(text: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// The verb in front of a bar.
pub fn doing(verb: &str, coloured: bool) -> String {
    if coloured { format!("{DOING}{verb:>VERB$}{DOING:#}") } else { format!("{verb:>VERB$}") }
}

/// A verb in the column of cargo's, and the rest beside it.
pub fn status(verb: &str, text: &str, width: Option<usize>) -> String {
    let hanging = if width.is_some_and(|width| width < NARROW) { 2 } else { VERB + 1 };
    wrapped(text, width, &format!("{DONE}{verb:>VERB$}{DONE:#} "), &" ".repeat(hanging))
}

/// A word in the same column, and a command that is never broken.
pub fn command(verb: &str, command: &str) -> String {
    format!("{DOING}{verb:>VERB$}{DOING:#} {command}")
}

/// Wraps each line of a text by itself. The rest of a wrapped line keeps the indentation of the line, plus two spaces
/// after a mark such as `note:`.
pub fn prose(text: &str, width: Option<usize>) -> String {
    let lines = text.lines().map(|line| {
        let rest = line.trim_start();
        let indent = &line[..line.len() - rest.len()];
        let mark = [("note:", DOING), ("hint:", DOING), ("warning:", WARNING), ("error:", ERROR)]
            .into_iter()
            .find(|(mark, _)| rest.starts_with(mark));
        match mark {
            Some((mark, style)) => {
                let rest = rest[mark.len()..].trim_start();
                wrapped(rest, width, &format!("{indent}{style}{mark}{style:#} "), &format!("{indent}  "))
            }
            None => wrapped(rest, width, indent, indent),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn wrapped(text: &str, width: Option<usize>, first: &str, others: &str) -> String {
    let Some(width) = width else { return format!("{first}{text}") };
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(others)
        .break_words(false)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .word_separator(WordSeparator::Custom(words))
        .word_splitter(WordSplitter::NoHyphenation);
    let lines = textwrap::wrap(text, options);
    // Nothing at all is a line, too, which begins all the same.
    if text.is_empty() { first.to_owned() } else { lines.join("\n") }
}

/// The words of a line. Text in backticks is one word: a path or a command, to be copied in one piece.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let mut rest = line;
    Box::new(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = end_of_word(rest);
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(Word::from(word))
    }))
}

/// The end of the first word of a text, with the spaces behind it. A number and its unit are one word.
fn end_of_word(text: &str) -> usize {
    let mut at = 0;
    while let Some(found) = text[at..].find([' ', '`']) {
        at += found;
        if text[at..].starts_with(' ') {
            let next = text[at..].trim_start_matches(' ');
            let unit = next.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
            if text[..at].ends_with(|letter: char| letter.is_ascii_digit()) && UNITS.contains(&unit) {
                at = text.len() - next.len();
                continue;
            }
            return text.len() - next.len();
        }
        // One that is never closed quotes nothing.
        at += text[at + 1..].find('`').map_or(1, |quoted| quoted + 2);
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn lines_are_broken_between_words_and_go_on_below_their_beginning() {
        let text = "26 wheels (116.3 MB of 374.0 MB, the rest was in the store) in 12.1 s";
        assert_eq!(plain(&status("Fetched", text, None)), format!("     Fetched {text}"));
        assert_eq!(
            plain(&status("Fetched", text, Some(40))),
            "     Fetched 26 wheels (116.3 MB of\n             374.0 MB, the rest was in\n             the store) in 12.1 s"
        );
        assert_eq!(
            plain(&status("Built", "the launcher (1.9 MB) in 1 min 22 s", Some(37))),
            "       Built the launcher (1.9 MB) in\n             1 min 22 s"
        );
        assert_eq!(
            plain(&prose("error: something is\n  caused by: another thing that is long\nhint: do it", Some(24))),
            "error: something is\n  caused by: another\n  thing that is long\nhint: do it"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let text = "note: not pinned, but recorded in runtime.json: CPython 3.11.2 (copied from `/usr/bin/python3.11`), \
                    so that nobody has to guess";
        // As wide as the longest piece that is never broken, with what stands before it.
        for width in 42..200 {
            for line in prose(text, Some(width)).lines().chain(status("Provisioning", text, Some(width)).lines()) {
                assert!(plain(line).len() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn what_is_to_be_copied_is_never_broken() {
        let text =
            "hint: run `cargo xtask provision --vendor '/a b/c' --offline`, or look at `/a/very long/path/to it`";
        let lines = plain(&prose(text, Some(20)));
        assert!(lines.contains("`cargo xtask provision --vendor '/a b/c' --offline`,\n"), "{lines}");
        assert!(lines.ends_with("\n  `/a/very long/path/to it`"), "{lines}");
        // A single backtick quotes nothing.
        assert_eq!(plain(&prose("it`s a b c d e f", Some(8))), "it`s a b\nc d e f");
        let path = format!("/{}", "long/".repeat(40));
        assert_eq!(plain(&command("Start", &path)), format!("       Start {path}"));
    }

    #[test]
    fn an_empty_line_stays_one() {
        assert_eq!(prose("one\n\ntwo", Some(10)), "one\n\ntwo");
        assert_eq!(prose("one\n\ntwo", None), "one\n\ntwo");
    }
}
