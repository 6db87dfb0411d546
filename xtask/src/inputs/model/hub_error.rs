//! Errors of the hub, and their remedies.

use anyhow::Error;

use crate::base::failure::{Exit, Failure};
use crate::net::http;
use crate::net::huggingface::{self, HUB, token};
use crate::store::fetch::{ErrorResponse, UNTRUSTED};

/// Why the hub did not tell.
pub enum HubError {
    /// The hub did not answer, or it answered that it is unavailable now.
    OutOfReach(Failure),
    /// It answered, and asking again would not help.
    Refused(Failure),
}

impl HubError {
    pub fn into_failure(self) -> Failure {
        match self {
            Self::OutOfReach(failure) | Self::Refused(failure) => failure,
        }
    }
}

impl From<HubError> for Error {
    fn from(error: HubError) -> Self {
        error.into_failure().into()
    }
}

#[derive(Clone, Copy)]
pub struct HubRequest<'a> {
    pub id: &'a str,
    pub revision: &'a str,
    /// One of its files, or what the API knows of all of them.
    pub file: Option<&'a str>,
}

impl HubRequest<'_> {
    pub fn explain(self, error: &Error) -> HubError {
        match error.downcast_ref::<ErrorResponse>() {
            Some(response) if !is_down(response) => HubError::Refused(self.refused(response)),
            _ => {
                let hint = if http::is_tls_error(error) {
                    UNTRUSTED
                } else {
                    "check the network; `HF_ENDPOINT` names a mirror, `--models-from` takes models from a cache, \
                     `--models none` leaves them out"
                };
                let text = format!("{} cannot be reached for the model `{}`: {error:#}", huggingface::name(), self.id);
                HubError::OutOfReach(Failure::new(Exit::Unavailable, text).hint(hint))
            }
        }
    }

    fn refused(self, response: &ErrorResponse) -> Failure {
        let Self { id, revision, file } = self;
        let fail = |text: String| Failure::new(Exit::Unavailable, text);
        let token = token::find();
        match (kind(response, token.is_some()), token) {
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
                let said = response.message.as_ref().map_or_else(String::new, |message| format!(": {message}"));
                fail(format!("{} answers {} for the model `{id}`{said}", huggingface::name(), response.status))
                    .hint("try again later, or use a mirror (`HF_ENDPOINT`) or a cache (`--models-from`)")
            }
        }
    }

    /// The error for a model that needs accepted terms.
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

fn is_down(response: &ErrorResponse) -> bool {
    response.status.is_server_error() || matches!(response.status.as_u16(), 408 | 425 | 429)
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
fn kind(response: &ErrorResponse, with_token: bool) -> Kind {
    let message = response.message.as_deref().unwrap_or_default();
    match response.code.as_deref() {
        Some("GatedRepo") => Kind::Gated,
        Some("RevisionNotFound") => Kind::Revision,
        Some("EntryNotFound") => Kind::File,
        _ if message == "Access to this resource is disabled." => Kind::Disabled,
        // Without a token the hub answers the same for repositories that do not exist.
        _ if with_token && response.status == 401 && message.starts_with("Invalid") => Kind::Token,
        Some("RepoNotFound") => Kind::Repository,
        _ if matches!(response.status.as_u16(), 401 | 404) => Kind::Repository,
        _ => Kind::Other,
    }
}
