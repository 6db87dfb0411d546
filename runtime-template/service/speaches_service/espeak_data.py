"""Makes espeak-ng work with a long path to its data, and with a temporary directory mounted with `noexec`.

espeak copies the path of its data into a buffer of 160 bytes and ends the whole process if the path does not fit. The
service never changes its working directory, so it passes a relative path, which is short wherever the runtime lies.

phonemizer loads a copy of the library from the directory for temporary files, which hardened systems and containers
mount with `noexec`.
"""

import os
import tempfile
from types import SimpleNamespace
from typing import Any

from speaches_service.event_log import log_event
from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name

MAX_PATH_BYTES = 140
"""143 works and 163 is fatal, because espeak appends names of its own."""


def rebind(state_directory: str | None) -> None:
    """Shorten the path in phonemizer (Kokoro) and in Piper, and choose the directory for the library's copy."""
    phonemizer = imported("phonemizer.backend.espeak.wrapper")
    if phonemizer is not None:
        # phonemizer makes every path absolute, so the shortening must come after it, at the call of espeak.
        open_espeak = phonemizer.EspeakAPI

        def open_with_short_path(library: Any, data_path: Any) -> Any:
            return open_espeak(library, None if data_path is None else shorten(str(data_path)))

        rebind_name(phonemizer.__name__, "EspeakAPI", open_with_short_path)

        def make_directory() -> str:
            # Chosen at the first use, because a machine without any such directory can still transcribe.
            places = [tempfile.gettempdir(), *([] if state_directory is None else [state_directory])]
            return tempfile.mkdtemp(dir=find_library_directory(places))

        rebind_name(open_espeak.__module__, "tempfile", SimpleNamespace(mkdtemp=make_directory))
    piper = imported("piper.voice")
    if piper is not None:
        make_phonemizer = piper.EspeakPhonemizer
        rebind_name(piper.__name__, "EspeakPhonemizer", lambda data_path: make_phonemizer(shorten(str(data_path))))


def find_library_directory(directories: list[str]) -> str:
    """The first directory from which the system loads libraries; if there is none, warn and return the first."""
    not_executable = getattr(os, "ST_NOEXEC", 0)  # only Linux reports it
    for directory in directories:
        if not (hasattr(os, "statvfs") and os.statvfs(directory).f_flag & not_executable):
            return directory
    log_event(
        f"speech may fail: the system loads no libraries from {' or '.join(f'`{one}`' for one in directories)}, "
        "mounted with `noexec`; set TMPDIR to a directory without that option",
        "warning",
    )
    return directories[0]


def shorten(path: str) -> str:
    """A path to the same directory that fits into espeak's buffer.

    Raises:
        RuntimeError: the relative path is too long as well.
    """
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        return path
    relative = os.path.relpath(os.path.realpath(path))
    if len(os.fsencode(relative)) > MAX_PATH_BYTES:
        raise RuntimeError(f"espeak cannot read its data: `{path}` is longer than {MAX_PATH_BYTES} bytes")
    return relative
