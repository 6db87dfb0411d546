//! The headers of a response.

use std::fmt;

use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED};

/// The number of bytes that identify the type of a file.
pub const SNIFF_LENGTH: u64 = 1 << 10;

/// The part of a file that a response brings.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    pub start: u64,
    /// How long the whole is, in bytes, when the server knows.
    pub total: Option<u64>,
}

/// Headers for the message about wrong content.
#[derive(Debug, Default)]
pub struct ResponseInfo {
    kind: Option<String>,
    encoding: Option<String>,
}

/// A response with an error. The hub adds a code and a message to the status.
#[derive(Clone, Debug)]
pub struct ErrorResponse {
    /// Neither a success nor a redirect.
    pub status: StatusCode,
    /// `X-Error-Code`: the hub's word for it, such as `GatedRepo`.
    pub code: Option<String>,
    /// `X-Error-Message`: a sentence, made safe for a terminal.
    pub message: Option<String>,
}

impl ErrorResponse {
    pub fn of(response: &Response) -> Self {
        let text = |name| header(response, HeaderName::from_static(name)).map(escape);
        Self { status: response.status(), code: text("x-error-code"), message: text("x-error-message") }
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answers {}", self.status)?;
        match self.message.as_ref().or(self.code.as_ref()) {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ErrorResponse {}

fn header(response: &Response, name: HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

/// The announced length of the body, in bytes. (reqwest's own value is the size hint of its body.)
pub fn length(response: &Response) -> Option<u64> {
    header(response, CONTENT_LENGTH)?.parse().ok()
}

/// The part that a 206 brings.
pub fn part(response: &Response) -> Option<Part> {
    parse_part(header(response, CONTENT_RANGE)?)
}

fn parse_part(text: &str) -> Option<Part> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some(Part { start: range.split_once('-')?.0.parse().ok()?, total })
}

/// The value for `If-Range`.
///
/// RFC 9110, 13.1.5: “A client MUST NOT generate an If-Range header field containing an entity tag that is marked as
/// weak.”
pub fn validator(response: &Response) -> Option<String> {
    let strong = header(response, ETAG).filter(|tag| tag.starts_with('"'));
    strong.or_else(|| header(response, LAST_MODIFIED)).map(str::to_owned)
}

impl ResponseInfo {
    pub fn of(response: &Response) -> Self {
        let encoding = header(response, CONTENT_ENCODING).filter(|encoding| *encoding != "identity");
        Self { kind: header(response, CONTENT_TYPE).map(str::to_owned), encoding: encoding.map(str::to_owned) }
    }

    /// The lines of a message about it, given how it begins.
    pub fn describe(&self, beginning: &[u8]) -> String {
        let mut text = String::new();
        if let Some(encoding) = &self.encoding {
            text.push_str(&format!("\n    it came compressed ({}), which this tool did not request", escape(encoding)));
        }
        if let Some(kind) = &self.kind {
            text.push_str(&format!("\n    the server calls it {}", escape(kind)));
        }
        if let Some(line) = first_line(beginning) {
            text.push_str(&format!("\n    it begins: {}", escape(line)));
        }
        text
    }
}

/// The first line of a text that is not empty; `None` for binary data.
fn first_line(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // Cut in the middle of a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let is_text = |c: char| !c.is_control() || c.is_ascii_whitespace() || c == '\u{1b}';
    text.chars().all(is_text).then(|| text.lines().map(str::trim).find(|line| !line.is_empty()))?
}

/// Text from a server, made safe for a terminal and short.
fn escape(text: &str) -> String {
    let escaped = text.chars().take(120).flat_map(char::escape_debug).collect::<String>().replace("\\\"", "\"");
    if text.chars().count() > 120 { format!("{escaped}…") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_is_read() {
        let part = |start, total| Some(Part { start, total });
        assert_eq!(parse_part("bytes 5-9/10"), part(5, Some(10)));
        assert_eq!(parse_part("bytes 5-9/*"), part(5, None));
        for odd in ["", "bytes */10", "bytes 5/10", "items 5-9/10", "bytes 5-9", "bytes x-9/10"] {
            assert_eq!(parse_part(odd), None, "{odd}");
        }
    }

    #[test]
    fn what_came_is_shown_safely() {
        assert_eq!(first_line(b"\n  <html>\nmore"), Some("<html>"));
        assert_eq!(first_line(b"PK\x03\x04"), None);
        assert_eq!(first_line(b"caf\xc3"), Some("caf"));
        assert_eq!(first_line(b""), None);
        assert_eq!(escape("\u{1b}[31m<a b=\"c\">"), "\\u{1b}[31m<a b=\"c\">");
        assert!(escape(&"x".repeat(200)).ends_with("x…"));
    }
}
