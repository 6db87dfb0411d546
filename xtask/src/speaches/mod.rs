//! The speaches source: checked against its pin, edited, and placed into a runtime.

pub mod install;
pub mod port;
pub mod pyproject;
pub mod source;
