//! What is published says nothing about where somebody keeps his files.

/// The first line of a message, in which every path is only `…`.
pub fn publishable(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let mut text = String::with_capacity(line.len());
    let mut before = None;
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        let opens = before.is_none_or(|before: char| before.is_whitespace() || "`'\"(=:,[".contains(before));
        if opens && is_path(rest) {
            // In quotes, a path with blanks in it ends where they do.
            let end = match before {
                Some(quote @ ('`' | '\'' | '"')) => rest.find(quote),
                _ => rest.find(|c: char| c.is_whitespace() || "`'\"),;:]".contains(c)).filter(|end| *end > 2),
            };
            text.push('…');
            rest = &rest[end.unwrap_or(rest.len())..];
            before = Some('…');
            continue;
        }
        text.push(letter);
        before = Some(letter);
        rest = &rest[letter.len_utf8()..];
    }
    text
}

/// Whether a text begins with a path that is not relative: `/x`, `~/x`, `C:\x`, `\\x`. `//` is what URLs have.
fn is_path(text: &str) -> bool {
    let mut letters = text.chars();
    match (letters.next(), letters.next(), letters.next()) {
        (Some('/'), Some(next), _) => next != '/' && !next.is_whitespace(),
        (Some('~'), Some('/'), _) | (Some('\\'), Some('\\'), _) => true,
        (Some(drive), Some(':'), Some('/' | '\\')) => drive.is_ascii_alphabetic(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_published_without_paths() {
        for (message, published) in [
            ("cannot read `/home/jane doe/runtime/runtime.json`: no such file", "cannot read `…`: no such file"),
            ("uv=/opt/uv does not answer\n/home/x", "uv=… does not answer"),
            ("`C:\\Users\\jane\\x` is gone", "`…` is gone"),
            ("PATH=/a/b:/c/d, and ~/bin", "PATH=…:…, and …"),
            ("http://127.0.0.1:80/ says 3/4 of it", "http://127.0.0.1:80/ says 3/4 of it"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(publishable(message), published);
        }
    }
}
