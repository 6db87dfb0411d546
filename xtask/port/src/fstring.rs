//! F-strings that only the tokenizer of Python 3.12 reads (PEP 701).
//!
//! Before, an f-string was one string token: the expressions in it could not hold its own quotes, a line end
//! unless it was triple-quoted, a backslash or a comment. Other quotes help against the first two. Nothing
//! is hoisted: the order of evaluation, and what stands on which line, stay as they are.

use crate::finding::Construct;
use crate::syntax::{Kind, NodeId, Syntax};
use crate::work::Work;

const QUOTES: [&str; 4] = ["\"", "'", "\"\"\"", "'''"];

/// A way to write a string: its text, and the edits that lead to it.
struct Written {
    text: String,
    edits: Vec<(std::ops::Range<usize>, String)>,
}

/// The surroundings of a string inside an f-string.
#[derive(Clone, Default)]
struct Enclosing {
    /// The quotes of the f-strings around, outermost first.
    quotes: Vec<&'static str>,
    /// Whether an expression around is of the form `{x=}`, whose very text is part of the result.
    frozen: bool,
}

pub(crate) fn rewrite(work: &mut Work<'_, '_>) {
    let syntax = work.syntax;
    let mut inside = None;
    for id in syntax.ids() {
        if inside.is_some_and(|outer| syntax.contains(outer, id)) || !is_fstring(syntax, id) {
            continue;
        }
        inside = Some(id);
        let Some(own) = quotes_of(syntax, id) else {
            continue;
        };
        // The form that stays closest to the original is tried first.
        let order = std::iter::once(own).chain(QUOTES.into_iter().filter(|quotes| *quotes != own));
        let written = order.into_iter().find_map(|quotes| string(syntax, id, quotes, &Enclosing::default()));
        match written {
            Some(written) if written.edits.is_empty() => {}
            Some(written) => {
                for (range, text) in written.edits {
                    work.edits.replace(range, text);
                }
                work.found(Construct::FString, id, summary(syntax.text(id)), summary(&written.text));
            }
            None => {
                let reason = format!("{}, which Python {} cannot read", fault(syntax, id), work.target);
                let hint = "compute the value before the f-string";
                work.refuse(id, &summary(syntax.text(id)), reason, Some(hint));
            }
        }
    }
}

fn summary(text: &str) -> String {
    let line = text.lines().next().unwrap_or(text);
    match line.char_indices().nth(60) {
        Some((index, _)) => format!("{}…", &line[..index]),
        None if line.len() < text.len() => format!("{line}…"),
        None => line.to_owned(),
    }
}

fn fault(syntax: &Syntax<'_>, id: NodeId) -> &'static str {
    let has = |needle: char| {
        let mut parts = syntax.descendants(id).filter(|node| syntax.kind(*node) == Kind::Interpolation);
        parts.any(|node| syntax.text(node).contains(needle))
    };
    if has('\\') {
        "has a backslash in an expression"
    } else if has('#') {
        "has a comment, or a `#`, in an expression"
    } else {
        "nests more quotes, lines or format specifiers than there are quotes for"
    }
}

fn is_fstring(syntax: &Syntax<'_>, id: NodeId) -> bool {
    syntax.kind(id) == Kind::String
        && syntax.children(id).next().is_some_and(|start| prefix(syntax, start).contains(['f', 'F']))
}

fn prefix<'s>(syntax: &Syntax<'s>, start: NodeId) -> &'s str {
    syntax.text(start).trim_end_matches(['"', '\''])
}

