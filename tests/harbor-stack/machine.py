"""The machine in the namespaces: its engine, its images, and users who type commands."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOGS = Path("/srv/shown")
CGROUP = "/speaches-harbor-stack"
BASE = "stack/base"
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Result:
    """What a command did."""

    command: str
    code: int
    output: str
    seconds: float

    def __str__(self) -> str:
        return f"$ {self.command}\n{self.output}\nexit code {self.code} after {self.seconds:.1f} s"


def command(*words: str, seconds: float = 300, check: bool = True) -> str:
    """What a command of root prints."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def wait(what: str, holds: Callable[[], object], seconds: float = 60) -> float:
    """Seconds until something holds."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)
    return time.monotonic() - started


class Engine:
    """Docker's daemon."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it, and wait until it answers."""
        for stale in ("/run/docker.pid", "/run/docker.sock", "/run/docker/containerd/containerd.pid"):
            Path(stale).unlink(missing_ok=True)
        log = (LOGS / "dockerd.log").open("ab")
        words = ["dockerd", "--group", "docker", "--cgroup-parent", CGROUP, "--log-level", "warn", *options]
        self.process = subprocess.Popen(words, stdout=log, stderr=log)
        wait(
            "Docker answers",
            lambda: subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0,
        )

    def stop(self) -> None:
        """End it; containers end with it."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            # The next one chooses the address of its bridge anew.
            subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True, check=False)
        self.process = None

    def make_images(self) -> None:
        """Debian with the real programs in it, for the images that the compose files name. Those of before stay."""
        # N.B. a run that was killed leaves containers.
        for container in command("docker", "ps", "--all", "--quiet").split():
            command("docker", "rm", "--force", "--volumes", container)
        command("docker", "network", "prune", "--force")
        if not inspected(BASE):
            with subprocess.Popen(["tar", "-C", "/srv/image", "-c", "."], stdout=subprocess.PIPE) as packed:
                subprocess.run(["docker", "import", "-", BASE], stdin=packed.stdout, check=True, capture_output=True)
        commit("alpine/socat:latest", {"/srv/stack/images/wget": "/usr/bin/wget"}, 'ENTRYPOINT ["socat"]')
        stand_in = {"/srv/stack/images/ollama": "/usr/bin/ollama"}
        commit("ollama/ollama:latest", stand_in, 'ENTRYPOINT ["/usr/bin/ollama"]', 'CMD ["serve"]')
        site = {"/srv/webui/.": "/app/site", "/srv/stack/images/start.sh": "/app/backend/start.sh"}
        environment = ("PYTHONPATH=/app/site", "DATA_DIR=/app/backend/data", "ENV=prod")
        changes = ["WORKDIR /app/backend", 'CMD ["bash", "start.sh"]', *(f"ENV {each}" for each in environment)]
        commit("ghcr.io/open-webui/open-webui:main", site, *changes)


def inspected(image: str, template: str = "{{.Id}}") -> str:
    """Something about an image; empty where it is not there."""
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", template, image], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def commit(name: str, files: dict[str, str], *changes: str) -> None:
    """An image of the base, some files and a configuration, unless it is there."""
    made_of = hashlib.sha256(repr((inspected(BASE), sorted(files.items()), changes)).encode())
    for source in map(Path, files):
        made_of.update(source.read_bytes() if source.is_file() else "\n".join(sorted(os.listdir(source))).encode())
    key = made_of.hexdigest()
    if inspected(name, '{{index .Config.Labels "made-of"}}') == key:
        return
    made = command("docker", "run", "--detach", "--network", "none", BASE, "sleep", "600").strip()
    prepare = "rm -f /usr/bin/wget; ln -sf python3 /usr/bin/python; mkdir -p /app/backend /app/site"
    command("docker", "exec", made, "sh", "-c", prepare)
    for path, target in files.items():
        command("docker", "cp", path, f"{made}:{target}", seconds=900)
    changes = (*changes, f"LABEL made-of={key}")
    command("docker", "commit", *(word for each in changes for word in ("--change", each)), made, name, seconds=900)
    command("docker", "rm", "--force", made)


class User:
    """An ordinary user in the group `docker`, at a terminal of their own."""

    def __init__(self, name: str, harbor_home: str) -> None:
        command("useradd", "--create-home", "--shell", "/bin/bash", "--groups", "docker", name)
        self.name = name
        self.home = Path("/home") / name
        self.harbor = self.home / harbor_home
        for directory in (".local/bin", ".cache"):
            (self.home / directory).mkdir(parents=True, exist_ok=True)
        shutil.copytree("/srv/deno-cache", self.home / ".cache/deno", symlinks=True)
        command("chown", "--recursive", f"{name}:{name}", str(self.home))
        self.environment = {
            "HOME": str(self.home),
            "USER": name,
            "LOGNAME": name,
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "PATH": f"{self.home}/.local/bin:/opt/speaches/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HARBOR_HOME": str(self.harbor),
        }

    def run(self, line: str, seconds: float = 300, **environment: str) -> Result:
        """A line of shell: both streams, as one sees them, and what is left to it in the log of the run."""
        words = ["setpriv", f"--reuid={self.name}", f"--regid={self.name}", "--init-groups", "bash", "-c", line]
        started = time.monotonic()
        process = subprocess.Popen(
            words,
            cwd=self.home,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, code = process.communicate()[0] + b"\n(ended by the test: no end)", 124
        shown = COLOURS.sub("", output.decode(errors="replace")).strip()
        result = Result(f"{self.name}: {line}", code, shown, time.monotonic() - started)
        with (LOGS / "terminal.log").open("a") as log:
            print(result, file=log, end="\n\n")
        return result

    def set(self, key: str, value: str) -> None:
        """`harbor config set`."""
        done = self.run(f"harbor config set {key} '{value}'")
        if done.code:
            raise RuntimeError(str(done))


class Rows:
    """What was found, a line each."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def check(self, title: str, holds: object, *details: object) -> bool:
        """One that passed or failed; the details are shown when it failed."""
        if holds:
            self.passed += 1
            print(f"ok     {title}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED {title}", flush=True)
            for line in "\n".join(map(str, details)).splitlines()[-25:]:
                print(f"       {line}", flush=True)
        return bool(holds)

    def says(self, title: str, result: Result, *texts: str, code: int = 0) -> bool:
        """A command that ended with a code and said some texts."""
        lacking = [text for text in texts if text not in result.output]
        found = f"{title} ({result.seconds:.1f} s)"
        return self.check(found, result.code == code and not lacking, result, *(f"lacks: {text}" for text in lacking))

    def end(self) -> None:
        """The closing line."""
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(bool(self.failed))
