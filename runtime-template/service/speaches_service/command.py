"""The command line: settings, sockets, then the service.

N.B. Nothing heavy is imported here: a wrong setting or a taken port has to be told within milliseconds.
"""

import os
import time
from collections.abc import Sequence
from typing import NoReturn

from speaches_service.event_log import announce
from speaches_service.exit_codes import ExitCode, ServiceFailure
from speaches_service.settings import take_settings
from speaches_service.sockets import listen


def main(arguments: Sequence[str]) -> NoReturn:
    """Run the service until it is told to stop; ends the process with an `ExitCode`."""
    started_at, started = time.time(), time.monotonic()
    try:
        if list(arguments) != ["serve"]:
            raise ServiceFailure(ExitCode.USAGE, "usage: speaches_service_manager.py serve")
        settings = take_settings(os.environ)
        listeners = listen(settings.addresses, settings.port)
    except ServiceFailure as failure:
        report(failure)
        raise SystemExit(int(failure.exit_code)) from None

    from speaches_service.service import Service

    Service(settings, listeners, started_at, started).run()


def report(failure: ServiceFailure) -> None:
    """Tell the user why the process ends."""
    announce(f"error: {failure.message}")
    if failure.hint is not None:
        announce(f"hint: {failure.hint}")
