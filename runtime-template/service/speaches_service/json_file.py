"""JSON files that several processes read and write. Readers see only complete files."""

import json
import os
import re
import threading
from typing import Any


def read(path: str) -> Any:
    """The content of a file; None if it is missing or incomplete."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def write(path: str, content: object) -> None:
    """Replace a file atomically.

    Raises:
        OSError: the file cannot be written.
    """
    temporary = f"{path}.{os.getpid()}-{threading.get_ident()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2) + "\n")
    os.replace(temporary, path)


def remove_partial(path: str) -> None:
    """Remove what `write` left of this file in processes that were killed. No other process may be writing it.

    Raises:
        OSError: a partial file cannot be removed.
    """
    directory, name = os.path.split(path)
    partial = re.compile(re.escape(name) + r"\.[0-9]+-[0-9]+")
    for entry in os.listdir(directory):
        if partial.fullmatch(entry):
            os.unlink(os.path.join(directory, entry))
