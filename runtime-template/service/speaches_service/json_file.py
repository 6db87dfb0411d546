"""Files of JSON that several processes read, each of which is whole at any time."""

import json
import os
import threading
from typing import Any


def read(path: str) -> Any:
    """What is in a file; None when it is missing or torn."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def write(path: str, content: object) -> None:
    """Put a file in place of what was there.

    Raises:
        OSError: it cannot be written.
    """
    temporary = f"{path}.{os.getpid()}-{threading.get_ident()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2) + "\n")
    os.replace(temporary, path)
