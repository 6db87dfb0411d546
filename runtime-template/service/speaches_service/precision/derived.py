"""The derived models of this user: made once for each original, and served from then on.

    CACHE/float32/SHA256-OF-THE-ORIGINAL.REWRITE_VERSION/{model.onnx, weights.bin, contents.json}

A directory becomes visible by one rename under a lock. Whatever goes wrong, the original serves, and the log has one
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
"""The version of the rewriting in `graph.py` and `child.py`; another one derives anew."""

_DIRECTORY = "float32"
_LOCK_FILE = "lock"
_SCRATCH_SUFFIX = ".scratch"
_TIMEOUT_SECONDS = 300
"""How long deriving may take: a slow disk has to take more than 300 MB."""
_MAX_UNUSED_SECONDS = 60 * 24 * 3600
"""How long a derived model is kept without being loaded."""
_MAX_REASON_CHARACTERS = 300

_unavailable: set[tuple[str, str]] = set()
"""Originals whose derived model this process does not try again, by cache and digest."""
_derive_lock = threading.Lock()


class NotDerived(Exception):
    """There is no derived model, for the reason in the message."""


def is_quantised(original: str) -> bool:
    """Whether a file has an operator that `graph.py` knows how to replace, by its name among the bytes."""
    with open(original, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(name.encode()) >= 0 for name in QUANTISED)


def obtain(cache: str | None, original: str, model: str) -> str | None:
    """The path of the float32 model of an original, which is derived if need be.

    None where the original has nothing to derive from, and where it cannot be done; the log says that once. `model` is
    its name in the log.
    """
    try:
        if cache is None or not is_quantised(original):
            return None
        digest = files.digest(original)
    except (OSError, ValueError):
        # Loading it fails as well, and says why.
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
    """Let the original serve from now on, since its derived model does not load; the log says why."""
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
        # Another service may just have done it.
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
    """Derive in a process of its own; what was left quantised, and how often.

    Raises:
        NotDerived: the process says why, or dies.
        OSError: it cannot be started.
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
    """Record its use. A directory that may only be read cannot record it, and is never removed either."""
    with contextlib.suppress(OSError):
        os.utime(directory)


def _remove_unused(parent: str, damaged: str) -> None:
    """Remove what a killed process left, the model that is `damaged`, and models that were not loaded for long."""
    oldest = time.time() - _MAX_UNUSED_SECONDS
    for entry in os.scandir(parent):
        is_old = entry.is_dir(follow_symlinks=False) and entry.stat().st_mtime < oldest
        if entry.name == damaged or entry.name.endswith(_SCRATCH_SUFFIX) or is_old:
            shutil.rmtree(entry.path, ignore_errors=True)


def _give_up(cache: str, digest: str, model: str, reason: object) -> None:
    """Do not try again in this process, and say so once."""
    _unavailable.add((cache, digest))
    log_event(f"`{model}` computes with its original file, without a float32 model: {reason}", "warning", model=model)
