//! Why an attempt did not bring a file, and the wait for the next one.

use anyhow::Error;

use super::retry::{self, Retries, Wait};
use crate::base::failure::Failure;
use crate::report;

/// Why the file is not there.
pub enum Setback {
    /// The next attempt may bring it.
    Passing { error: Error, wait: Wait },
    /// This source will not bring it.
    Source(Error),
    /// This source brings something else.
    Wrong(Failure),
    /// No source can help: it is this machine.
    Here(Error),
}

pub fn passing(error: Error) -> Setback {
    Setback::Passing { error, wait: Wait::Backoff }
}

impl Setback {
    /// What to tell about it.
    pub fn into_error(self) -> Error {
        match self {
            Self::Passing { error, .. } | Self::Source(error) | Self::Here(error) => error,
            Self::Wrong(failure) => failure.into(),
        }
    }
}

/// Waits for the next attempt after one that failed when so many bytes were there, unless there should be none.
pub fn wait(retries: &mut Retries, setback: Setback, length: u64, label: &str) -> Result<(), Setback> {
    let Setback::Passing { error, wait } = setback else { return Err(setback) };
    let Some(pause) = retries.after(length, wait) else {
        return Err(Setback::Source(error.context(format!("given up after {} attempts", retries.made()))));
    };
    let pause = pause.map_err(Setback::Source)?;
    tracing::info!("{label}: {error:#}; trying again in {} ms", pause.as_millis());
    if pause >= retry::WORTH_MENTIONING {
        report::say(&format!("{label}: {error:#}; trying again in {} s", pause.as_secs()));
    }
    std::thread::sleep(pause);
    Ok(())
}
