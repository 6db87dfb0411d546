//! One request for the missing part of a file, and the handling of the response.

use std::io::{self, Read as _};
use std::time::Instant;

use anyhow::{Context as _, Error, anyhow};
use camino::Utf8PathBuf;
use reqwest::StatusCode;
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};

use super::download::Download;
use super::error::{FetchError, transient};
use super::mismatch::differing;
use super::partial::{self, About, Partial};
use super::response::{self, ErrorResponse, ResponseInfo, SNIFF_LENGTH};
use super::retry::{self, Timeouts, Wait};
use super::space;
use crate::base::quantity::{format_duration, human_size};
use crate::net::http;
use crate::net::huggingface;
use crate::report::Bar;

/// Requests the rest of a file and appends it. On success the file has its full length.
pub fn once(
    url: &str,
    download: &Download,
    partial: &mut Partial,
    bar: &dyn Bar,
    timeouts: Timeouts,
) -> Result<ResponseInfo, FetchError> {
    let total = download.size.or(partial.total());
    if total == Some(partial.offset()) {
        return Ok(ResponseInfo::default());
    }
    if total.is_some_and(|total| partial.offset() > total) {
        partial.start_over();
    }
    let mut response = ask(url, partial, timeouts)?;
    let expected = match response.status() {
        StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
            restart(url, download, partial, bar, &mut response)?
        }
        StatusCode::PARTIAL_CONTENT if partial.offset() > 0 => resume(url, download, partial, &response)?,
        StatusCode::RANGE_NOT_SATISFIABLE if partial.offset() > 0 => {
            partial.start_over();
            return Err(retry_now("the server has fewer bytes of it than this machine (416)"));
        }
        _ => return Err(error_of(url, &response)),
    };
    let (before, began) = (partial.length(), Instant::now());
    let received = receive(download, partial, bar, &mut response, timeouts, expected);
    let end = if received.is_ok() { "" } else { ", and not all of it" };
    log_body(url, partial.length().saturating_sub(before), began, end);
    received?;
    Ok(ResponseInfo::of(&response))
}

/// Compares a file that is as long as it should be with its pin and returns where it is.
pub fn check(
    url: &str,
    download: &Download,
    partial: &mut Partial,
    info: &ResponseInfo,
    bar: &dyn Bar,
) -> Result<Utf8PathBuf, FetchError> {
    let found = (partial.length(), partial.sha256().map_err(FetchError::Local)?);
    if found.1 == download.sha256 && download.size.is_none_or(|size| size == found.0) {
        return Ok(partial.complete());
    }
    let was_of_one_source = partial.is_of_one_source();
    let place = partial.quarantine().map_err(FetchError::Local)?;
    bar.set_back(found.0);
    if !was_of_one_source {
        // Some of it came from elsewhere, or before a power cut: that is not this source's fault.
        return Err(retry_now("the earlier part of the download does not match the rest"));
    }
    let beginning = partial::beginning(&place);
    let empty = if found.0 == 0 { "\n    the answer was empty" } else { "" };
    let text = format!(
        "found:  {} bytes, sha256 {}{empty}{}\n    it is kept for inspection: `{place}`",
        found.0,
        found.1,
        info.describe(&beginning)
    );
    Err(FetchError::Mismatch(differing(
        &download.label,
        &http::redact_url(url),
        (download.size, download.sha256),
        &text,
    )))
}

fn retry_now(text: &'static str) -> FetchError {
    FetchError::Transient { error: anyhow!(text), wait: Wait::None }
}

fn ask(url: &str, partial: &Partial, timeouts: Timeouts) -> Result<Response, FetchError> {
    let mut request = request(url, timeouts)?;
    if partial.offset() > 0 {
        request = request.header(RANGE, format!("bytes={}-", partial.offset()));
        // Another source has other validators. That the rest fits is known in the end, by the digest.
        if let Some(validator) = partial.validator(&http::redact_url(url)) {
            request = request.header(IF_RANGE, validator);
        }
    }
    send(request, timeouts)
}