fn quotes_of(syntax: &Syntax<'_>, string: NodeId) -> Option<&'static str> {
    let start = syntax.children(string).next().filter(|start| syntax.kind(*start) == Kind::StringStart)?;
    let own = &syntax.text(start)[prefix(syntax, start).len()..];
    QUOTES.into_iter().find(|quotes| *quotes == own)
}

/// Writes a string with the given quotes, and the strings in it with quotes that fit.
fn string(syntax: &Syntax<'_>, id: NodeId, quotes: &'static str, around: &Enclosing) -> Option<Written> {
    let own = quotes_of(syntax, id)?;
    if own != quotes && around.frozen {
        return None;
    }
    let start = syntax.children(id).next()?;
    let end = syntax.children(id).filter(|child| syntax.kind(*child) == Kind::StringEnd).last()?;
    let mut written = Written { text: format!("{}{quotes}", prefix(syntax, start)), edits: Vec::new() };
    if own != quotes {
        written.edits.push((syntax.range(start), written.text.clone()));
        written.edits.push((syntax.range(end), quotes.to_owned()));
    }
    let mut position = syntax.end(start);
    let interpolations = syntax.children(id).filter(|child| syntax.kind(*child) == Kind::Interpolation);
    for interpolation in interpolations {
        written.text.push_str(literal(&syntax.source[position..syntax.start(interpolation)], quotes, false)?);
        expression(syntax, interpolation, quotes, around, &mut written)?;
        position = syntax.end(interpolation);
    }
    written.text.push_str(literal(&syntax.source[position..syntax.start(end)], quotes, true)?);
    written.text.push_str(quotes);
    // Inside an expression, the whole string is text of the f-strings around.
    (around.quotes.is_empty() || fits(&written.text, &around.quotes, false)).then_some(written)
}

/// The literal part of a string, if these quotes can stand around it.
fn literal<'s>(text: &'s str, quotes: &str, last: bool) -> Option<&'s str> {
    let quote = quotes.chars().next()?;
    let (mut escaped, mut run) = (false, 0);
    for character in text.chars() {
        if escaped {
            (escaped, run) = (false, 0);
            continue;
        }
        escaped = character == '\\';
        run = if character == quote { run + 1 } else { 0 };
        if run == quotes.len() || (quotes.len() == 1 && matches!(character, '\n' | '\r')) {
            return None;
        }
    }
    (!last || run == 0).then_some(text)
}

/// Whether text can stand in an expression of f-strings with these quotes.
fn fits(text: &str, quotes: &[&str], backslash: bool) -> bool {
    let single = quotes.iter().any(|quotes| quotes.len() == 1);
    (backslash || !text.contains('\\'))
        && !(single && text.contains(['\n', '\r']))
        && quotes.iter().all(|quotes| !text.contains(quotes))
}

/// Writes one `{…}`, without what old tokenizers cannot read.
fn expression(
    syntax: &Syntax<'_>,
    id: NodeId,
    quotes: &'static str,
    around: &Enclosing,
    written: &mut Written,
) -> Option<()> {
    let mut inner = around.clone();
    inner.quotes.push(quotes);
    inner.frozen |= syntax.token(id, "=").is_some();
    let mut position = syntax.start(id);
    let mut skipped = None;
    for node in syntax.descendants(id) {
        if skipped.is_some_and(|string| syntax.contains(string, node)) {
            continue;
        }
        match syntax.kind(node) {
            Kind::String => {
                raw(syntax, id, position..syntax.start(node), &inner, written)?;
                let own = quotes_of(syntax, node)?;
                let order = std::iter::once(own).chain(QUOTES.into_iter().filter(|quotes| *quotes != own));
                let nested = order.into_iter().find_map(|quotes| string(syntax, node, quotes, &inner))?;
                written.text.push_str(&nested.text);
                written.edits.extend(nested.edits);
                position = syntax.end(node);
                skipped = Some(node);
            }
            Kind::Comment if inner.frozen => return None,
            Kind::Comment => {
                let before = syntax.source[position..syntax.start(node)].trim_end_matches([' ', '\t']).len() + position;
                raw(syntax, id, position..before, &inner, written)?;
                written.edits.push((before..syntax.end(node), String::new()));
                position = syntax.end(node);
            }
            // "Nested too deeply": one level of `{}` in a format specifier was all there was.
            Kind::FormatExpression
                if syntax.ancestors(node).filter(|above| syntax.kind(*above) == Kind::FormatSpecifier).count() > 1 =>
            {
                return None;
            }
            _ => {}
        }
    }
    raw(syntax, id, position..syntax.end(id), &inner, written)
}

/// A part of an expression outside of strings.
fn raw(
    syntax: &Syntax<'_>,
    interpolation: NodeId,
    range: std::ops::Range<usize>,
    inner: &Enclosing,
    written: &mut Written,
) -> Option<()> {
    let text = &syntax.source[range.clone()];
    // The format specifier of the outermost f-string is a literal, in which a backslash is an escape.
    let specifier = syntax.children(interpolation).find(|child| syntax.kind(*child) == Kind::FormatSpecifier);
    let literal_from = specifier.filter(|_| inner.quotes.len() == 1).map_or(usize::MAX, |node| syntax.start(node));
    let split = literal_from.clamp(range.start, range.end) - range.start;
    let (expression, literal) = text.split_at(split);
    let no_hash = !expression.contains('#');
    if !no_hash
        || !fits(expression, &inner.quotes, false)
        || !fits(literal, &inner.quotes, true)
        || !fits(text, &inner.quotes, true)
    {
        return None;
    }
    written.text.push_str(text);
    Some(())
}
