"""Reports about realtime sessions. One script tries all of them, each in a session of its own."""

import subprocess
from pathlib import Path

import weights
from environment import python_with
from outcome import Missing
from reports.report import Finding, Judge, Kit, Report

SCRIPT = Path(__file__).parent.parent / "clients" / "realtime_session.py"
PACKAGES = ["websockets==17.4"]
TIMEOUT = 1800.0  # seconds
_found: dict[Path, dict[str, Finding]] = {}


def _step(name: str) -> Judge:
    """What a step of the script found."""

    def judge(kit: Kit) -> Finding:
        if kit.work not in _found:
            _found[kit.work] = _run(kit)
        return _found[kit.work].get(name) or Finding(False, "the script did not come to it")

    return judge


def _run(kit: Kit) -> dict[str, Finding]:
    python = python_with(PACKAGES, kit.work / "realtime")
    recording = kit.work / "realtime.wav"
    recording.write_bytes(kit.recording())
    command = [str(python), str(SCRIPT), f"http://127.0.0.1:{kit.client.port}", weights.WHISPER, str(recording)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if not result.stdout:
        raise Missing(f"the script cannot run: {result.stderr.strip()[-300:]}")
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    return {name: Finding(verdict == "ok", why or "as it should be") for verdict, _, name, why in lines}


REPORTS = [
    Report(
        "speaches-ai/speaches#567",
        "a commit during speech ends the session",
        "a commit right after a sentence, then another sentence",
        _step("a commit during speech"),
    ),
    Report(
        "run-llama/openai_realtime_client#3",
        "the commit of an empty buffer",
        "two commits before any sound",
        _step("a commit of nothing, twice"),
    ),
    Report(
        "huggingface/speech-to-speech#413",
        "no `session.updated`, for which clients wait",
        '`"session": {}`',
        _step("an update that changes nothing"),
    ),
    Report(
        "sgl-project/sglang-omni#385",
        "a part of `turn_detection` resets the rest",
        '`"turn_detection": {"threshold": 0.8}`',
        _step("a part of `turn_detection`"),
    ),
    Report(
        "openai/openai-python#2199",
        "`turn_detection` cannot be switched off",
        "null, a sentence, silence, a commit; then `server_vad` again",
        _step("`turn_detection` is null"),
    ),
    Report(
        "livekit/agents#1650",
        "`turn_detection` cannot be switched off",
        "null, a sentence, silence, a commit; then `server_vad` again",
        _step("`turn_detection` is null"),
    ),
    Report(
        "livekit/agents#3331",
        "`semantic_vad` with options ends the session",
        "`semantic_vad` with options: an error, and detection goes on",
        _step("`semantic_vad`"),
    ),
    Report(
        "Natively-AI-assistant/natively-cluely-ai-assistant#175",
        "the newer form of `session.update` has no effect",
        "`audio.input` with transcription, detection, format",
        _step("the form of the newer interface"),
    ),
    Report(
        "Natively-AI-assistant/natively-cluely-ai-assistant#175",
        "the older event is not understood",
        "`transcription_session.update`: an error, and the session goes on",
        _step("the older event for transcription"),
    ),
    Report(
        "davidmigloz/langchain_dart#624",
        "unknown fields end the session",
        "`enabled` in `input_audio_transcription`, null, default values",
        _step("unknown fields, null, and default values"),
    ),
    Report(
        "twilio-samples/speech-assistant-openai-realtime-api-node#37",
        "the telephone format fails without a reason",
        "`g711_ulaw`: an error that names the field",
        _step("`g711_ulaw`"),
    ),
    Report(
        "speaches-ai/speaches#380",
        "an error after the first sentence, where the model of the session is no chat model",
        "`intent=conversation` without a chat: an error for each sentence, all of them heard",
        _step("a response where no chat is configured"),
    ),
    Report("own", "values of wrong types", "five changes of the session", _step("values of wrong types")),
    Report("own", "invalid audio", '`"%%%"`, `"AAA"`, a number, null, nothing', _step("invalid audio")),
    Report("own", "audio cut inside samples", "parts of 4801 bytes", _step("audio cut inside samples")),
    Report(
        "own",
        "binary frames, and frames that are not events",
        "JSON in a binary frame, invalid UTF-8, invalid JSON, `[]`, `{}`, an unknown type",
        _step("a frame of bytes, no JSON, unknown types"),
    ),
    Report(
        "own",
        "items and responses that do not exist",
        "delete, truncate, cancel",
        _step("items and responses that do not exist"),
    ),
    Report(
        "own",
        "many simultaneous sessions",
        "20, of which 10 are left in the middle of a sentence",
        _step("twenty sessions, half of them left in the middle"),
    ),
]
