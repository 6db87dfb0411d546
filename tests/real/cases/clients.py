"""Third-party clients, each used as in its own documentation."""

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import weights
from environment import python_with
from outcome import Missing, Outcome
from servers import Places, ours

SCRIPTS = Path(__file__).parent.parent / "clients"
PYTHON = {
    "openai_python.py": ["openai[realtime]==3.57.0"],
    "wyoming_bridge.py": ["wyoming-openai==0.8.0"],
    "livekit_plugin.py": ["livekit-plugins-openai==1.8.9"],
    "pipecat_service.py": ["pipecat-ai[openai]==1.14.0"],
}
NPM = ["openai@7.59.0", "playwright-core@1.65.1"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
TIMEOUT = 900.0  # seconds


def run(places: Places, outcome: Outcome) -> None:
    """Install each client below `WORK/clients`, run it, and write a table of what works."""
    work = places.work / "clients"
    work.mkdir(exist_ok=True)
    told: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    with ours(places) as server:
        server.wait_for("/health/ready")
        arguments = [f"http://127.0.0.1:{server.port}", weights.WHISPER, weights.SPEECH, "af_bella"]
        for name, packages in PYTHON.items():
            command = [str(python_with(packages, work / Path(name).stem)), str(SCRIPTS / name), *arguments]
            _read(name, command, work, told, outcome)
        try:
            _read("openai_node.mjs", [*_node(work, "openai_node.mjs"), *arguments], work, told, outcome)
            browser = next(filter(None, map(shutil.which, BROWSERS)), None)
            if browser is None:
                raise Missing("no Chromium is on this machine")
            _read("page.mjs", [*_node(work, "page.mjs"), arguments[0], browser], work, told, outcome)
        except Missing as missing:
            outcome.lacks(str(missing))
    rows = ["| client | works |\n|---|---|\n"]
    for client, steps in sorted(told.items()):
        names = ", ".join(name for verdict, name, _ in steps if verdict == "ok")
        rows.append(f"| {client} | {names} |\n")
    (work / "clients.md").write_text("".join(rows))
    outcome.note(f"the table is in {work / 'clients.md'}")


def _read(
    script: str, command: list[str], work: Path, told: dict[str, list[tuple[str, str, str]]], outcome: Outcome
) -> None:
    result = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    steps = [line.split("\t") for line in result.stdout.splitlines() if line.startswith(("ok\t", "FAILED\t"))]
    for verdict, client, name, why in steps:
        told[client].append((verdict, name, why))
        outcome.check(verdict == "ok", f"{client}: {name} {why}")
    outcome.check(bool(steps) and result.returncode == 0, f"{script} runs {result.stderr[-300:]}")


def _node(work: Path, script: str) -> list[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise Missing("`node` is not on this machine")
    directory = work / "node"
    if not (directory / "complete").exists():
        directory.mkdir(exist_ok=True)
        result = subprocess.run(
            [npm, "install", "--no-save", "--prefix", str(directory), *NPM], capture_output=True, check=False
        )
        if result.returncode:
            raise Missing(f"{NPM} cannot be installed: {result.stderr[-300:]!r}")
        (directory / "complete").touch()
    # Modules are looked for beside the script.
    shutil.copy(SCRIPTS / script, directory)
    return [node, str(directory / script)]
