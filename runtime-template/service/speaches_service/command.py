"""The command line: settings, sockets, then the service.

N.B. This module imports nothing heavy, because it must report a wrong setting or a taken port within milliseconds.
"""

import os
import signal
import time
from collections.abc import Sequence
from typing import NoReturn

from speaches_service import event_log
from speaches_service.exit_codes import ExitCode, ServiceFailure, unavailable_component
from speaches_service.settings import Settings, take_settings
from speaches_service.sockets import adopt, listen


def main(arguments: Sequence[str]) -> NoReturn:
    """Run the service until a request to stop; ends the process with an `ExitCode`."""
    started_at, started = time.time(), time.monotonic()
    if len(arguments) == 2 and arguments[0] == "measure-synthesis":
        # This command and the next two run in children of the service, which have no settings.
        from speaches_service.synthesis_probe.child import main as measure

        measure(arguments[1])
    if len(arguments) == 3 and arguments[0] == "check-ggml":
        from speaches_service.whispercpp.check import main as check_weights

        raise SystemExit(check_weights(arguments[1], arguments[2]))
    if len(arguments) == 3 and arguments[0] == "derive-float32":
        from speaches_service.precision.child import main as derive

        raise SystemExit(derive(arguments[1], arguments[2]))
    try:
        settings = take_settings(os.environ)
        configure_log(settings)
        if list(arguments) != ["serve"]:
            run_once(arguments, settings)
            raise SystemExit(int(ExitCode.STOPPED))
        listeners = adopt(settings.listeners) if settings.listeners else listen(settings.host, settings.port)
    except ServiceFailure as failure:
        event_log.log_failure(failure)
        raise SystemExit(int(failure.exit_code)) from None

    from speaches_service.service import Service

    Service(settings, listeners, started_at, started).run()


def run_once(arguments: Sequence[str], settings: Settings) -> None:
    """Run a command other than `serve`.

    Raises:
        ServiceFailure: USAGE for an unknown command.
    """
    match list(arguments):
        case ["models", "pull" | "remove", _]:
            run_models_command(arguments, settings)
        case ["tune"] | ["tune", "--json"]:
            run_tune(settings, as_json=arguments[-1] == "--json")
        case _:
            usage = "usage: speaches_service_manager.py serve | models pull|remove ID | tune [--json]"
            raise ServiceFailure(ExitCode.USAGE, usage)


def run_tune(settings: Settings, as_json: bool) -> None:
    try:
        from speaches_service import tune_command
    except ImportError as error:
        raise unavailable_component(error) from error
    try:
        tune_command.tune(settings, as_json)
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


def run_models_command(arguments: Sequence[str], settings: Settings) -> None:
    try:
        from speaches_service import models_command
    except ImportError as error:
        raise unavailable_component(error) from error
    run = models_command.pull if arguments[1] == "pull" else models_command.remove
    run(arguments[2], settings)


def configure_log(settings: Settings) -> None:
    """Raises: ServiceFailure: CANNOT_WRITE."""
    try:
        event_log.configure(settings.log_format, settings.log_level, settings.log_file)
    except OSError as error:
        raise ServiceFailure(
            ExitCode.CANNOT_WRITE,
            f"cannot write the log `{settings.log_file}`: {error.strerror or error}",
            "choose another file with `--log-file`, or leave it out to log to standard error",
        ) from error
