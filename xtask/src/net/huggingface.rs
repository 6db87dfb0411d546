//! The address of the Hugging Face hub, or of the user's mirror of it.

pub mod token;
mod variable;

use std::sync::OnceLock;

use reqwest::{StatusCode, Url};

use crate::base::host;
use crate::net::http;
use variable::is_true;

pub const HUB: &str = "https://huggingface.co";

/// The hub, or the user's mirror of it, without a slash at the end.
pub fn endpoint() -> String {
    host::variable("HF_ENDPOINT").unwrap_or_else(|| HUB.to_owned()).trim_end_matches('/').to_owned()
}

pub fn name() -> String {
    let endpoint = endpoint();
    if endpoint == HUB { "the hub".to_owned() } else { format!("the hub at `{}`", http::redact_url(&endpoint)) }
}

/// Names the setting that forbids requests to the hub, if there is one: `--offline`, or the variable that forbids them
/// to every client of the hub.
pub fn forbidden_by(offline: bool) -> Option<&'static str> {
    if offline {
        Some("--offline")
    } else if is_true("HF_HUB_OFFLINE") {
        Some("HF_HUB_OFFLINE")
    } else {
        None
    }
}

/// The URL of a file of a repository.
pub fn file_url(id: &str, commit: &str, path: &str) -> String {
    format!("{}/{id}/resolve/{commit}/{path}", endpoint())
}

/// Whether the hub answers. It is asked once in the life of a process, since a silent server costs seconds.
pub fn answers() -> bool {
    static ANSWERS: OnceLock<bool> = OnceLock::new();
    *ANSWERS.get_or_init(|| http::answers(&endpoint()))
}

/// The user's token for the hub, when that is where a URL leads.
pub fn token_for(url: &str) -> Option<String> {
    if is_of_hub(url) { token::find().map(|token| token.text) } else { None }
}

/// The hint when the hub denies access.
pub fn advice(url: &str, status: StatusCode) -> Option<&'static str> {
    (is_of_hub(url) && matches!(status.as_u16(), 401 | 403)).then_some(
        "a gated model needs its terms accepted on its page, and a token of that account in `HF_TOKEN` or from \
         `hf auth login`",
    )
}

fn is_of_hub(url: &str) -> bool {
    let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin());
    origin(url).is_some_and(|there| Some(there) == origin(&endpoint()))
}
