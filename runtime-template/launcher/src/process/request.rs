//! How a process is asked to end.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// It may finish what it does.
    Stop,
    /// At once.
    Kill,
}
