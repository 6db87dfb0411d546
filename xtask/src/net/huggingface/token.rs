//! The user's token for the hub, found where huggingface_hub finds it.

use camino::{Utf8Path, Utf8PathBuf};

use super::variable::is_true;
use crate::base::host;

/// A token, and where it was found.
#[derive(Clone)]
pub struct Token {
    /// The secret itself. It is never shown.
    pub text: String,
    /// For people: a variable or a file.
    pub origin: String,
}

/// `HF_TOKEN`, else what `hf auth login` left in a file.
pub fn find() -> Option<Token> {
    if let Some(text) = host::variable("HF_TOKEN").and_then(|text| clean(&text)) {
        return Some(Token { text, origin: "`HF_TOKEN`".to_owned() });
    }
    // huggingface_hub's name for: send it only when it was asked for.
    if is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
        return None;
    }
    let file = file()?;
    let text = clean(&fs_err::read_to_string(&file).ok()?)?;
    Some(Token { text, origin: format!("`{file}`") })
}

fn clean(text: &str) -> Option<String> {
    let trimmed = text.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

fn file() -> Option<Utf8PathBuf> {
    if let Some(path) = host::variable("HF_TOKEN_PATH") {
        return Some(expanded(&path));
    }
    let home = match host::variable("HF_HOME") {
        Some(home) => expanded(&home),
        // N.B. On Windows, too, huggingface_hub looks into `.cache` of the home directory, not where caches belong.
        None => host::variable("XDG_CACHE_HOME")
            .map(|cache| expanded(&cache))
            .or_else(|| Some(home()?.join(".cache")))?
            .join("huggingface"),
    };
    Some(home.join("token"))
}

fn home() -> Option<Utf8PathBuf> {
    host::variable("HOME").or_else(|| host::variable("USERPROFILE")).map(Utf8PathBuf::from)
}

/// `~` at the beginning, which no shell expands in a settings file.
fn expanded(path: &str) -> Utf8PathBuf {
    match (path.strip_prefix('~'), home()) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with(['/', '\\']) => {
            home.join(rest.trim_start_matches(['/', '\\']))
        }
        _ => Utf8Path::new(path).to_owned(),
    }
}
