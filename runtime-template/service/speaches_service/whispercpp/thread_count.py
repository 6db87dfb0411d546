"""How many threads compute: cores, not hardware threads, and not those that save energy."""

import contextlib
import ctypes
import os
import sys

MAX_THREADS = 8
"""More hardly help: a decoder works on one token at a time."""
MAX_THREADS_WITH_GPU = 4
"""The processor only prepares sound and chooses tokens then."""


def thread_count(chosen: int, on_gpu: bool) -> int:
    """The number to use; `chosen` is what the user set, 0 for nothing."""
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
    # Windows tells hardware threads only; nearly every processor there has two for a core.
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
    """The performance cores of Apple Silicon; None where the system does not tell."""
    count, size = ctypes.c_int(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL("/usr/lib/libSystem.B.dylib")
        for name in (b"hw.perflevel0.physicalcpu", b"hw.physicalcpu"):
            if library.sysctlbyname(name, ctypes.byref(count), ctypes.byref(size), None, 0) == 0 and count.value > 0:
                return count.value
    return None
