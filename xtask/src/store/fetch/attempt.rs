//! One request for what is missing of a file, and what to make of its answer.

use std::io::{self, Read as _};
use std::time::Instant;

use anyhow::{Context as _, Error, anyhow};
use camino::Utf8PathBuf;
use reqwest::StatusCode;
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};

use super::answer::{self, Arrival, Refusal, TELLING};
use super::download::Download;
use super::mismatch::differing;
use super::partial::{self, About, Partial};
use super::retry::{self, Patience, Wait};
use super::setback::{Setback, passing};
use super::space;
use crate::base::quantity::{human_size, took};
use crate::net::http;
use crate::net::huggingface;
use crate::report::Bar;

/// Asks for the rest of a file and appends what comes. Afterwards it is as long as it should be, or there is an error.
pub fn once(
    url: &str,
    download: &Download,
    partial: &mut Partial,
    bar: &dyn Bar,
    patience: Patience,
) -> Result<Arrival, Setback> {
    let total = download.size.or(partial.total());
    if total == Some(partial.offset()) {
        return Ok(Arrival::default());
    }
    if total.is_some_and(|total| partial.offset() > total) {
        partial.doubt();
    }
    let mut response = ask(url, partial, patience)?;
    let expected = match response.status() {
        StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
            begin(url, download, partial, bar, &mut response)?
        }
        StatusCode::PARTIAL_CONTENT if partial.offset() > 0 => go_on(url, download, partial, &response)?,
        StatusCode::RANGE_NOT_SATISFIABLE if partial.offset() > 0 => {
            partial.doubt();
            return Err(at_once("the server has fewer bytes of it than this machine (416)"));
        }
        _ => return Err(refused(url, &response)),
    };
    let (before, began) = (partial.length(), Instant::now());
    let received = receive(download, partial, bar, &mut response, patience, expected);
    let end = if received.is_ok() { "" } else { ", and not all of it" };
    arrived(url, partial.length().saturating_sub(before), began, end);
    received?;
    Ok(Arrival::of(&response))
}

/// Compares a file that is as long as it should be with its pin and returns where it is.
pub fn check(
    url: &str,
    download: &Download,
    partial: &mut Partial,
    arrival: &Arrival,
    bar: &dyn Bar,
) -> Result<Utf8PathBuf, Setback> {
    let found = (partial.length(), partial.sha256().map_err(Setback::Here)?);
    if found.1 == download.sha256 && download.size.is_none_or(|size| size == found.0) {
        return Ok(partial.complete());
    }
    let was_pure = partial.is_pure();
    let place = partial.quarantine().map_err(Setback::Here)?;
    bar.set_back(found.0);
    if !was_pure {
        // Some of it came from elsewhere, or before a power cut: that is not this source's fault.
        return Err(at_once("the earlier part of the download does not match the rest"));
    }
    let beginning = partial::beginning(&place);
    let empty = if found.0 == 0 { "\n    the answer was empty" } else { "" };
    let text = format!(
        "found:  {} bytes, sha256 {}{empty}{}\n    it is kept for inspection: `{place}`",
        found.0,
        found.1,
        arrival.describe(&beginning)
    );
    Err(Setback::Wrong(differing(&download.label, &http::shown(url), (download.size, download.sha256), &text)))
}

fn at_once(text: &'static str) -> Setback {
    Setback::Passing { error: anyhow!(text), wait: Wait::None }
}

fn ask(url: &str, partial: &Partial, patience: Patience) -> Result<Response, Setback> {
    let mut request = request(url, patience)?;
    if partial.offset() > 0 {
        request = request.header(RANGE, format!("bytes={}-", partial.offset()));
        // Another source has other validators. That the rest fits is known in the end, by the digest.
        if let Some(validator) = partial.validator(&http::shown(url)) {
            request = request.header(IF_RANGE, validator);
        }
    }
    send(request, patience)
}