/// A request as all of ours are.
pub fn request(url: &str, timeouts: Timeouts) -> Result<RequestBuilder, FetchError> {
    let client = http::downloads(timeouts.stall()).map_err(FetchError::Local)?;
    // Compressed on the way, the bytes would not be those that were hashed.
    let request = client.get(url).header(ACCEPT_ENCODING, "identity");
    Ok(match huggingface::token_for(url) {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
}

/// Sends a request and waits for the head of the answer.
pub fn send(request: RequestBuilder, timeouts: Timeouts) -> Result<Response, FetchError> {
    http::send(request).map_err(|error| {
        let again = !error.is_redirect() && !error.is_builder();
        let silent = error.is_timeout() && !error.is_connect();
        let error = Error::from(error.without_url());
        if !again || http::is_tls_error(&error) {
            FetchError::Fatal(error)
        } else if silent {
            transient(error.context(format!("no answer for {} s", timeouts.stall().as_secs_f64())))
        } else {
            transient(error)
        }
    })
}

/// Logs how many bytes of a body arrived, how long that took and how it ended.
pub fn log_body(url: &str, length: u64, began: Instant, end: &str) {
    tracing::info!("{}: {} in {}{end}", http::redact_url(url), human_size(length), format_duration(began.elapsed()));
}

/// The error for a body that stopped arriving.
pub fn broken(error: io::Error, timeouts: Timeouts) -> FetchError {
    if is_timeout(&error) {
        return transient(anyhow!("no data came for {} s", timeouts.stall().as_secs_f64()));
    }
    // Of what the layers in between say about it only the last is of use.
    transient(anyhow!("the connection broke: {}", Error::from(error).root_cause()))
}

/// Handles a response with the whole file: discards the partial file. Returns the length of the whole.
fn restart(
    url: &str,
    download: &Download,
    partial: &mut Partial,
    bar: &dyn Bar,
    response: &mut Response,
) -> Result<Option<u64>, FetchError> {
    let length = response::length(response);
    // Before what is here is given up for it: a page that asks to log in is no reason to.
    if let (Some(wanted), Some(announced)) = (download.size, length)
        && wanted != announced
    {
        return Err(wrong_length(url, download, announced, response));
    }
    bar.set_back(partial.length());
    let about = About { url: http::redact_url(url), validator: response::validator(response), total: length };
    partial.restart(about).map_err(FetchError::Local)?;
    if let Some(length) = length {
        space::check(&partial.directory(), length, &download.label).map_err(FetchError::Local)?;
    }
    Ok(download.size.or(length))
}

/// Handles a response with the rest of the file. Returns the length of the whole.
fn resume(
    url: &str,
    download: &Download,
    partial: &mut Partial,
    response: &Response,
) -> Result<Option<u64>, FetchError> {
    let Some(part) = response::part(response).filter(|part| part.start == partial.offset()) else {
        partial.start_over();
        return Err(retry_now("the server sends another part than requested"));
    };
    let known = download.size.or(partial.total());
    let same_length = part.total.is_none() || known.is_none() || part.total == known;
    let same_version = match (partial.validator(&http::redact_url(url)), response::validator(response)) {
        (Some(before), Some(now)) => before == now,
        _ => true,
    };
    if !same_length || !same_version {
        partial.start_over();
        return Err(retry_now("it changed on the server after a part of it was downloaded"));
    }
    partial.continue_from(&http::redact_url(url));
    Ok(known.or(part.total))
}

fn receive(
    download: &Download,
    partial: &mut Partial,
    bar: &dyn Bar,
    response: &mut Response,
    timeouts: Timeouts,
    expected: Option<u64>,
) -> Result<(), FetchError> {
    loop {
        let read = match response.read(partial.buffer()) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken(error, timeouts)),
        };
        partial.append(read).context("cannot keep the download").map_err(FetchError::Local)?;
        bar.advance(read as u64);
        if download.size.is_some_and(|size| partial.length() > size) {
            // A body that is too long need not be read to its end.
            return Ok(());
        }
    }
    match expected {
        Some(expected) if partial.length() < expected => Err(ended_early(partial.length(), expected)),
        _ => Ok(()),
    }
}

/// The error for a body that ended in order, but too early.
pub fn ended_early(length: u64, expected: u64) -> FetchError {
    transient(anyhow!("the connection ended after {length} of {expected} bytes"))
}

/// reqwest hides its own error in one of I/O.
fn is_timeout(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>());
    error.kind() == io::ErrorKind::TimedOut || inner.is_some_and(reqwest::Error::is_timeout)
}

fn wrong_length(url: &str, download: &Download, announced: u64, response: &mut Response) -> FetchError {
    let mut beginning = Vec::new();
    // Only for the message, so errors are ignored.
    let _ = response.take(SNIFF_LENGTH).read_to_end(&mut beginning);
    let empty = if announced == 0 { ", an empty answer" } else { "" };
    let text = format!("offered: {announced} bytes{empty}{}", ResponseInfo::of(response).describe(&beginning));
    FetchError::Mismatch(differing(&download.label, &http::redact_url(url), (download.size, download.sha256), &text))
}

/// The error for a response without the file.
pub fn error_of(url: &str, response: &Response) -> FetchError {
    let answer = ErrorResponse::of(response);
    if retry::is_transient(answer.status) {
        return FetchError::Transient { error: answer.into(), wait: retry::requested(response.headers()) };
    }
    // An address that was signed for a while, and the while is over: the next redirect leads to a new one. The hub itself,
    // to which a repository's old name redirects, says with a code what it means.
    let redirected = response.url().as_str() != url && answer.code.is_none();
    if redirected && matches!(answer.status.as_u16(), 400 | 401 | 403 | 410) {
        return transient(Error::from(answer).context("after a redirect"));
    }
    FetchError::Fatal(answer.into())
}
