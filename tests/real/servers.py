"""Servers that a case starts and ends: a runtime's service, and upstream's own server, with the same weights."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client import Client

TIMEOUT = 300.0  # seconds in which a server has to answer
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Places:
    """Where the servers are, and where they may write."""

    work: Path
    runtime: Path
    cache: Path
    upstream_python: Path | None
    upstream_source: Path | None

    @property
    def has_upstream(self) -> bool:
        """Whether upstream's server can be started."""
        return self.upstream_python is not None and self.upstream_source is not None

    def state(self) -> Path:
        """A new directory for one instance."""
        return Path(tempfile.mkdtemp(prefix="state-", dir=self.work))


class Ended(Exception):
    """A server ended, or never answered."""


class Server:
    """A started server."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.name = name
        self.process = process
        self.port = port
        self.log = log
        self.begun = time.monotonic()
        self.client = Client(port)

    def wait_for(self, path: str, timeout: float = TIMEOUT) -> float:
        """Seconds from the start until a page is answered with 200.

        Raises:
            Ended: the server ended first, or took too long.
        """
        while time.monotonic() - self.begun < timeout:
            if self.process.poll() is not None:
                raise Ended(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
            if self.client.get(path).status == 200:
                return time.monotonic() - self.begun
            time.sleep(0.02)
        raise Ended(f"{self.name} did not answer `{path}` in {timeout:.0f} s: {self.tail()}")

    def resident(self) -> float:
        """Megabytes that are resident, of all its processes together."""
        return sum(_resident(pid) for pid in self.processes()) / 1e6

    def processor(self) -> float:
        """Seconds of processor of all its processes so far, with those that have ended and were waited for."""
        total = 0.0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += sum(int(field) for field in fields[11:15]) / TICKS
        return total

    def processes(self) -> list[int]:
        """Its process and all that descend from it."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += [int(child) for child in (task / "children").read_text().split()]
        return found

    def lines(self) -> list[str]:
        """Its log."""
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def tail(self) -> str:
        """The end of its log, for messages."""
        return " | ".join(self.lines()[-5:])

    def stop(self) -> None:
        """Ask it to end; kill it if it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> list[int]:
        """What the system does when memory is short: its process ends without a warning.

        Returns its descendants, which have to find out for themselves.
        """
        descendants = self.processes()[1:]
        self.process.kill()
        self.process.wait()
        return descendants


@contextlib.contextmanager
def ours(
    places: Places,
    *settings: str,
    state: Path | None = None,
    home: Path | None = None,
) -> Iterator[Server]:
    """The service of the runtime, from its start until the block ends.

    `settings` are flags of `serve`, and `state` is the directory of its state (a new one otherwise). With a `home`
    nothing is said about directories: they are where they are for the user with that home.
    """
    port = free_port()
    log = places.work / f"service-{port}.log"
    log.unlink(missing_ok=True)
    command = [str(places.runtime / "bin/speaches"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--log-file", str(log), *settings]
    environment = {}
    if home is None:
        state = state or places.state()
        command += ["--state-dir", str(state), "--hf-cache", str(state / "huggingface")]
    else:
        environment = dict.fromkeys(("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "HF_HOME"), "")
        environment["HOME"] = str(home)
    with _started("the service", command, port, log, places.work, environment) as server:
        yield server


@contextlib.contextmanager
def upstream(places: Places) -> Iterator[Server]:
    """Upstream's own server, as its documentation starts it."""
    assert places.upstream_python is not None and places.upstream_source is not None
    port = free_port()
    log = places.work / f"upstream-{port}.log"
    command = [str(places.upstream_python), "-m", "uvicorn", "--factory", "speaches.main:create_app"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {
        "PYTHONPYCACHEPREFIX": str(_compiled(places)),
        "HF_HUB_CACHE": str(places.cache),
        "UVICORN_HOST": "127.0.0.1",
        "UVICORN_PORT": str(port),
        "LOG_LEVEL": "info",
    }
    with _started("upstream", command, port, log, places.upstream_source, environment) as server:
        yield server


def _compiled(places: Places) -> Path:
    """Where bytecode of all that upstream imports is, as in its image (`uv sync --compile-bytecode`)."""
    directory = places.work / "upstream-bytecode"
    if not directory.exists():
        assert places.upstream_source is not None
        compile_all = (
            "import compileall, sys, sysconfig\n"
            "for directory in (sysconfig.get_path('purelib'), sys.argv[1]):\n"
            "    compileall.compile_dir(directory, quiet=2, workers=0)"
        )
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(directory)}
        command = [str(places.upstream_python), "-W", "ignore", "-c", compile_all, str(places.upstream_source / "src")]
        # Files that are templates or for another Python do not compile, and nothing imports them.
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    return directory


@contextlib.contextmanager
def _started(
    name: str, command: list[str], port: int, log: Path, directory: Path, environment: dict[str, str]
) -> Iterator[Server]:
    variables = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "PYTHONDONTWRITEBYTECODE": "1",
        **environment,
    }
    # An empty one means that the user has none.
    variables = {name: value for name, value in variables.items() if value}
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command, cwd=directory, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    server = Server(name, process, port, log)
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """That of a listener that is closed again."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def models(server: Server) -> list[dict[str, Any]]:
    """What `/health/ready` says about each model."""
    found: list[dict[str, Any]] = json.loads(server.client.get("/health/ready").body)["models"]
    return found


def _resident(pid: int) -> float:
    with contextlib.suppress(OSError):
        return float(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return 0.0
