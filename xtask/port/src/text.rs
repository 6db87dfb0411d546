//! Source text: byte-order mark, encoding cookie, line ends, positions.

use std::ops::Range;

/// The starts of the lines of a text, to turn byte offsets into lines and columns.
pub(crate) struct Lines<'s> {
    source: &'s str,
    starts: Vec<usize>,
}

impl<'s> Lines<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        let bytes = source.as_bytes();
        let mut starts = vec![0];
        for (index, byte) in bytes.iter().enumerate() {
            // A line ends in LF, CR LF or, as Python reads it, a lone CR.
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(index + 1) != Some(&b'\n')) {
                starts.push(index + 1);
            }
        }
        Self { source, starts }
    }

    /// The line of a byte offset, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// The column of a byte offset in characters, counted from 1.
    pub(crate) fn column(&self, offset: usize) -> usize {
        let start = self.starts[self.line(offset) - 1];
        // A second parser may report an offset inside a character; count what is whole before it.
        let before = self.source.get(start..offset).map_or(0, |text| text.chars().count());
        before + 1
    }

    /// The bytes of a line without its end; `line` counts from 1.
    pub(crate) fn range(&self, line: usize) -> Range<usize> {
        let start = self.starts[line - 1];
        let end = self.starts.get(line).copied().unwrap_or(self.source.len());
        let text = self.source[start..end].trim_end_matches(['\r', '\n']);
        start..start + text.len()
    }

    pub(crate) fn count(&self) -> usize {
        self.starts.len()
    }
}

/// The line end that the text uses: that of its first line.
pub(crate) fn newline(source: &str) -> &'static str {
    match source.find('\n') {
        Some(index) if source[..index].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Whether a carriage return ends a line on its own somewhere in the text.
pub(crate) fn has_lone_carriage_return(source: &str) -> bool {
    let bytes = source.as_bytes();
    bytes.iter().enumerate().any(|(index, byte)| *byte == b'\r' && bytes.get(index + 1) != Some(&b'\n'))
}

/// The encoding that the text declares, with its byte offset, unless that is UTF-8.
///
/// "If a comment in the first or second line of the Python script matches the regular expression
/// `coding[=:]\s*([-\w.]+)`, this comment is processed as an encoding declaration" (the Python language
/// reference, 2.1.4), and the first line must be a comment or blank for the second one to count.
pub(crate) fn foreign_encoding(source: &str) -> Option<(usize, &str)> {
    let mut offset = 0;
    for line in source.split_inclusive('\n').take(2) {
        let content = line.trim_start_matches([' ', '\t', '\x0c']).trim_end_matches(['\r', '\n']);
        if content.starts_with('#') {
            if let Some(encoding) = declared_encoding(content) {
                return (!is_utf8_name(encoding)).then_some((offset, encoding));
            }
        } else if !content.is_empty() {
            return None;
        }
        offset += line.len();
    }
    None
}

/// Whether a comment line is an encoding declaration.
pub(crate) fn declared_encoding(comment: &str) -> Option<&str> {
    comment.match_indices("coding").find_map(|(index, found)| {
        let rest = comment[index + found.len()..].strip_prefix([':', '='])?.trim_start_matches([' ', '\t']);
        let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(rest.len());
        (end > 0).then(|| &rest[..end])
    })
}

fn is_utf8_name(encoding: &str) -> bool {
    let name = encoding.to_ascii_lowercase().replace('_', "-");
    // CPython takes `utf-8-unix` and the like for UTF-8 too; ASCII is a part of it.
    matches!(name.as_str(), "utf-8" | "utf8" | "u8" | "utf-8-sig" | "ascii" | "us-ascii") || name.starts_with("utf-8-")
}

/// A Python string literal whose value is the given text, on one line.
pub(crate) fn quoted(text: &str) -> String {
    if !text.contains('\\') {
        for quote in ['"', '\''] {
            if !text.contains(quote) {
                return format!("{quote}{text}{quote}");
            }
        }
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_cookie_counts_only_where_python_reads_it() {
        assert_eq!(foreign_encoding("# -*- coding: latin-1 -*-\n"), Some((0, "latin-1")));
        assert_eq!(foreign_encoding("#!/bin/sh\n# vim: set fileencoding=cp1252 :\n").map(|e| e.1), Some("cp1252"));
        assert_eq!(foreign_encoding("# coding: utf_8\n# coding: latin-1\n"), None);
        assert_eq!(foreign_encoding("x = 1\n# coding: latin-1\n"), None);
        assert_eq!(foreign_encoding("\n\n# coding: latin-1\n"), None);
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        let lines = Lines::new("a\r\nöb\rc\n");
        assert_eq!((lines.line(0), lines.column(0)), (1, 1));
        assert_eq!((lines.line(5), lines.column(5)), (2, 2));
        assert_eq!(lines.line(7), 3);
        assert_eq!(lines.range(1), 0..1);
        assert_eq!(lines.count(), 4);
    }

    #[test]
    fn quoting_prefers_the_plain_form() {
        assert_eq!(quoted("A | B"), "\"A | B\"");
        assert_eq!(quoted("Literal[\"a\"]"), "'Literal[\"a\"]'");
        assert_eq!(quoted("f(\"a\", 'b')"), "\"f(\\\"a\\\", 'b')\"");
    }
}
