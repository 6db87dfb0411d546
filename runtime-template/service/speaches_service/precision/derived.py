"""Keeps the user's derived models: the service derives each original once and serves the result from then on.

    CACHE/float32/SHA256-OF-THE-ORIGINAL.REWRITE_VERSION/{model.onnx, weights.bin, contents.json}

A directory becomes visible by one rename under a lock. If anything fails, the service uses the original and logs one
line.
"""

import contextlib
import json
import mmap
import os
import shutil
import threading
import time

from speaches_service import child_process
from speaches_service.event_log import log_event
from speaches_service.file_lock import LockHeld, locked
from speaches_service.precision import ARGUMENT, NOT_DERIVABLE, QUANTISED, files

REWRITE_VERSION = 1
"""The version of the rewriting in `graph.py` and `child.py`. After a change, the service derives all models again."""

_DIRECTORY = "float32"
_LOCK_FILE = "lock"
_SCRATCH_SUFFIX = ".scratch"
_TIMEOUT_SECONDS = 300
"""The time limit of the deriving process, which writes more than 300 MB to a disk that may be slow."""
_MAX_UNUSED_SECONDS = 60 * 24 * 3600
"""A derived model that was not loaded for this long is removed."""
_MAX_REASON_CHARACTERS = 300

_unavailable: set[tuple[str, str]] = set()
"""The cache and digest of originals for which this process does not try again."""
_derive_lock = threading.Lock()


class NotDerived(Exception):
    """The derivation failed, for the reason in the message."""


def is_quantised(original: str) -> bool:
    """Whether a file's bytes contain the name of an operator that `graph.py` can replace."""
    with open(original, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(name.encode()) >= 0 for name in QUANTISED)


def obtain(cache: str | None, original: str, model: str) -> str | None:
    """The path of an original's float32 model. Derives the model if the cache lacks it.

    None if the original is not quantised, or if the derivation fails, which the log reports once. `model` is the name
    in the log.
    """
    try:
        if cache is None or not is_quantised(original):
            return None
        digest = files.digest(original)
    except (OSError, ValueError):
        # Loading the original fails as well, and reports the reason.
        return None
    with _derive_lock:
        if (cache, digest) in _unavailable:
            return None
        try:
            return _derive_once(cache, digest, original, model)
        except LockHeld:
            _give_up(cache, digest, model, f"another process was still deriving it after {_TIMEOUT_SECONDS} s")
        except OSError as error:
            _give_up(cache, digest, model, f"`{cache}`: {error.strerror or error}")
        except NotDerived as reason:
            _give_up(cache, digest, model, reason)
    return None


def reject(cache: str | None, original: str, model: str, reason: object) -> None:
    """Use the original from now on, because its derived model fails to load. Logs the reason."""
    if cache is None:
        return
    with contextlib.suppress(OSError):
        digest = files.digest(original)
        shutil.rmtree(_directory_of(cache, digest), ignore_errors=True)
        _give_up(cache, digest, model, reason)


def _derive_once(cache: str, digest: str, original: str, model: str) -> str:
    """Raises: OSError, LockHeld, NotDerived."""
    directory = _directory_of(cache, digest)
    path = os.path.join(directory, files.MODEL)
    if files.are_intact(directory):
        _touch(directory)
        return path
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    with locked(os.path.join(cache, _DIRECTORY, _LOCK_FILE), _TIMEOUT_SECONDS):
        # Another service may have derived it during the wait.
        if files.are_intact(directory):
            return path
        _remove_unused(os.path.join(cache, _DIRECTORY), damaged=os.path.basename(directory))
        began = time.monotonic()
        scratch = directory + _SCRATCH_SUFFIX
        try:
            os.mkdir(scratch)
            left = _run(original, scratch)
            os.rename(scratch, directory)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    seconds = time.monotonic() - began
    kept = f"; these operators stay quantised: {'; '.join(f'{count} of {what}' for what, count in left.items())}"
    message = f"`{model}`: derived a float32 model in {seconds:.1f} s{kept if left else ''}"
    log_event(message, model=model, seconds=seconds)
    return path


def _run(original: str, scratch: str) -> dict[str, int]:
    """Run the deriving process. Returns the operators that stay quantised, with their number.

    Raises:
        NotDerived: the process reports a reason, or crashes.
        OSError: the process cannot be started.
    """
    ended = child_process.run(child_process.command(ARGUMENT, original, scratch), _TIMEOUT_SECONDS)
    if ended.code == 0:
        return dict(json.loads(ended.last_line)["left"])
    if ended.code == NOT_DERIVABLE:
        raise NotDerived(json.loads(ended.last_line)["reason"])
    raise NotDerived(
        ended.last_line[-_MAX_REASON_CHARACTERS:] or f"the deriving process ended with exit code {ended.code}"
    )


def _directory_of(cache: str, digest: str) -> str:
    return os.path.join(cache, _DIRECTORY, f"{digest}.{REWRITE_VERSION}")


def _touch(directory: str) -> None:
    """Record the use of a directory. A read-only directory cannot record it, and is never removed either."""
    with contextlib.suppress(OSError):
        os.utime(directory)


def _remove_unused(parent: str, damaged: str) -> None:
    """Remove leftovers of killed processes, the model `damaged`, and models that were not loaded for long."""
    oldest = time.time() - _MAX_UNUSED_SECONDS
    for entry in os.scandir(parent):
        is_old = entry.is_dir(follow_symlinks=False) and entry.stat().st_mtime < oldest
        if entry.name == damaged or entry.name.endswith(_SCRATCH_SUFFIX) or is_old:
            shutil.rmtree(entry.path, ignore_errors=True)


def _give_up(cache: str, digest: str, model: str, reason: object) -> None:
    """Log the reason once, and do not try again in this process."""
    _unavailable.add((cache, digest))
    log_event(f"`{model}` computes with its original file, without a float32 model: {reason}", "warning", model=model)
