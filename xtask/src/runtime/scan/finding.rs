//! One problem of one binary.

use std::fmt;

use super::problem::Problem;

/// One thing that is wrong with one binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Relative to the root of the runtime.
    pub path: String,
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.path, self.problem, self.problem.kind().why())
    }
}
