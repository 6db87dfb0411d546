"""Exit codes of the service (after sysexits.h) and the failure that carries one."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells the one who started it."""

    STOPPED = 0
    """Stopped on request."""
    USAGE = 64
    """Called in a way that it does not know."""
    MALFORMED = 65
    """The settings are not what they claim to be (broken JSON)."""
    UNAVAILABLE = 69
    """A part of the runtime is missing or unusable."""
    INTERNAL = 70
    """An error of the service itself."""
    CANNOT_WRITE = 73
    """The state directory cannot be written."""
    TEMPORARY = 75
    """Worth trying again later: the port is taken."""
    CANNOT_WORK = 78
    """The configuration cannot work."""


class ServiceFailure(Exception):
    """A reason to end the process, in words for the user and as an exit code."""

    def __init__(self, exit_code: ExitCode, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.message = message
        self.hint = hint


def unavailable_component(error: Exception) -> ServiceFailure:
    """Say that something in the runtime cannot be imported or set up."""
    if isinstance(error, ModuleNotFoundError):
        message = f"the module `{error.name}` is missing from this runtime"
    else:
        first_line = str(error).strip().partition("\n")[0]
        message = f"cannot set up speaches: {type(error).__name__}: {first_line}"
    hint = "check this runtime with `bin/speaches verify`"
    if "cannot open shared object file" in message:
        hint = (
            "the Python of this runtime was copied from another machine and needs this library: install it, or use a "
            "runtime provisioned without `--python-from INTERPRETER`"
        )
    return ServiceFailure(ExitCode.UNAVAILABLE, message, hint)
