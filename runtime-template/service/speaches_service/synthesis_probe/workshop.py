"""The one place on a machine where providers are compared: one process at a time, and nothing is left behind."""

import contextlib
import os
import shutil
from collections.abc import Iterator

from speaches_service.file_lock import locked
from speaches_service.synthesis_probe.candidates import CACHE_DIRECTORY, cache_of

LOCK = "synthesis-probe.lock"
SCRATCH = "synthesis-probe.work"


@contextlib.contextmanager
def opened(machine_directory: str, key: str | None) -> Iterator[str]:
    """The directory for scratch files, empty; what other systems or libraries have had compiled is removed.

    Raises:
        Held: another process compares.
        OSError: the machine directory cannot be written.
    """
    os.makedirs(machine_directory, exist_ok=True)
    scratch = os.path.join(machine_directory, SCRATCH)
    with locked(os.path.join(machine_directory, LOCK)):
        # A service that was killed could not do it.
        shutil.rmtree(scratch, ignore_errors=True)
        os.mkdir(scratch, 0o700)
        if key is not None:
            _remove_caches_but(machine_directory, key)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _remove_caches_but(machine_directory: str, key: str) -> None:
    directory = os.path.join(machine_directory, CACHE_DIRECTORY)
    current = os.path.basename(cache_of(machine_directory, key))
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            if name != current:
                shutil.rmtree(os.path.join(directory, name), ignore_errors=True)
