//! The result of one check, and the inputs of all checks.

use serde::Serialize;
use speaches_format::failure::Failure;

use crate::accelerators::Accelerators;
use crate::config::{Config, Sources};
use crate::own_runtime::OwnRuntime;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing to do.
    Ok,
    /// The service starts, and something about it is not as it should be.
    Warn,
    /// The service does not start, or cannot do what it is for.
    Fail,
}

#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub verdict: Verdict,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    pub fn new(name: &'static str, verdict: Verdict, message: impl Into<String>) -> Self {
        Self { name, verdict, message: message.into(), advice: None }
    }

    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    pub fn failed(name: &'static str, failure: &Failure) -> Self {
        let check = Self::new(name, Verdict::Fail, failure.to_string());
        Self { advice: failure.advice().map(str::to_owned), ..check }
    }
}

pub struct Context<'a> {
    pub runtime: Result<&'a OwnRuntime, &'a Failure>,
    pub config: Option<Result<&'a Config, &'a Failure>>,
    pub accelerators: Option<&'a Accelerators>,
    pub sources: &'a Sources<'a>,
}
