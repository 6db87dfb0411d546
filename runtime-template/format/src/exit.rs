//! Exit codes of every program of this project, after BSD's `sysexits.h`.

/// How a program ended, as its parent sees it.
///
/// `docs/exit-codes.md` has the same table for people; a test keeps the two equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or stopped on request.
    Success = 0,
    /// The command line is wrong.
    Usage = 64,
    /// An input is malformed or is not what its pin says.
    Data = 65,
    /// An input file or directory is not there.
    NoInput = 66,
    /// Something that is needed cannot be used: a part of the runtime, a tool, or a server.
    Unavailable = 69,
    /// A mistake in the program itself.
    Internal = 70,
    /// The output cannot be written where it was asked for.
    CannotCreate = 73,
    /// Reading or writing failed on the way, a full disk included.
    InputOutput = 74,
    /// It may work when tried again: a port is taken, a lock is held.
    Temporary = 75,
    /// The request cannot work: a combination that does not exist, or settings that contradict.
    Config = 78,
    /// Ended by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// Every code, in order.
    pub const ALL: [Self; 11] = [
        Self::Success,
        Self::Usage,
        Self::Data,
        Self::NoInput,
        Self::Unavailable,
        Self::Internal,
        Self::CannotCreate,
        Self::InputOutput,
        Self::Temporary,
        Self::Config,
        Self::Interrupted,
    ];

    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
