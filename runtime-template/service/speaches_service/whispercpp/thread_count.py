"""Chooses the number of threads: the number of performance cores, not of hardware threads."""

import contextlib
import ctypes
import os
import sys

MAX_THREADS = 8
"""More threads hardly help, because a decoder works on one token at a time."""
MAX_THREADS_WITH_GPU = 4
"""Beside a GPU, the CPU only prepares sound and chooses tokens."""


def thread_count(chosen: int, on_gpu: bool) -> int:
    """The number of threads; `chosen` is the user's setting, or 0."""
    if chosen > 0:
        return chosen
    return max(1, min(_cores(), MAX_THREADS_WITH_GPU if on_gpu else MAX_THREADS))


def _cores() -> int:
    if sys.platform == "darwin":
        return _fast_cores_of_apple() or os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        allowed = os.sched_getaffinity(0)
        # Two hardware threads of a core share its arithmetic units.
        return len({_core(number) for number in allowed}) or 1
    # Python on Windows reports only hardware threads; nearly every processor there has two for each core.
    return max(1, (os.cpu_count() or 2) // 2)


def _core(number: int) -> tuple[str, ...]:
    directory = f"/sys/devices/system/cpu/cpu{number}/topology"
    try:
        parts = []
        for name in ("physical_package_id", "core_id"):
            with open(f"{directory}/{name}", encoding="ascii") as file:
                parts.append(file.read().strip())
        return tuple(parts)
    except OSError:
        return (str(number),)


def _fast_cores_of_apple() -> int | None:
    """The performance cores of Apple Silicon; None if the system does not report them."""
    count, size = ctypes.c_int(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL("/usr/lib/libSystem.B.dylib")
        for name in (b"hw.perflevel0.physicalcpu", b"hw.physicalcpu"):
            if library.sysctlbyname(name, ctypes.byref(count), ctypes.byref(size), None, 0) == 0 and count.value > 0:
                return count.value
    return None
