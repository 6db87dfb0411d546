"""Python packages that a case needs, each case with an environment of its own."""

import subprocess
import sys
import venv
from pathlib import Path

from outcome import Missing


def python_with(packages: list[str], directory: Path) -> Path:
    """The Python of a virtual environment that has these packages; it is made the first time.

    Raises:
        Missing: pip cannot install them.
    """
    python = directory / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (directory / "complete").exists():
        venv.create(directory, clear=True, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *packages]
        result = subprocess.run(install, capture_output=True, text=True, check=False)
        if result.returncode:
            raise Missing(f"{packages} cannot be installed: {result.stderr.strip()[-300:]}")
        (directory / "complete").touch()
    return python
