//! The checks for people.

use super::accelerators;
use super::check::{Check, Context, Verdict};

/// A line for each, and what to do about it.
pub fn as_text(context: &Context<'_>, checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let verdict = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        text.push_str(&format!("{verdict:<5} {:<13} {}\n", check.name, check.message));
        if let Some(advice) = &check.advice {
            text.push_str(&format!("{:20}to do: {advice}\n", ""));
        }
    }
    if let Some(accelerators) = context.accelerators {
        text.push_str(&format!("\n{}", accelerators::as_text(accelerators)));
    }
    text
}
