//! Tells local sources from remote ones.

use camino::Utf8PathBuf;
use reqwest::Url;

/// Whether a source is on this machine.
pub fn is_local(source: &str) -> bool {
    on_this_machine(source).is_some()
}

/// The path that a source is, unless it is to be fetched from a server.
pub fn on_this_machine(source: &str) -> Option<Utf8PathBuf> {
    match Url::parse(source) {
        Ok(url) if url.scheme() == "file" => Utf8PathBuf::from_path_buf(url.to_file_path().ok()?).ok(),
        // `C:` is a drive.
        Ok(url) if url.scheme().len() > 1 => None,
        _ => Some(Utf8PathBuf::from(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::on_this_machine;

    #[test]
    fn paths_and_urls_are_told_apart() {
        for remote in ["http://a/b", "https://a/b?c", "ftp://a/b"] {
            assert_eq!(on_this_machine(remote), None, "{remote}");
        }
        for local in ["/a/b c.whl", "a/b", r"C:\a\b", "./a%20b"] {
            assert_eq!(on_this_machine(local).unwrap(), local);
        }
        #[cfg(unix)]
        assert_eq!(on_this_machine("file:///a/b%20c+d").unwrap(), "/a/b c+d");
    }
}
