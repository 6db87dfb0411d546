"""Derivation: the float32 model is made completely or not at all, and speech requests are answered meanwhile."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import sounds
import weights
from alignment import compare
from outcome import Missing, Outcome
from servers import Ended, Places, Server, ours
from table import Cell
from texts import SENTENCE

KILLS = 20
FULL = "64m"  # less than the derived model, more than everything else
HEARD = 0.1  # word error rate of the sentence
LENGTH = 0.1  # how far the length of the sound may be from the original model's
TIMEOUT = 120.0  # seconds for deriving
ORPHANS = 10.0  # seconds after which no process of a killed service is left
SAID = "float32 model"  # in every line of the log about it


def run(places: Places, outcome: Outcome) -> None:
    """Disturb it in every way."""
    with ours(places, "--precision", "original") as server:
        server.wait_for("/health/ready")
        length = sounds.seconds(server.client.speech(weights.SPEECH, "af_bella", SENTENCE).body)
    case = _Case(places, outcome, length)
    case.undisturbed()
    for disturb in (
        case.killed,
        case.damaged,
        case.two_at_once,
        case.full_disk,
        case.read_only,
        case.read_only_cache,
    ):
        try:
            disturb()
        except Ended as ended:
            outcome.check(False, f"{disturb.__name__}: {ended}")
    outcome.show("derivation", ["disturbed by", "served", "lines in the log", "derived in the end"], case.rows)


class _Case:
    def __init__(self, places: Places, outcome: Outcome, length: float) -> None:
        self.places = places
        self.outcome = outcome
        self.length = length
        self.begun = self.done = 0.0
        self.rows: list[list[Cell]] = []
        self.whole = places.state()

    def undisturbed(self) -> None:
        """Learn when it begins and ends; without it there is nothing to disturb."""
        with ours(self.places, "--precision", "float32", home=self.whole) as server:
            while not _derived(self.whole) and time.monotonic() - server.begun < TIMEOUT:
                if server.process.poll() is not None:
                    raise Missing(f"a service that derives: it ended with {server.tail()}")
                if not self.begun and list(_directories(self.whole)):
                    self.begun = time.monotonic() - server.begun
                time.sleep(0.02)
            self.done = time.monotonic() - server.begun
            self.outcome.check(
                bool(_derived(self.whole)), f"derived {self.begun:.1f} to {self.done:.1f} s after a start"
            )
            server.wait_for("/health/ready")
            self.served("nothing", server, self.whole)

    def served(self, disturbance: str, server: Server, home: Path, derived: bool | None = True) -> bool:
        """It speaks, rightly, and says at most one line about the model."""
        spoken = server.client.speech(weights.SPEECH, "af_bella", SENTENCE)
        heard = server.client.transcription(weights.WHISPER, sounds.wav(spoken.body))
        rate = compare(SENTENCE, heard.body.decode(errors="replace")).rate if heard.good else 1.0
        length = sounds.seconds(spoken.body)
        is_right = spoken.good and rate <= HEARD and abs(length / self.length - 1) <= LENGTH
        self.outcome.check(
            is_right,
            f"{disturbance}: served: {spoken.status} {spoken.fault()} {length:.2f} s of sound beside "
            f"{self.length:.2f}, word error rate {rate:.2f}",
        )
        lines = [line for line in server.lines() if SAID in line]
        if len(lines) > 1:
            self.outcome.check(False, f"{disturbance}: one line in the log about it: {lines}")
        if derived is not None:
            there = _wait(lambda: bool(_derived(home)) == derived, TIMEOUT if derived else 0.0)
            self.outcome.check(there, f"{disturbance}: {'derived' if derived else 'not derived'} in the end")
        self.rows.append([disturbance, "yes" if is_right else "NO", len(lines), len(_derived(home))])
        return is_right

    def killed(self) -> None:
        """Kill it at moments from just before it derives until just after."""
        begin, end = max(0.1, self.begun - 0.3), self.done + 0.3
        for number in range(KILLS):
            home = self.places.state()
            moment = begin + (end - begin) * number / (KILLS - 1)
            with ours(self.places, "--precision", "float32", home=home) as server:
                time.sleep(max(0.0, moment - (time.monotonic() - server.begun)))
                orphans = server.kill()
                gone = _wait(lambda: not any(_runs(pid) for pid in orphans), ORPHANS)  # noqa: B023 - ends with the loop
                if not gone:
                    self.outcome.check(False, f"a process of a killed service is left: {orphans}")
            with ours(self.places, "--precision", "float32", home=home) as server:
                # Every second request comes before the models are ready.
                server.wait_for("/health/ready" if number % 2 else "/health")
                self.served(f"kill -9 after {moment:.2f} s", server, home)
                entries = [path.name for path in _directories(home)]
                if len(entries) != 1:
                    self.outcome.check(False, f"nothing is left of what was not finished: {entries}")
            shutil.rmtree(home, ignore_errors=True)

    def damaged(self) -> None:
        """Spoil each of its files in several ways."""
        spoilers: dict[str, Callable[[Path], None]] = {
            "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
            "empty": lambda path: os.truncate(path, 0),
            "overwritten in the middle": _overwrite,
            "gone": lambda path: path.unlink(),
        }
        (intact,) = _derived(self.whole)
        for name in sorted(path.name for path in intact.iterdir()):
            for what, spoil in spoilers.items():
                home = self.places.state()
                directory = home / intact.relative_to(self.whole)
                shutil.copytree(intact, directory)
                spoil(directory / name)
                with ours(self.places, "--precision", "float32", home=home) as server:
                    server.wait_for("/health/ready")
                    self.served(f"{name} {what}", server, home, derived=None)
                shutil.rmtree(home, ignore_errors=True)

    def two_at_once(self) -> None:
        """Two services of one user derive at the same time."""
        home = self.places.state()
        with contextlib.ExitStack() as stack:
            servers = [stack.enter_context(ours(self.places, "--precision", "float32", home=home)) for _ in range(2)]
            threads = [threading.Thread(target=server.wait_for, args=("/health/ready",)) for server in servers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for number, server in enumerate(servers, 1):
                self.served(f"two at once, service {number}", server, home)
            times = sum("derived a" in line for server in servers for line in server.lines())
            self.outcome.check(times == 1, f"two at once: derived once, not {times} times")

    def full_disk(self) -> None:
        """The user's cache has room for little."""
        home = self.places.state()
        with self._mounted(home / ".cache", f"size={FULL}") as there:
            if there:
                with ours(self.places, "--precision", "float32", "--hf-cache", str(home / "hub"), home=home) as server:
                    server.wait_for("/health/ready")
                    self.served("a full disk", server, home, derived=False)

    def read_only(self) -> None:
        """The user's home can only be read."""
        home = self.places.state()
        with self._mounted(home, "ro") as there:
            if there:
                with ours(self.places, "--precision", "float32", home=home) as server:
                    server.wait_for("/health/ready")
                    self.served("a read-only home", server, home, derived=None)

    def read_only_cache(self) -> None:
        """There is a state directory, but the user's cache can only be read."""
        home = self.places.state()
        with self._mounted(home / ".cache", "ro") as there:
            if there:
                with ours(self.places, "--precision", "float32", "--hf-cache", str(home / "hub"), home=home) as server:
                    server.wait_for("/health/ready")
                    self.served("a read-only cache", server, home, derived=False)

    @contextlib.contextmanager
    def _mounted(self, place: Path, options: str) -> Iterator[bool]:
        """An own small file system, which only root may have."""
        if sys.platform != "linux" or os.geteuid() != 0:
            self.outcome.lacks(f"a file system with `{options}`: mounting needs root on Linux")
            yield False
            return
        place.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        mounted = subprocess.run(mount, capture_output=True, check=False)
        if mounted.returncode != 0:
            self.outcome.lacks(f"a file system with `{options}`: {mounted.stderr.decode(errors='replace').strip()}")
            yield False
            return
        try:
            yield True
        finally:
            subprocess.run(["umount", str(place)], check=True)


def _directories(home: Path) -> Iterator[Path]:
    """The directories of derived models below a home, finished or not."""
    for parent in home.glob("**/speaches/**/float32"):
        yield from (path for path in parent.iterdir() if path.is_dir())


def _derived(home: Path) -> list[Path]:
    """Those that are finished: each has its files under its last name."""
    try:
        return [path for path in _directories(home) if not path.name.endswith(".scratch") and any(path.iterdir())]
    except FileNotFoundError:
        # One was just renamed or removed.
        return []


def _overwrite(path: Path) -> None:
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(size // 2)
        file.write(b"\xa5" * min(1 << 20, size // 4))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait(holds: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
