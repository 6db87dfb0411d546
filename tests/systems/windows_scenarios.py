"""What the launcher does on Windows, tried with the miniature: `python.exe -X utf8 windows_scenarios.py RUNTIME WORK`.

`tests/systems/windows` runs it under Wine. It runs on a real Windows, too. RUNTIME is the path of a runtime that may be
moved; WORK is an empty directory. It prints a line for each scenario and ends with `N passed, N failed`.
"""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

STARTED_WITHIN = 120
ENDED_WITHIN = 15
WORDS = "one two three"
kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
scenarios: list[Callable[[], None]] = []
outputs: list[str] = []


def scenario(function: Callable[[], None]) -> Callable[[], None]:
    """Add one to the list."""
    scenarios.append(function)
    return function


class Machine:
    """The runtime and where its state and its models go."""

    def __init__(self, runtime: Path, work: Path) -> None:
        self.runtime = runtime
        self.work = work

    @property
    def launcher(self) -> Path:
        return self.runtime / "bin" / "speaches.exe"

    def environment(self) -> dict[str, str]:
        own = {"LOCALAPPDATA": str(self.work / "local"), "USERPROFILE": str(self.work / "home")}
        return os.environ | own

    def run(self, *arguments: str, expect: int = 0, within: float = 120) -> str:
        """The output of a command that has to end with a code."""
        ended = subprocess.run(
            [self.launcher, *arguments],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=within,
        )
        outputs.append(ended.stdout)
        assert ended.returncode == expect, f"{arguments} ended with {ended.returncode}, not {expect}: {ended.stdout}"
        return ended.stdout


machine: Machine


