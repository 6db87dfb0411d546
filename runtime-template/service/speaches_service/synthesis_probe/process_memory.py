"""How much memory a process has, in bytes."""

import contextlib
import os
import subprocess
import sys

_PS = "/bin/ps"


def resident(pid: int) -> int | None:
    """What a process has in memory now; None when it is gone, or when this system does not tell."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return None
    if not os.path.exists(_PS):
        return None
    # N.B. without closing descriptors (none of ours is inherited), so that the service is not forked for this.
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        told = subprocess.run(  # noqa: S603 - a fixed program, and a number
            [_PS, "-o", "rss=", "-p", str(pid)], capture_output=True, timeout=5, check=True, close_fds=False
        )
        return int(told.stdout) * 1024
    return None


def own_peak() -> int | None:
    """The most that this process ever had in memory; None when this system does not tell."""
    if sys.platform == "linux":
        # N.B. not `ru_maxrss`, which begins with what the parent had when it started this process.
        with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
        return None
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
