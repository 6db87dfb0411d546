#!/usr/bin/env python3
"""`cargo xtask quickstart` against a world of its own: GitHub, the Hugging Face hub and a package index on this machine.

    python3 tests/world/run.py WORK --python INTERPRETER --speaches CHECKOUT --models HF_CACHE

README.md beside this file says what is real in it. Needs Linux, git, openssl, unshare and ip; nothing beyond the standard library.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from servers import HOSTS, Served, World

ROOT = Path(__file__).resolve().parents[2]
TRANSCRIBER = "Systran/faster-distil-whisper-small.en"
STAND_IN = "Systran/faster-whisper-base"
SPEAKER = "speaches-ai/Kokoro-82M-v1.0-ONNX-int8"
WITHOUT = ("--without", "diarization")


def main() -> int:
    """Make the world, go the way twice and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--python", type=Path, required=True, help="a CPython 3.10 of this machine")
    parser.add_argument("--speaches", type=Path, required=True, help="a checkout of the pinned commit")
    parser.add_argument("--models", type=Path, required=True, help="what tests/real/run.py makes")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    if arguments.inside:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return rehearse(work)
    work.mkdir(parents=True, exist_ok=True)
    prepare(work, arguments)
    # Nothing but what the world serves is in reach from here on.
    inside = ["unshare", "--map-root-user", "--net", sys.executable, __file__, *sys.argv[1:], "--inside"]
    return subprocess.run(inside, check=False).returncode