class NotTried(Exception):
    """A scenario that this system does not allow to try, and why."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """A launcher that serves."""

    def __init__(
        self, *arguments: str, port: int | None = None, flags: int = subprocess.CREATE_NEW_PROCESS_GROUP
    ) -> None:
        self.port = port or free_port()
        self.log = machine.work / f"serve-{self.port}-{time.time_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [machine.launcher, "serve", "--port", str(self.port), *arguments],
                env=machine.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                creationflags=flags,
            )

    def text(self) -> str:
        return self.log.read_text("utf-8", errors="replace")

    def ask(self, path: str, body: bytes | None = None, content_type: str = "application/json") -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, {"Content-Type": content_type})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def wait_until_ready(self) -> "Service":
        end = time.monotonic() + STARTED_WITHIN
        while time.monotonic() < end:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.text()}"
            try:
                if json.loads(self.ask("/health/ready"))["status"] == "ready":
                    return self
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"it is not ready after {STARTED_WITHIN} s: {self.text()}")

    def wait(self) -> int:
        code = self.process.wait(ENDED_WITHIN)
        outputs.append(self.text())
        return code


@contextmanager
def service(*arguments: str, **keywords: int) -> Iterator[Service]:
    """One that is ready, and gone afterwards."""
    started = Service(*arguments, **keywords)
    try:
        yield started.wait_until_ready()
    finally:
        if started.process.poll() is None:
            started.process.kill()
            started.process.wait(ENDED_WITHIN)
        outputs.append(started.text())


def is_running(pid: int) -> bool:
    handle = kernel32.OpenProcess(0x100000, False, pid)  # SYNCHRONIZE
    if not handle:
        return False
    ended = kernel32.WaitForSingleObject(handle, 0) == 0
    kernel32.CloseHandle(handle)
    return not ended


def service_pid(port: int) -> int:
    return json.loads(machine.run("status", "--port", str(port), "--json"))[0]["pid"]


def multipart(fields: dict[str, str], name: str, content: bytes) -> tuple[bytes, str]:
    edge = "speaches-edge"
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()
    ]
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = "".join(parts).encode() + head.encode() + content + f"\r\n--{edge}--\r\n".encode()
    return body, f"multipart/form-data; boundary={edge}"


@scenario
def speaks_and_understands() -> None:
    with service() as running:
        speech = running.ask(
            "/v1/audio/speech", json.dumps({"model": "tts-1", "voice": "alloy", "input": WORDS}).encode()
        )
        answer = json.loads(
            running.ask("/v1/audio/transcriptions", *multipart({"model": "whisper-1"}, "a.mp3", speech))
        )
        assert answer["text"].strip() == WORDS, answer


@scenario
def status_and_stop() -> None:
    with service() as running:
        pid = service_pid(running.port)
        assert pid != running.process.pid
        machine.run("stop", "--port", str(running.port))
        assert running.wait() == 0
        assert not is_running(pid)
        machine.run("status", "--port", str(running.port), expect=69)


@scenario
def ctrl_c() -> None:
    stops_by(signal.CTRL_C_EVENT)


@scenario
def ctrl_break() -> None:
    if hasattr(ctypes.WinDLL("ntdll"), "wine_get_version"):
        raise NotTried("Wine ends every program at Ctrl-Break, whatever handlers it has")
    stops_by(signal.CTRL_BREAK_EVENT)


def stops_by(event: int) -> None:
    """Another process enters the console of the service to press the key."""
    with service(flags=subprocess.CREATE_NEW_CONSOLE) as running:
        pid = service_pid(running.port)
        subprocess.run([sys.executable, "-c", PRESS, str(running.process.pid), str(int(event))], check=True)
        assert running.wait() == 0, running.text()
        assert "stopped" in running.text(), running.text()
        assert not is_running(pid)


# It is in the console itself, so it has to live on.
PRESS = """
import ctypes, os, sys, time
kernel32 = ctypes.WinDLL("kernel32")
kernel32.FreeConsole()
assert kernel32.AttachConsole(int(sys.argv[1]))
live_on = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint32)(lambda number: True)
assert kernel32.SetConsoleCtrlHandler(None if sys.argv[2] == "0" else live_on, True)
assert kernel32.GenerateConsoleCtrlEvent(int(sys.argv[2]), 0)
time.sleep(1)
os._exit(0)
"""


@scenario
def a_killed_launcher_takes_the_service_with_it() -> None:
    with service() as running:
        pid = service_pid(running.port)
        assert is_running(pid)
        running.process.kill()
        running.process.wait(ENDED_WITHIN)
        end = time.monotonic() + ENDED_WITHIN
        while is_running(pid) and time.monotonic() < end:
            time.sleep(0.05)
        assert not is_running(pid)
        assert "died" in machine.run("status", "--port", str(running.port), expect=69)


@scenario
def a_taken_port() -> None:
    with service() as running:
        second = Service(port=running.port)
        assert second.process.wait(STARTED_WITHIN) == 75, second.text()
        assert f"port {running.port} on 127.0.0.1 is in use" in second.text(), second.text()
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                thief.bind(("127.0.0.1", running.port))
            except OSError:
                return
            raise AssertionError("another program could take the port of a running service")


@scenario
def exit_codes() -> None:
    machine.run("serve", "--nonsense", expect=64)
    machine.run("serve", "--host", "nowhere", expect=64)
    machine.run("serve", "--accelerator", "metal", expect=69)
    machine.run("models", "remove", "nobody/nothing", expect=69)
    app = machine.runtime / "app"
    hidden = app.with_name("hidden")
    app.rename(hidden)
    try:
        assert "is missing from the runtime" in machine.run("serve", expect=69)
    finally:
        hidden.rename(app)


@scenario
def models_without_the_right_to_make_links() -> None:
    cache = machine.work / "cache"
    with service("--hf-cache", str(cache)):
        files = [path for path in cache.rglob("*") if path.is_file()]
    assert any(path.name == "model.onnx" or path.suffix in {".json", ".bin"} for path in files), files
    assert "sample/tone-speech" in machine.run("models", "list", "--hf-cache", str(cache))


@scenario
def paths_with_spaces_and_letters() -> None:
    moved("with a space, Ünïcödé and 日本")


@scenario
def paths_over_260_characters() -> None:
    """Of the files inside: no program can be started from such a path."""
    length = 250 - len(str(machine.work / "runtime" / "bin" / "speaches.exe"))
    place = "a-long-name-" * (length // 12) + "x" * (length % 12)
    moved(place[: length // 2] + os.sep + place[length // 2 + 1 :])


def moved(place: str) -> None:
    """Everything works there, and back."""
    home = machine.runtime
    there = machine.work / place / "runtime"
    there.parent.mkdir(parents=True)
    shutil.move(home, there)
    machine.runtime = there
    try:
        machine.run("version")
        machine.run("verify")
        machine.run("doctor", "--port", str(free_port()))
        speaks_and_understands()
        status_and_stop()
    finally:
        machine.runtime = home
        shutil.move(there, home)


@scenario
def no_message_has_a_path_of_the_kernel() -> None:
    """As `\\\\?\\C:\\…`, which many programs do not understand. It comes last: all that was said so far counts."""
    assert outputs
    for output in outputs:
        assert "\\\\?\\" not in output, output


def main() -> int:
    global machine
    machine = Machine(Path(sys.argv[1]), Path(sys.argv[2]))
    chosen = sys.argv[3:]
    passed = failed = 0
    for run in scenarios:
        title = run.__name__.replace("_", " ")
        if chosen and run.__name__ not in chosen:
            continue
        started = time.monotonic()
        try:
            run()
        except NotTried as reason:
            print(f"not tried: {title}: {reason}", flush=True)
        except Exception:  # noqa: BLE001 - the other scenarios are run
            failed += 1
            print(f"FAILED {title}\n{traceback.format_exc()}", flush=True)
        else:
            passed += 1
            print(f"ok     {title} ({time.monotonic() - started:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
