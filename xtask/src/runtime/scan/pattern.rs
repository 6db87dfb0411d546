//! Patterns of `manifests/binaries.toml`.

/// Whether a text has the form of a pattern, in which `*` stands for any text.
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| fits(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(fits("torio/lib/*", "torio/lib/libtorio_ffmpeg4.so"));
        assert!(fits("*/lib*.so*", "espeakng_loader/libespeak-ng.so.1"));
        assert!(fits("a*", "a") && fits("*", "") && fits("a", "a"));
        assert!(!fits("torio/lib/*", "torio/libx") && !fits("a*b", "ab/c") && !fits("a", "ab"));
    }
}
