"""Processes of the service's own: the service manager with another argument, which ends when its parent does."""

import os
import sys
import threading

_MANAGER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "speaches_service_manager.py")


def command(*arguments: str) -> list[str]:
    """The service manager with these arguments, in the way in which the launcher has started this one."""
    bytecode = ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix is not None else []
    if sys.dont_write_bytecode:
        bytecode = ["-B"]
    return [sys.executable, "-I", "-X", "utf8", *bytecode, _MANAGER, *arguments]


def end_with_parent() -> None:
    """End this process as soon as its standard input ends, which is a pipe that the parent never writes to again."""
    threading.Thread(target=_wait_for_end, name="parent", daemon=True).start()


def _wait_for_end() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)
