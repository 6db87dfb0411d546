"""How a service is asked to stop on Windows, which has no SIGTERM: by an event that is named after the process.

`taskkill` without `/F` only asks programs that have a window.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable

# In `Global\\`, so that a user finds a service that was started by the task scheduler, in another session.
NAME = "Global\\speaches-stop-{pid}"
_FOR_EVER = 0xFFFFFFFF  # INFINITE


def watch(on_stop: Callable[[], None]) -> None:
    """Call `on_stop` in a thread when the launcher sets the event. On other systems a signal does this."""
    if sys.platform == "win32":
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.CreateEventW.restype = ctypes.c_void_p
        kernel32.CreateEventW.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_wchar_p)
        kernel32.WaitForSingleObject.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
        event = kernel32.CreateEventW(None, True, False, NAME.format(pid=os.getpid()))
        if not event:
            raise ctypes.WinError(ctypes.get_last_error())

        def wait() -> None:
            kernel32.WaitForSingleObject(event, _FOR_EVER)
            on_stop()

        threading.Thread(target=wait, name="stop", daemon=True).start()