/// A request as all of ours are.
pub fn request(url: &str, patience: Patience) -> Result<RequestBuilder, Setback> {
    let client = http::downloads(patience.stall()).map_err(Setback::Here)?;
    // Compressed on the way, the bytes would not be those that were hashed.
    let request = client.get(url).header(ACCEPT_ENCODING, "identity");
    Ok(match huggingface::token_for(url) {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
}

/// Sends a request and waits for the head of the answer.
pub fn send(request: RequestBuilder, patience: Patience) -> Result<Response, Setback> {
    http::send(request).map_err(|error| {
        let again = !error.is_redirect() && !error.is_builder();
        let silent = error.is_timeout() && !error.is_connect();
        let error = Error::from(error.without_url());
        if !again || http::is_about_tls(&error) {
            Setback::Source(error)
        } else if silent {
            passing(error.context(format!("no answer for {} s", patience.stall().as_secs_f64())))
        } else {
            passing(error)
        }
    })
}

/// Logs how many bytes of a body arrived, how long that took and how it ended.
pub fn arrived(url: &str, length: u64, began: Instant, end: &str) {
    tracing::info!("{}: {} in {}{end}", http::shown(url), human_size(length), took(began.elapsed()));
}

/// What it means that a body did not go on.
pub fn broken(error: io::Error, patience: Patience) -> Setback {
    if is_timeout(&error) {
        return passing(anyhow!("no data came for {} s", patience.stall().as_secs_f64()));
    }
    // Of what the layers in between say about it only the last is of use.
    passing(anyhow!("the connection broke: {}", Error::from(error).root_cause()))
}

/// An answer with the whole file: what was here is forgotten. Returns how long the whole will be.
fn begin(
    url: &str,
    download: &Download,
    partial: &mut Partial,
    bar: &dyn Bar,
    response: &mut Response,
) -> Result<Option<u64>, Setback> {
    let length = answer::length(response);
    // Before what is here is given up for it: a page that asks to log in is no reason to.
    if let (Some(wanted), Some(announced)) = (download.size, length)
        && wanted != announced
    {
        return Err(wrong_length(url, download, announced, response));
    }
    bar.set_back(partial.length());
    let about = About { url: http::shown(url), validator: answer::validator(response), total: length };
    partial.restart(about).map_err(Setback::Here)?;
    if let Some(length) = length {
        space::expect(&partial.directory(), length, &download.label).map_err(Setback::Here)?;
    }
    Ok(download.size.or(length))
}

/// An answer with the rest of the file. Returns how long the whole will be.
fn go_on(url: &str, download: &Download, partial: &mut Partial, response: &Response) -> Result<Option<u64>, Setback> {
    let Some(part) = answer::part(response).filter(|part| part.start == partial.offset()) else {
        partial.doubt();
        return Err(at_once("the server sends another part than requested"));
    };
    let known = download.size.or(partial.total());
    let same_length = part.total.is_none() || known.is_none() || part.total == known;
    let same_version = match (partial.validator(&http::shown(url)), answer::validator(response)) {
        (Some(before), Some(now)) => before == now,
        _ => true,
    };
    if !same_length || !same_version {
        partial.doubt();
        return Err(at_once("it changed on the server after a part of it was downloaded"));
    }
    partial.continue_from(&http::shown(url));
    Ok(known.or(part.total))
}

fn receive(
    download: &Download,
    partial: &mut Partial,
    bar: &dyn Bar,
    response: &mut Response,
    patience: Patience,
    expected: Option<u64>,
) -> Result<(), Setback> {
    loop {
        let read = match response.read(partial.room()) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken(error, patience)),
        };
        partial.append(read).context("cannot keep the download").map_err(Setback::Here)?;
        bar.advance(read as u64);
        if download.size.is_some_and(|size| partial.length() > size) {
            // Whatever it is, it is not worth to be read to its end.
            return Ok(());
        }
    }
    match expected {
        Some(expected) if partial.length() < expected => Err(ended_early(partial.length(), expected)),
        _ => Ok(()),
    }
}

/// What it means that a body ended in order, but too early.
pub fn ended_early(length: u64, expected: u64) -> Setback {
    passing(anyhow!("the connection ended after {length} of {expected} bytes"))
}

/// reqwest hides its own error in one of I/O.
fn is_timeout(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>());
    error.kind() == io::ErrorKind::TimedOut || inner.is_some_and(reqwest::Error::is_timeout)
}

fn wrong_length(url: &str, download: &Download, announced: u64, response: &mut Response) -> Setback {
    let mut beginning = Vec::new();
    // It is only to be shown; what does not come is not shown.
    let _ = response.take(TELLING).read_to_end(&mut beginning);
    let empty = if announced == 0 { ", an empty answer" } else { "" };
    let text = format!("offered: {announced} bytes{empty}{}", Arrival::of(response).describe(&beginning));
    Setback::Wrong(differing(&download.label, &http::shown(url), (download.size, download.sha256), &text))
}

/// What it means that an answer is no file.
pub fn refused(url: &str, response: &Response) -> Setback {
    let refusal = Refusal::of(response);
    if retry::is_passing(refusal.status) {
        return Setback::Passing { error: refusal.into(), wait: retry::requested(response.headers()) };
    }
    // An address that was signed for a while, and the while is over: the next redirect leads to a new one. The hub itself,
    // to which a repository's old name redirects, says with a code what it means.
    let redirected = response.url().as_str() != url && refusal.code.is_none();
    if redirected && matches!(refusal.status.as_u16(), 400 | 401 | 403 | 410) {
        return passing(Error::from(refusal).context("after a redirect"));
    }
    Setback::Source(refusal.into())
}
