"""Exit codes of the service (after sysexits.h) and the failure that carries one."""

from enum import IntEnum

from speaches_service.error_text import first_line


class ExitCode(IntEnum):
    STOPPED = 0
    """Stopped on request."""
    USAGE = 64
    """Unknown arguments, or no settings."""
    MALFORMED = 65
    """The settings are not JSON."""
    UNAVAILABLE = 69
    """A component of the runtime is missing or unusable."""
    INTERNAL = 70
    """A bug in the service."""
    CANNOT_WRITE = 73
    """The state directory or the log is not writable."""
    TEMPORARY = 75
    """A retry may succeed: another program holds the port."""
    CANNOT_WORK = 78
    """The configuration is unusable."""


class ServiceFailure(Exception):
    """Ends the process with an exit code and a message for the user."""

    def __init__(self, exit_code: ExitCode, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.message = message
        self.hint = hint


def unavailable_component(error: Exception) -> ServiceFailure:
    """The failure for an error while a component of the runtime is imported or set up."""
    if isinstance(error, ModuleNotFoundError):
        message = f"the module `{error.name}` is missing from this runtime"
    else:
        message = f"cannot set up speaches: {type(error).__name__}: {first_line(error)}"
    hint = "check this runtime with `bin/speaches verify`"
    if "cannot open shared object file" in message:
        hint = (
            "the Python of this runtime was copied from another machine and needs this library: install it, or use a "
            "runtime provisioned without `--python-from INTERPRETER`"
        )
    return ServiceFailure(ExitCode.UNAVAILABLE, message, hint)
