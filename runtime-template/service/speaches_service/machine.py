"""The name of this system, in the launcher's words."""

import platform
import sys


def system() -> str:
    """Name and version of the system, such as `macOS 15.1` or `Linux 6.1.0`."""
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return f"{platform.system()} {platform.release()}"
