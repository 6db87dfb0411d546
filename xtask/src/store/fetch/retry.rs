//! Decides whether to try a download again, and how long to wait before.

use std::time::{Duration, SystemTime};

use anyhow::{Result, anyhow};
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use crate::base::host;

/// Attempts that bring nothing, one after the other, before a source is given up.
const ATTEMPTS: u32 = 5;
/// The first wait, in seconds; each further one is twice as long.
const FIRST_WAIT: f64 = 0.5;
/// The longest wait of our own, in seconds.
const LONGEST_WAIT: f64 = 30.0;
/// The longest wait that a server may ask for, in seconds.
const LONGEST_REQUESTED: f64 = 120.0;
/// After so many seconds without a byte a connection counts as dead.
const STALL: f64 = 30.0;
/// Report a wait that lasts longer than this.
pub const REPORT_AFTER: Duration = Duration::from_secs(4);

/// How long a second is. Tests have shorter ones: `SPEACHES_FETCH_SECOND_MS` says how many milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    second: Duration,
}

impl Timeouts {
    /// The real timeouts, unless the environment sets a shorter second.
    pub fn of_this_process() -> Self {
        let milliseconds = host::variable("SPEACHES_FETCH_SECOND_MS").and_then(|text| text.parse().ok());
        Self { second: Duration::from_millis(milliseconds.unwrap_or(1000)) }
    }

    /// How long a connection may be silent.
    pub fn stall(self) -> Duration {
        self.second.mul_f64(STALL)
    }

    /// The wait after this many failed attempts in a row: a random part, from half to all, of the doubled wait, so that
    /// clients that a server refused together do not come back together.
    fn backoff(self, attempts: u32) -> Duration {
        let doubled = FIRST_WAIT * 2_f64.powi(attempts.saturating_sub(1).min(16) as i32);
        self.second.mul_f64(doubled.min(LONGEST_WAIT) * (0.5 + fastrand::f64() / 2.0))
    }
}

/// The wait before the next attempt.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    Backoff,
    /// Begin at once: the mistake is known and will not be made again.
    None,
    /// The server asks for so many seconds.
    Requested(f64),
}

#[derive(Debug)]
pub struct Retries {
    timeouts: Timeouts,
    in_vain: u32,
    made: u32,
    furthest: u64,
}

impl Retries {
    /// Starts before the first attempt, with this many bytes of the file present.
    pub fn new(timeouts: Timeouts, length: u64) -> Self {
        Self { timeouts, in_vain: 0, made: 0, furthest: length }
    }

    pub fn made(&self) -> u32 {
        self.made
    }

    /// How long to wait after an attempt that failed when so many bytes were there; nothing when it is time to give up.
    ///
    /// # Errors
    /// When the server asks for a longer wait than `LONGEST_REQUESTED`.
    pub fn after(&mut self, length: u64, wait: Wait) -> Option<Result<Duration>> {
        self.made += 1;
        // Getting as far as before once more, which a server that knows no ranges makes us do, is not getting on.
        if length > self.furthest {
            self.furthest = length;
            self.in_vain = 0;
        }
        self.in_vain += 1;
        if self.in_vain >= ATTEMPTS {
            return None;
        }
        Some(match wait {
            Wait::Backoff => Ok(self.timeouts.backoff(self.in_vain)),
            Wait::None => Ok(Duration::ZERO),
            Wait::Requested(seconds) if seconds > LONGEST_REQUESTED => Err(anyhow!(
                "the server is busy and asks to wait {seconds:.0} s, which is longer than {LONGEST_REQUESTED:.0} s"
            )),
            // Not sooner than the server asks for, and not all at the same moment.
            Wait::Requested(seconds) => Ok(self.timeouts.second.mul_f64(seconds) + self.timeouts.backoff(self.in_vain)),
        })
    }
}

/// Whether a server with this status may succeed on the next attempt.
pub fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// The wait that `Retry-After` asks for.
///
/// RFC 9110, 10.2.3: “The Retry-After field value can be either an HTTP-date or a number of seconds to delay after
/// receiving the response.”
pub fn requested(headers: &HeaderMap) -> Wait {
    let Some(text) = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()) else { return Wait::Backoff };
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Wait::Requested(seconds.into());
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let Some(then) = date(text) else { return Wait::Backoff };
    // The server's own clock, since this machine's may be wrong.
    let server = headers.get(DATE).map(HeaderValue::to_str).and_then(Result::ok).and_then(date);
    let now = server.unwrap_or_else(SystemTime::now);
    Wait::Requested(then.duration_since(now).unwrap_or_default().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_scatter() {
        let timeouts = Timeouts { second: Duration::from_secs(1) };
        for (attempts, longest) in [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (7, 30.0), (1000, 30.0)] {
            let waits = (0..100).map(|_| timeouts.backoff(attempts).as_secs_f64()).collect::<Vec<_>>();
            assert!(waits.iter().all(|wait| (longest / 2.0..=longest).contains(wait)), "{attempts}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]));
        }
    }

    #[test]
    fn only_getting_further_than_ever_counts_as_getting_on() {
        let mut retries = Retries::new(Timeouts { second: Duration::ZERO }, 0);
        for length in 1..100 {
            assert!(retries.after(length, Wait::Backoff).is_some(), "{length}");
        }
        for _ in 0..3 {
            assert!(retries.after(50, Wait::Backoff).is_some());
        }
        assert!(retries.after(99, Wait::Backoff).is_none());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_clock_of_the_server() {
        let headers = |pairs: &[(reqwest::header::HeaderName, &str)]| {
            pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect::<HeaderMap>()
        };
        let seconds = |headers| match requested(&headers) {
            Wait::Requested(seconds) => Some(seconds),
            _ => None,
        };
        assert_eq!(seconds(headers(&[(RETRY_AFTER, "7")])), Some(7.0));
        let date = [(RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT"), (DATE, "Fri, 31 Dec 1999 23:59:49 GMT")];
        assert_eq!(seconds(headers(&date)), Some(10.0));
        assert_eq!(seconds(headers(&date[..1])), Some(0.0), "long ago");
        for odd in ["", "soon", "-1", "1.5"] {
            assert_eq!(seconds(headers(&[(RETRY_AFTER, odd)])), None, "{odd}");
        }
    }
}
