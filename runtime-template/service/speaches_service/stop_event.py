"""Stops a service on Windows, which has no SIGTERM, with a named event that contains the process ID.

`taskkill` without `/F` reaches only programs with a window. The event also tells the launcher that the process is a
service.
"""

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable

# In `Global\\`, so that a user finds a service that the task scheduler started in another session.
NAME = "Global\\speaches-stop-{pid}"
_INFINITE = 0xFFFFFFFF  # INFINITE
_CTRL_C_EVENT, _CTRL_BREAK_EVENT = 0, 1
_SECONDS_UNTIL_WINDOWS_KILLS = 5

_kept_callbacks: list[object] = []
"""Windows calls these functions, so they must live as long as the process."""


def watch(on_stop: Callable[[], None]) -> None:
    """Call `on_stop` when the launcher sets the event, on Ctrl-Break, or when the console is closed.

    The call comes from another thread than the main one. Other systems use signals instead.
    """
    if sys.platform == "win32":
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.CreateEventW.restype = ctypes.c_void_p
        kernel32.CreateEventW.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_wchar_p)
        kernel32.WaitForSingleObject.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
        event = kernel32.CreateEventW(None, True, False, NAME.format(pid=os.getpid()))
        if not event:
            raise ctypes.WinError(ctypes.get_last_error())

        def wait() -> None:
            kernel32.WaitForSingleObject(event, _INFINITE)
            on_stop()

        threading.Thread(target=wait, name="stop", daemon=True).start()

        @ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint32)
        def on_console_event(number: int) -> bool:
            return answer_console_event(number, on_stop, time.sleep)

        _kept_callbacks.append(on_console_event)
        kernel32.SetConsoleCtrlHandler(on_console_event, True)


def answer_console_event(number: int, on_stop: Callable[[], None], sleep: Callable[[float], None]) -> bool:
    """Call `on_stop`. Returns whether the event is handled. Windows calls this in a new thread."""
    if number == _CTRL_C_EVENT:
        # Python converts it into a signal.
        return False
    on_stop()
    if number != _CTRL_BREAK_EVENT:
        # The console closes or the user logs off: Windows ends the process when this function returns.
        sleep(_SECONDS_UNTIL_WINDOWS_KILLS)
    return True