def prepare(work: Path, arguments: argparse.Namespace) -> None:
    """Fill WORK with what the servers serve, and with a clone that pins it."""
    clone, files = work / "speaches-native", work / "files"
    shutil.rmtree(clone, ignore_errors=True)
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir()
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)

    say("Packing", "a CPython as python-build-standalone lays it out")
    archive = files / "cpython.tar.gz"
    pack_python(arguments.python.resolve(), archive)
    pin_python(clone / "manifests/python.toml", archive)

    say("Packing", "the source of speaches as GitHub does")
    commit = re.search(r'^commit = "(\w+)"', (clone / "manifests/speaches.toml").read_text(), re.MULTILINE)[1]
    prefix = f"--prefix=speaches-{commit}/"
    command = ["git", "-C", arguments.speaches, "archive", "--format=tar.gz", prefix, commit]
    (files / "speaches.tar.gz").write_bytes(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    say("Copying", "the models")
    for model, stands_in in ((SPEAKER, SPEAKER), (TRANSCRIBER, STAND_IN)):
        repository = arguments.models / ("models--" + stands_in.replace("/", "--"))
        snapshot = repository / "snapshots" / (repository / "refs/main").read_text().strip()
        shutil.copytree(snapshot, files / "hub" / model)
    pin_transcriber(clone / "manifests/models.toml", files / "hub" / TRANSCRIBER)

    wheels = files / "wheels"
    say("Fetching", "the wheels of the lock from this machine's own package index")
    vendor = work / "vendored"
    command = ["cargo", "xtask", "vendor", vendor, "--python-from", arguments.python, "--models", "none", *WITHOUT]
    command += ["--speaches-from", arguments.speaches, "--python", "3.10"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    shutil.copytree(vendor / "wheels", wheels)
    # Where there is no uv on PATH, the tool lets pip install this one.
    uv = ["-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--dest", wheels, "-r", ROOT / "manifests/uv.txt"]
    subprocess.run([sys.executable, *uv], check=True)
    # What compiles the tool is in reach already; only quickstart itself is rehearsed.
    subprocess.run(["cargo", "fetch", "--locked"], cwd=clone, check=True)
    certificates(work / "certificates")


def pack_python(interpreter: Path, archive: Path) -> None:
    """Pack the installation of an interpreter with `python/` at the top."""
    ask = "import sys, sysconfig; print(sys.base_prefix, sysconfig.get_python_version())"
    prefix, minor = subprocess.run([interpreter, "-c", ask], check=True, text=True, stdout=subprocess.PIPE).stdout.split()

    def keep(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        member.uid = member.gid = 0
        return None if re.search(r"site-packages/.|__pycache__|/test/|\.a$", member.name) else member

    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        for part in (f"bin/python{minor}", f"lib/python{minor}", f"include/python{minor}"):
            packed.add(f"{prefix}/{part}", f"python/{part}", filter=keep)
        for library in sorted(Path(prefix, "lib").glob("libpython*")):
            packed.add(library, f"python/lib/{library.name}", filter=keep)


def pin_python(manifest: Path, archive: Path) -> None:
    """Pin the archive in the place of the first one for x86-64 Linux, under its address."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    text, count = re.subn(
        r'(archives\.x86_64-unknown-linux-gnu\]\nurl = "[^"]+"\nsha256 = )"\w+"', rf'\1"{digest}"', manifest.read_text(), count=1
    )
    assert count == 1
    manifest.write_text(text)


def pin_transcriber(manifest: Path, snapshot: Path) -> None:
    """Let the default transcriber have the files of another model."""
    before, entry, after = re.split(rf'(\[\[model\]\]\nid = "{TRANSCRIBER}".*?)(?=\n\[\[model\]\])', manifest.read_text(), flags=re.DOTALL)
    files = "".join(
        f'\n[[model.file]]\npath = "{path.name}"\nsize = {path.stat().st_size}\n'
        f'sha256 = "{hashlib.sha256(path.read_bytes()).hexdigest()}"\n'
        for path in sorted(snapshot.iterdir())
        if path.name != "README.md"
    )
    entry = entry.split("\n[[model.file]]")[0] + files + '\n[[model.file]]\npath = "README.md"\n'
    manifest.write_text(before + entry + after)


def certificates(directory: Path) -> None:
    """Make an authority and a certificate for all hosts."""
    directory.mkdir(exist_ok=True)
    (directory / "names").write_text("subjectAltName=" + ",".join(f"DNS:{host}" for host in HOSTS))
    key = ["-newkey", "rsa:2048", "-nodes"]

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=directory, check=True, stderr=subprocess.DEVNULL)

    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=world")
    openssl("req", *key, "-keyout", "host.key", "-out", "host.csr", "-subj", "/CN=hosts")
    openssl("x509", "-req", "-in", "host.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
            "-extfile", "names", "-out", "host.pem")


def rehearse(work: Path) -> int:
    """Go the way: everything is fetched; then once more, when nothing is."""
    home = work / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    clone = work / "speaches-native"
    with World(work / "files", work / "certificates", clone / "manifests") as world:
        environment = os.environ | {
            "HOME": str(home), "CARGO_HOME": os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup")),
            "CARGO_NET_OFFLINE": "true", "CARGO_TARGET_DIR": str(work / "target"),
            "HTTPS_PROXY": world.proxy, "SSL_CERT_FILE": str(work / "certificates/ca.pem"),
            "PIP_INDEX_URL": "https://index.world/simple/", "PIP_CERT": str(work / "certificates/ca.pem"),
        }
        for name in ("SPEACHES_STORE", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "UV_PYTHON_INSTALL_MIRROR", "NO_PROXY",
                     "no_proxy", "https_proxy", "PIP_FIND_LINKS", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "REQUESTS_CA_BUNDLE",
                     "CURL_CA_BUNDLE", "SSL_CERT_DIR"):
            environment.pop(name, None)
        say("Compiling", "the tool")
        subprocess.run(["cargo", "build", "--quiet", "--package", "xtask"], cwd=clone, env=environment, check=True)
        first = quickstart(clone, environment, world)
        second = quickstart(clone, environment, world)
    checks = {
        "the first run makes the real speaches and understands itself": first.ok and "the real speaches" in first.text,
        "it says how many words were heard": re.search(r"\((7|8|9) of 9 words\)", first.text) is not None,
        "the second run fetches nothing and takes less than 30 s": second.ok and second.bytes == 0 and second.seconds < 30,
        "every file was fetched once": not first.twice,
    }
    for text, holds in checks.items():
        print(f"{'holds' if holds else 'FAILS'}: {text}")
    return 0 if all(checks.values()) else 1


def quickstart(clone: Path, environment: dict[str, str], world: World) -> Served:
    """Run it, show what a person sees, and count what it fetches."""
    world.reset()
    started = time.monotonic()
    command = ["cargo", "xtask", "quickstart", *WITHOUT]
    print(f"\n$ {' '.join(command)}", flush=True)
    process = subprocess.Popen(command, cwd=clone, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        print(f"{time.monotonic() - started:7.1f} {line}", end="", flush=True)
    served = world.served(process.wait() == 0, "".join(lines), time.monotonic() - started)
    print(f"\n{served.bytes / 1e6:.1f} MB in {served.seconds:.0f} s")
    for host, size in sorted(served.by_host.items(), key=lambda one: -one[1]):
        print(f"{size / 1e6:10.1f} MB {host}")
    return served


def say(verb: str, text: str) -> None:
    """Say what is going on."""
    print(f"{verb:>12} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
