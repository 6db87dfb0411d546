//! A small document that no pin names: an answer of the hub's API, or an archive whose content is checked elsewhere.
//!
//! The tool reads it into memory, and begins again after each error, as often as with any file.

use std::io::Read as _;
use std::time::Instant;

use anyhow::{Result, anyhow};
use reqwest::StatusCode;

use super::attempt;
use super::error::{FetchError, wait};
use super::response;
use super::retry::{Retries, Timeouts};
use crate::base::quantity::human_size;

/// Reads what is at a URL, at most `limit` bytes of it. `label` names it in messages.
///
/// # Errors
/// When the server's last word is that it does not give it, the error is a [`response::ErrorResponse`]. It names no URL.
pub fn read(url: &str, limit: u64, label: &str) -> Result<Vec<u8>> {
    let timeouts = Timeouts::of_this_process();
    let mut retries = Retries::new(timeouts, 0);
    loop {
        match once(url, limit, timeouts) {
            Ok(bytes) => return Ok(bytes),
            // Nothing of what came is used again, so nothing was won.
            Err(error) => wait(&mut retries, error, 0, label).map_err(FetchError::into_error)?,
        }
    }
}

fn once(url: &str, limit: u64, timeouts: Timeouts) -> Result<Vec<u8>, FetchError> {
    let mut response = attempt::send(attempt::request(url, timeouts)?, timeouts)?;
    if !matches!(response.status(), StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION) {
        return Err(attempt::error_of(url, &response));
    }
    let too_large = || FetchError::Fatal(anyhow!("it is larger than the limit of {}", human_size(limit)));
    let announced = response::length(&response);
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let began = Instant::now();
    let read = response.by_ref().take(limit + 1).read_to_end(&mut bytes);
    let length = bytes.len() as u64;
    attempt::log_body(url, length, began, if read.is_ok() { "" } else { ", and not all of it" });
    read.map_err(|error| attempt::broken(error, timeouts))?;
    if length > limit {
        return Err(too_large());
    }
    match announced {
        Some(expected) if length < expected => Err(attempt::ended_early(length, expected)),
        _ => Ok(bytes),
    }
}
