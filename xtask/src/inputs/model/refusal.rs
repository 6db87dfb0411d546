//! What it means when the hub does not give what was asked for, and what to do about it.

use anyhow::Error;

use crate::base::failure::{Exit, Failure};
use crate::net::http;
use crate::net::huggingface::{self, HUB, token};
use crate::store::fetch::{Refusal, UNTRUSTED};

/// Why the hub did not tell.
pub enum Trouble {
    /// The hub did not answer, or it answered that it is unavailable now.
    OutOfReach(Failure),
    /// It answered, and asking again would not help.
    Refused(Failure),
}

impl Trouble {
    /// What to tell about it.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::OutOfReach(failure) | Self::Refused(failure) => failure,
        }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        trouble.into_failure().into()
    }
}

/// What was asked of the hub.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The repository.
    pub id: &'a str,
    /// Branch, tag or commit.
    pub revision: &'a str,
    /// One of its files, or what the API knows of all of them.
    pub file: Option<&'a str>,
}

impl Question<'_> {
    /// Explains the error of a request.
    pub fn explain(self, error: &Error) -> Trouble {
        match error.downcast_ref::<Refusal>() {
            Some(refusal) if !is_down(refusal) => Trouble::Refused(self.refused(refusal)),
            _ => {
                let hint = if http::is_about_tls(error) {
                    UNTRUSTED
                } else {
                    "check the network; `HF_ENDPOINT` names a mirror, `--models-from` takes models from a cache, \
                     `--models none` leaves them out"
                };
                let text = format!("{} cannot be reached for the model `{}`: {error:#}", huggingface::name(), self.id);
                Trouble::OutOfReach(Failure::new(Exit::Unavailable, text).hint(hint))
            }
        }
    }

    fn refused(self, refusal: &Refusal) -> Failure {
        let Self { id, revision, file } = self;
        let fail = |text: String| Failure::new(Exit::Unavailable, text);
        let token = token::find();
        match (kind(refusal, token.is_some()), token) {
            (Kind::Gated, _) => self.gated(),
            (Kind::Token, Some(token)) => {
                fail(format!("{} rejects the token from {}", huggingface::name(), token.origin)).hint(format!(
                    "it may have expired: create a new one at {HUB}/settings/tokens, or remove it to download without \
                     a token"
                ))
            }
            (Kind::Disabled, _) => fail(format!("{} has disabled the repository `{id}`", huggingface::name()))
                .hint("choose another model with `--models`, or take it from a cache that has it with `--models-from`"),
            (Kind::Revision, _) => fail(format!("the model `{id}` has no branch, tag or commit `{revision}`"))
                .hint(format!("{HUB}/{id}/commits/main lists the commits")),
            (Kind::File, _) => {
                fail(format!("the model `{id}` has no file `{}` at {revision}", file.unwrap_or("of this name")))
                    .hint(format!("{HUB}/{id}/tree/{revision} lists its files"))
            }
            (Kind::Token | Kind::Repository, None) => {
                fail(format!("{} says that `{id}` does not exist, or is private", huggingface::name()))
                    .hint("check the spelling; for a private model, set `HF_TOKEN`, or run `hf auth login`")
            }
            (Kind::Repository, Some(token)) => fail(format!(
                "{} says that `{id}` does not exist, or is private and not for the token from {}",
                huggingface::name(),
                token.origin
            ))
            .hint("check the spelling, and which account the token belongs to"),
            (Kind::Other, _) => {
                let said = refusal.message.as_ref().map_or_else(String::new, |message| format!(": {message}"));
                fail(format!("{} answers {} for the model `{id}`{said}", huggingface::name(), refusal.status))
                    .hint("try again later, or use a mirror (`HF_ENDPOINT`) or a cache (`--models-from`)")
            }
        }
    }

    /// That the model is given only to those who accepted its terms.
    pub fn gated(self) -> Failure {
        let id = self.id;
        match token::find() {
            None => Failure::new(
                Exit::Unavailable,
                format!(
                    "the model `{id}` is gated: only accounts that accepted its terms can download it, and there is no \
                     token"
                ),
            )
            .hint(format!(
                "accept them at {HUB}/{id}, then set `HF_TOKEN` to a token of that account, or run `hf auth login`"
            )),
            Some(token) => Failure::new(
                Exit::Unavailable,
                format!(
                    "the model `{id}` is gated, and the account of the token from {} has no access to it",
                    token.origin
                ),
            )
            .hint(format!(
                "accept its terms at {HUB}/{id} with that account; for some models, the owner grants access by hand, \
                 which takes a while"
            )),
        }
    }
}

fn is_down(refusal: &Refusal) -> bool {
    refusal.status.is_server_error() || matches!(refusal.status.as_u16(), 408 | 425 | 429)
}

enum Kind {
    Gated,
    Token,
    Disabled,
    Repository,
    Revision,
    File,
    Other,
}

/// As huggingface_hub's `hf_raise_for_status` tells them apart.
fn kind(refusal: &Refusal, with_token: bool) -> Kind {
    let message = refusal.message.as_deref().unwrap_or_default();
    match refusal.code.as_deref() {
        Some("GatedRepo") => Kind::Gated,
        Some("RevisionNotFound") => Kind::Revision,
        Some("EntryNotFound") => Kind::File,
        _ if message == "Access to this resource is disabled." => Kind::Disabled,
        // The hub says so of repositories that do not exist, too, unless it knows who asks.
        _ if with_token && refusal.status == 401 && message.starts_with("Invalid") => Kind::Token,
        Some("RepoNotFound") => Kind::Repository,
        _ if matches!(refusal.status.as_u16(), 401 | 404) => Kind::Repository,
        _ => Kind::Other,
    }
}
