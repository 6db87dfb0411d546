//! HTTP clients: one for the internet, one for downloads from it, one for servers on this machine.
//!
//! Those for the internet ask the verifier of the platform about certificates (on Linux the system's bundle, or what
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` name), use the system's proxies (`HTTPS_PROXY`, `NO_PROXY`, …) and speak HTTP/2
//! with servers that offer it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result};
use reqwest::blocking::{Client, ClientBuilder, RequestBuilder, Response};
use reqwest::header::{AUTHORIZATION, RANGE};
use reqwest::redirect::Policy;
use reqwest::{Url, redirect};

use crate::base::quantity::format_duration;

/// No honest server needs more.
const REDIRECTS: usize = 10;

fn builder() -> ClientBuilder {
    // reqwest wants to be told which implementation of cryptography to use. A second call fails, and by then
    // there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().user_agent(concat!("speaches-native/", env!("CARGO_PKG_VERSION")))
}

/// For the internet: trusts the certificates and uses the proxies of this system, and never waits for ever.
pub fn client() -> Result<&'static Client> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    // In a blocking client the timeout bounds each single operation, not the whole of a download.
    once(&CLIENT, || internet().timeout(Duration::from_secs(60)))
}

/// For downloads: as [`client`], and a connection that is silent for `stall` is given up. The first call decides.
pub fn downloads(stall: Duration) -> Result<&'static Client> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    once(&CLIENT, || {
        internet()
            .timeout(stall)
            // All downloads from a server share one connection of HTTP/2. When it is dead, the next attempt must not be
            // made on it again.
            .http2_keep_alive_interval(stall / 3)
            .http2_keep_alive_timeout(stall / 2)
    })
}

fn internet() -> ClientBuilder {
    // reqwest takes credentials off a request that is sent on to another host, port or scheme.
    builder().connect_timeout(Duration::from_secs(10)).referer(false).redirect(Policy::custom(follow))
}

fn once(cell: &'static OnceLock<Client>, builder: impl FnOnce() -> ClientBuilder) -> Result<&'static Client> {
    if cell.get().is_none() {
        let _ = cell.set(builder().build().context("cannot set up HTTPS")?);
    }
    cell.get().context("the client was just made")
}

/// For a server on this machine, which no proxy can reach, and which may take so long for a whole answer.
pub fn loopback(timeout: Duration) -> Result<Client> {
    builder().no_proxy().timeout(timeout).build().context("cannot set up HTTP")
}

/// Sends a request and waits for the head of the answer. `--verbose` logs it.
pub fn send(request: RequestBuilder) -> reqwest::Result<Response> {
    let (client, request) = request.build_split();
    let request = request?;
    let part = request.headers().get(RANGE).and_then(|part| part.to_str().ok());
    let part = part.map(|part| format!(", {part}")).unwrap_or_default();
    let token = if request.headers().contains_key(AUTHORIZATION) { ", with credentials" } else { "" };
    let asked = format!("{} {}{part}{token}", request.method(), redact_url(request.url().as_str()));
    tracing::debug!("{asked}");
    let began = Instant::now();
    let result = client.execute(request);
    let time = format_duration(began.elapsed());
    match &result {
        Ok(response) => tracing::info!("{asked}: {:?} {} after {time}", response.version(), response.status()),
        Err(error) => tracing::info!("{asked}: {} after {time}", cause(error)),
    }
    result
}

/// The innermost error: the others have the URL in them, with all of its secrets.
fn cause(error: &reqwest::Error) -> String {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    sources.last().map_or_else(|| "no answer".to_owned(), ToString::to_string)
}

fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let next = attempt.url();
    let text = if attempt.previous().contains(next) {
        format!("the redirects form a loop, back to {}", redact_url(next.as_str()))
    } else if attempt.previous().len() > REDIRECTS {
        format!("there are more than {REDIRECTS} redirects, the last one to {}", redact_url(next.as_str()))
    } else if next.scheme() == "http"
        && attempt.previous().last().is_some_and(|url| url.scheme() == "https")
        && !is_loopback(next)
    {
        format!(
            "the server redirects to {}, where anyone on the network could read and change the data",
            redact_url(next.as_str())
        )
    } else {
        let from = attempt.previous().last().map(|url| redact_url(url.as_str())).unwrap_or_default();
        tracing::info!("{from} redirects to {}", redact_url(next.as_str()));
        return attempt.follow();
    };
    attempt.error(text)
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

/// How long a server may take to answer before it counts as out of reach.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a server answers at all; what it answers does not matter here.
pub fn answers(url: &str) -> bool {
    client().is_ok_and(|client| send(client.head(url).timeout(TIMEOUT)).is_ok())
}

/// A URL without passwords and signatures, for messages.
pub fn redact_url(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
    if !parsed.has_host() {
        return url.to_owned();
    }
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.set_fragment(None);
    if parsed.query().is_some() {
        parsed.set_query(None);
        return format!("{parsed}?…");
    }
    parsed.into()
}

/// Whether the cause is an untrusted certificate, or a server that does not speak TLS.
pub fn is_tls_error(error: &Error) -> bool {
    error.chain().any(|cause| cause.is::<rustls::Error>() || is_tls_inside(cause))
}

/// Errors of I/O hide what they are made of from a chain, and may be made of others of their kind.
fn is_tls_inside(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<rustls::Error>() || is_tls_inside(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_secrets() {
        assert_eq!(redact_url("https://me:secret@host/a%20b?signature=secret#secret"), "https://host/a%20b?…");
        assert_eq!(redact_url("http://127.0.0.1:8/a"), "http://127.0.0.1:8/a");
        assert_eq!(redact_url("/a/b?c"), "/a/b?c");
    }

    #[test]
    fn loopback_is_known_by_address_and_name() {
        for (url, expected) in
            [("http://127.0.0.9/", true), ("http://[::1]:8/", true), ("http://localhost/", true), ("http://a/", false)]
        {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
