"""GitHub, the Hugging Face hub and a package index, behind a proxy that connects every host name to this machine."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import re
import select
import shutil
import socket
import ssl
import threading
import urllib.parse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

HUB, CDN = "huggingface.co", "cdn-lfs.world"
GITHUB, CODELOAD, ASSETS = "github.com", "codeload.github.com", "release-assets.githubusercontent.com"
INDEX = "index.world"
HOSTS = (HUB, CDN, GITHUB, CODELOAD, ASSETS, INDEX)
LARGE = 1_000_000
"""Files of the hub from this size, in bytes, are in LFS, so that the API tells their sha256."""


@dataclass
class Served:
    """What came of a run."""

    ok: bool
    text: str
    seconds: float
    bytes: int
    by_host: Counter[str]
    twice: list[str]


class Server(http.server.ThreadingHTTPServer):
    """One that says nothing of clients that go away."""

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


class World:
    """All servers. `files` has what they serve, `manifests` says under which names and commits."""

    def __init__(self, files: Path, certificates: Path, manifests: Path) -> None:
        self.files = files
        models = (manifests / "models.toml").read_text()
        self.commits = {
            id: (re.search(r'^revision = "(\w+)"', entry, re.MULTILINE) or ["", "a" * 40])[1]
            for id, entry in re.findall(r'^id = "([^"]+)"\n(.*?)(?=^\[\[model\]\]|\Z)', models, re.MULTILINE | re.DOTALL)
        }
        self._lock = threading.Lock()
        self.reset()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "host.pem", certificates / "host.key")
        world = self

        class Handler(Answers):
            pass

        Handler.world = world
        self._web = Server(("127.0.0.1", 0), Handler)
        self._web.socket = context.wrap_socket(self._web.socket, server_side=True, do_handshake_on_connect=False)

        class Tunnel(Connect):
            port = world._web.server_address[1]

        self._proxy = Server(("127.0.0.1", 0), Tunnel)
        self.proxy = f"http://127.0.0.1:{self._proxy.server_address[1]}"

    def __enter__(self) -> World:
        for server in (self._web, self._proxy):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._web, self._proxy):
            server.shutdown()
            server.server_close()

    def reset(self) -> None:
        """Count from here."""
        with self._lock:
            self._by_host: Counter[str] = Counter()
            self._by_path: Counter[str] = Counter()

    def count(self, host: str, path: str, size: int) -> None:
        """Count what is sent."""
        with self._lock:
            self._by_host[host] += size
            if size > LARGE:
                self._by_path[f"{host}{path}"] += 1

    def served(self, ok: bool, text: str, seconds: float) -> Served:
        """Return what was sent since the last reset."""
        twice = [path for path, times in self._by_path.items() if times > 1]
        return Served(ok, text, seconds, sum(self._by_host.values()), self._by_host, twice)


class Answers(http.server.BaseHTTPRequestHandler):
    """The answers of all hosts."""

    protocol_version = "HTTP/1.1"
    world: World

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        host = self.headers["Host"].split(":")[0]
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        files = self.world.files
        match (host, *path.strip("/").split("/")):
            case (h, "astral-sh", "python-build-standalone", "releases", "download", *rest) if h == GITHUB:
                self._redirect(f"https://{ASSETS}/{urllib.parse.quote('/'.join(rest))}?signature=1")
            case (h, "speaches-ai", "speaches", "archive", name) if h == GITHUB:
                self._redirect(f"https://{CODELOAD}/speaches-ai/speaches/tar.gz/{name.removesuffix('.tar.gz')}")
            case (h, *_) if h == GITHUB:
                self._send(b"a page", "text/html")
            case (h, *_) if h == ASSETS:
                self._send_file(files / "cpython.tar.gz")
            case (h, *_) if h == CODELOAD:
                self._send_file(files / "speaches.tar.gz")
            case (h, "api", "models", owner, name, "revision", revision) if h == HUB:
                self._revision(f"{owner}/{name}", revision)
            case (h, owner, name, "resolve", _, *rest) if h == HUB:
                file = files / "hub" / owner / name / "/".join(rest)
                if file.is_file() and file.stat().st_size >= LARGE:
                    self._redirect(f"https://{CDN}/{owner}/{name}/{'/'.join(rest)}?signature=1")
                else:
                    self._send_file(file)
            case (h, *rest) if h == CDN:
                self._send_file(files / "hub" / "/".join(rest))
            case (h, "simple", project) if h == INDEX:
                self._project(project)
            case (h, "wheels", name) if h == INDEX:
                self._send_file(files / "wheels" / name)
            case (h, *_) if h == HUB:
                self._send(b"a page", "text/html")
            case _:
                self.send_error(404)

    def _revision(self, model: str, revision: str) -> None:
        commit = self.world.commits.get(model)
        directory = self.world.files / "hub" / model
        if commit is None or revision not in ("main", commit) or not directory.is_dir():
            self.send_error(404)
            return
        siblings = []
        for file in sorted(directory.iterdir()):
            data = file.read_bytes()
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            sibling = {"rfilename": file.name, "size": len(data), "blobId": blob}
            if len(data) >= LARGE:
                sibling["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            siblings.append(sibling)
        document = {"id": model, "sha": commit, "siblings": siblings, "gated": False}
        self._send(json.dumps(document).encode(), "application/json")

    def _project(self, project: str) -> None:
        wheels = [
            wheel
            for wheel in (self.world.files / "wheels").glob("*.whl")
            if re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower() == project
        ]
        if not wheels:
            self.send_error(404)
            return
        links = (
            f'<a href="/wheels/{urllib.parse.quote(wheel.name)}#sha256={hashlib.sha256(wheel.read_bytes()).hexdigest()}">'
            f"{wheel.name}</a>"
            for wheel in wheels
        )
        self._send(f"<!doctype html>{''.join(links)}".encode(), "text/html")

    def _redirect(self, url: str) -> None:
        self.send_response(302)
        self.send_header("Location", url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _send_file(self, file: Path) -> None:
        if not file.is_file():
            self.send_error(404)
            return
        size, start, end = file.stat().st_size, 0, file.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            start, end = int(asked[1]), min(int(asked[2] or size - 1) + 1, size)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if self.command != "GET":
            return
        self.world.count(self.headers["Host"].split(":")[0], self.path, end - start)
        with file.open("rb") as opened, contextlib.suppress(ConnectionError):
            opened.seek(start)
            if end == size:
                shutil.copyfileobj(opened, self.wfile, 1 << 20)
            else:
                self.wfile.write(opened.read(end - start))

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


class Connect(http.server.BaseHTTPRequestHandler):
    """A proxy that leads every host to the same server."""

    port: int

    def do_CONNECT(self) -> None:
        if self.path.split(":")[0] not in HOSTS:
            self.send_error(502)
            return
        with socket.create_connection(("127.0.0.1", self.port)) as inner:
            self.send_response(200)
            self.end_headers()
            ends = [self.connection, inner]
            while True:
                ready, _, _ = select.select(ends, [], [], 120)
                for end in ready:
                    data = end.recv(1 << 16)
                    if not data:
                        return
                    (inner if end is self.connection else self.connection).sendall(data)
                if not ready:
                    return

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""
