//! One file per subcommand.

pub mod bench;
pub mod bundle;
pub mod cache;
pub mod ci;
pub mod fetch;
pub mod licenses;
pub mod lock;
mod manifests;
mod miniature;
pub mod port;
pub mod provision;
pub mod quickstart;
pub mod reproduce;
pub mod smoke;
pub mod vendor;
pub mod verify;

use std::io::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};

/// Prints a result as it is. The reader may stop before its end, as `head` does.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// The path relative to the current directory, if it is below that.
fn display_path(path: &Utf8Path) -> Utf8PathBuf {
    let here = std::env::current_dir().ok().and_then(|here| Utf8PathBuf::from_path_buf(here).ok());
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Utf8Path::to_owned));
    below.filter(|below| !below.as_str().is_empty()).unwrap_or_else(|| path.to_owned())
}

/// A command, quoted for a shell of this system.
fn shell_quote(words: &[&str]) -> String {
    let quoted = words.iter().map(|word| {
        if cfg!(windows) {
            let plain = word.chars().all(|letter| letter.is_alphanumeric() || "-_./\\:=+".contains(letter));
            if plain { (*word).to_owned() } else { format!("\"{}\"", word.replace('"', "\\\"")) }
        } else {
            shlex::try_quote(word).map_or_else(|_| (*word).to_owned(), std::borrow::Cow::into_owned)
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn commands_are_shown_as_a_shell_takes_them() {
        assert_eq!(shell_quote(&["cargo", "xtask", "smoke", "/a b/it's"]), "cargo xtask smoke \"/a b/it's\"");
        assert_eq!(shell_quote(&["dist/speaches-1/bin/speaches", "serve"]), "dist/speaches-1/bin/speaches serve");
    }

    #[test]
    fn a_path_is_shown_as_short_as_it_can_be() {
        let here = Utf8PathBuf::from_path_buf(std::env::current_dir().unwrap()).unwrap();
        assert_eq!(display_path(&here.join("dist/runtime")), "dist/runtime");
        assert_eq!(display_path(&here), here);
        assert_eq!(display_path(Utf8Path::new("/elsewhere")), "/elsewhere");
    }
}
