"""Requests that schemathesis generates from the OpenAPI document: no status 500, no broken body, no hanging request."""

import json
import os
import re
import subprocess
from pathlib import Path

import sounds
import weights
from environment import python_with
from outcome import Outcome
from servers import Places, Server, ours
from texts import LONG

HOOKS = Path(__file__).parent.parent / "properties" / "hooks.py"
SCHEMATHESIS = "schemathesis==4.32.5"
SECONDS = float(os.environ.get("PROPERTIES_SECONDS", "1800"))
SLOWEST = 300  # seconds until an answer is whole
PATHS = {
    "/v1/audio/speech": [weights.SPEECH, weights.PIPER, "tts-1"],
    "/v1/audio/transcriptions": [weights.WHISPER, "Systran/faster-whisper-tiny.en", "whisper-1"],
    "/v1/audio/translations": [weights.WHISPER],
}


def run(places: Places, outcome: Outcome) -> None:
    """Let schemathesis ask for half an hour, or for `PROPERTIES_SECONDS` of the environment."""
    work = places.work / "properties"
    recordings = work / "recordings"
    recordings.mkdir(parents=True, exist_ok=True)
    python = python_with([SCHEMATHESIS], work / "venv")
    with ours(places, "--stt-model", weights.WHISPER) as server:
        server.wait_for("/health/ready")
        _record(server, recordings)
        environment = {
            **os.environ,
            "SCHEMATHESIS_HOOKS": str(HOOKS),
            "PROPERTIES_MODELS": json.dumps(PATHS),
            "PROPERTIES_RECORDINGS": str(recordings),
        }
        log = work / "schemathesis.log"
        with log.open("wb") as file:
            result = subprocess.run(
                [
                    *(str(python), "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.port}/openapi.json"),
                    *(f"--include-path={path}" for path in PATHS),
                    *("--phases", "coverage,fuzzing", "--checks", "not_a_server_error,is_whole"),
                    *("--max-time", f"{SECONDS:.0f}", "--max-examples", "100000", "--continue-on-failure"),
                    *("--request-timeout", str(SLOWEST), "--workers", "2", "--no-color", "--no-shrink"),
                    *("--suppress-health-check", "all"),
                ],
                cwd=work,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            )
        told = log.read_text(errors="replace")
        lines = "\n".join(server.lines())
        for path in PATHS:
            statuses = re.findall(rf'"POST {path} HTTP/1.1" (\d+)', lines)
            counts = {status: statuses.count(status) for status in sorted(set(statuses))}
            # Where no request comes to a model, nothing was tried.
            right = "200" in counts and not any(status.startswith("5") for status in counts)
            outcome.check(right, f"answers of {path}: {counts}")
        outcome.check(result.returncode == 0, f"schemathesis finds no fault ({log}) {told[-300:]}")
        outcome.check(server.client.get("/health").good, "the service still answers")


def _record(server: Server, directory: Path) -> None:
    """A few seconds of speech in each format that the service speaks in."""
    for name in ("wav", "mp3", "opus", "flac", "aac", "pcm"):
        answer = server.client.speech(weights.SPEECH, "af_bella", LONG[:80], name)
        (directory / f"speech.{name}").write_bytes(answer.body)
    (directory / "silence.wav").write_bytes(sounds.wav(bytes(sounds.RATE * 2)))
