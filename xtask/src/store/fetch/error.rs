//! Errors of one attempt to fetch a file, and the wait before the next attempt.

use anyhow::Error;

use super::retry::{self, Retries, Wait};
use crate::base::failure::Failure;
use crate::report;

pub enum FetchError {
    /// The next attempt may bring it.
    Transient { error: Error, wait: Wait },
    /// This source will not bring it.
    Fatal(Error),
    /// This source brings something else.
    Mismatch(Failure),
    /// No source can help: it is this machine.
    Local(Error),
}

pub fn transient(error: Error) -> FetchError {
    FetchError::Transient { error, wait: Wait::Backoff }
}

impl FetchError {
    pub fn into_error(self) -> Error {
        match self {
            Self::Transient { error, .. } | Self::Fatal(error) | Self::Local(error) => error,
            Self::Mismatch(failure) => failure.into(),
        }
    }
}

/// Waits for the next attempt after one that failed when so many bytes were there, unless there should be none.
pub fn wait(retries: &mut Retries, error: FetchError, length: u64, label: &str) -> Result<(), FetchError> {
    let FetchError::Transient { error, wait } = error else { return Err(error) };
    let Some(pause) = retries.after(length, wait) else {
        return Err(FetchError::Fatal(error.context(format!("given up after {} attempts", retries.made()))));
    };
    let pause = pause.map_err(FetchError::Fatal)?;
    tracing::info!("{label}: {error:#}; trying again in {} ms", pause.as_millis());
    if pause >= retry::REPORT_AFTER {
        report::say(&format!("{label}: {error:#}; trying again in {} s", pause.as_secs()));
    }
    std::thread::sleep(pause);
    Ok(())
}
