//! How a process is asked to end.

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// It may finish what it does.
    Stop,
    /// At once.
    Kill,
}
