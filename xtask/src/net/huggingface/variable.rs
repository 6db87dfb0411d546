//! Reads variables as huggingface_hub reads them.

use crate::base::host;

pub fn is_true(name: &str) -> bool {
    host::variable(name).is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str()))
}
