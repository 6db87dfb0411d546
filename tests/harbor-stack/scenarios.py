"""What users do with Harbor and a native runtime, in their order, on the machine that `enter` has made.

Each function is one scenario, and leaves the stack up with a service that answers unless it says otherwise.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from machine import LOGS, Engine, Result, Rows, User, command, wait
from webui import WebUI, ask, words

SENTENCE = "The quick brown fox jumps over the lazy dog."
# Open WebUI keeps what was spoken once, so that each request has a sentence of its own.
SENTENCES = iter(
    [
        "Our neighbor bought fresh bread and cheese.",
        "My sister walked along the river.",
        "The train leaves the station at noon.",
        "We spent the whole summer near the mountains.",
        "The farmer carried water to the horses.",
        "She wrote a long letter to her mother.",
        "The market was full of people on Saturday.",
        "He closed the book and turned off the light.",
        "The ship crossed the ocean in seven days.",
        "They planted apple trees behind the house.",
        "The music stopped when the rain began.",
        "A cold wind came down from the north.",
        "The garden looks beautiful in the spring.",
        "I found the key under a flower pot.",
        "Two birds were singing in the garden.",
    ]
)
PUBLISHED, NATIVE, WEBUI = 34331, 34332, 33801
STACK = "ollama webui"

rows = Rows()
engine = Engine()
alice: User
stock = ""
webui = WebUI(WEBUI)


def tag() -> str:
    """The newest release in the checkout."""
    return command("git", "-C", "/srv/harbor", "describe", "--tags", "--abbrev=0").strip()


def install_harbor(user: User) -> Result:
    """Harbor's own installation script, with a clone from here."""
    line = f"bash /srv/harbor/install.sh --skip-requirements --version {tag()}"
    return user.run(line, HARBOR_REPO_URL="file:///srv/harbor")


def choose_models(user: User) -> None:
    """Models that the runtime has, where it lacks Harbor's own."""
    told = json.loads(Path("/opt/speaches/runtime.json").read_text())
    ids = [model["id"] for model in told["models"]]
    default = "Systran/faster-distil-whisper-small.en"
    of_whisper = sorted((each for each in ids if "whisper" in each), key=lambda each: "tiny" in each)
    transcribes = default if default in ids else of_whisper[0]
    if transcribes != default:
        print(f"stand-in: the runtime lacks {default}; {transcribes} transcribes", flush=True)
        user.set("speaches.stt_model", transcribes)


def merged(user: User, services: str = "webui speaches ollama") -> str:
    """The configuration that Compose gets without the native runtime."""
    return user.run(f"harbor eject --no-defaults {services} 2>/dev/null").output


def changes(user: User) -> str:
    """What Git sees in Harbor's directory."""
    return user.run(f"git -C {user.harbor} status --porcelain").output


def running(user: User) -> str:
    """The containers, with their states."""
    return user.run("docker ps --all --format '{{.Names}} {{.Status}}'").output


def service_pid(user: User) -> int:
    """The process that listens."""
    return int((user.harbor / "services/speaches/logs/speaches-native.pid").read_text())


def spoken_and_heard(title: str) -> None:
    """Speech and transcription through Open WebUI."""
    sentence = next(SENTENCES)
    speech = webui.speech(sentence)
    rows.check(
        f"{title}: Open WebUI speaks ({len(speech.body)} bytes)",
        speech.status == 200 and len(speech.body) > 1000,
        speech,
    )
    heard = webui.transcription(speech.body)
    text = heard.json.get("text", "") if heard.status == 200 else heard.text
    rows.check(f"{title}: Open WebUI transcribes: {text.strip()}", words(text) == words(sentence), heard)


def installed() -> None:
    """Harbor, then the runtime's file in it."""
    global stock
    rows.says("Harbor's own installation", install_harbor(alice), "Installation complete")
    rows.check("Harbor's directory is as its release", changes(alice) == "", changes(alice))
    choose_models(alice)
    alice.set("services.default", "ollama;webui")
    # Harbor makes this key at its first `up`, with which the configuration changes.
    alice.set("openterminal.api_key", "of-the-test")
    stock = merged(alice)
    rows.check("Harbor merges its own files", "ghcr.io/speaches-ai/speaches" in stock, stock)
    rows.says(
        "status before anything is installed",
        alice.run("speaches harbor status"),
        "not there",
        "speaches harbor install",
        code=69,
    )
    rows.says("speaches harbor install", alice.run("speaches harbor install"), "wrote")
    added = "?? services/compose.x.speaches.speaches-native.yml"
    rows.check("it adds one file", changes(alice) == added, changes(alice))
    rows.check("without the word, Harbor's configuration is the same, byte for byte", merged(alice) == stock)
    with_gpu = merged(alice, "speaches nvidia speaches-native")
    rows.check("with NVIDIA, the proxy reserves no GPU", "socat" in with_gpu and "driver:" not in with_gpu, with_gpu)


def up() -> None:
    """The one command."""
    first = alice.run(f"speaches harbor up {STACK}", 600)
    rows.says("speaches harbor up ollama webui", first, "http://localhost:33801")
    states = running(alice)
    rows.check(
        "all containers are healthy, and none has ended",
        states.count("(healthy)") >= 3 and "Exited" not in states,
        states,
    )
    fetching = alice.run("docker logs harbor.speaches-init")
    rows.says("the container that fetches models does nothing", fetching)
    rows.check("it says nothing", fetching.output == "", fetching)
    rows.says(
        "Harbor's own command, again",
        alice.run(f"harbor up {STACK} speaches speaches-native", 600),
        "http://localhost:34331",
    )
    rows.says("speaches harbor up, again", alice.run(f"speaches harbor up {STACK}", 600), "http://localhost:33801")
    status = alice.run("speaches harbor status")
    rows.says("status: each hop", status, "service: ", "bridge: ok", "proxy: ok", "webui: ok")


def log() -> None:
    """The first second of the log says what was chosen and why; Harbor's log says where it is."""
    text = (alice.harbor / "services/speaches/logs/speaches-native.log").read_text(errors="replace")
    rows.check("the log names the port", str(NATIVE) in text, text)
    for what in ("onnxruntime", "af_bella", "Kokoro-82M-v1.0-ONNX-int8"):
        rows.check(f"the log names {what}", what in text, text)
    rows.says("harbor logs speaches", alice.run("harbor logs --no-follow speaches"), "speaches-native.log")
    rows.says("harbor url speaches", alice.run("harbor url speaches"), f"http://localhost:{PUBLISHED}")
    rows.says("harbor config", alice.run("harbor config get speaches.tts_model"), "Kokoro")


def interface() -> None:
    """Open WebUI's interface."""
    account = webui.sign_up()
    rows.check("an account in Open WebUI", account.status == 200, account)
    told = webui.get("/api/v1/audio/config")
    audio = told.json if told.status == 200 else {}
    engines = [audio.get(each, {}).get("ENGINE", audio.get(each, {}).get("engine")) for each in ("tts", "stt")]
    rows.check(
        "its engines are of OpenAI's kind, and lead to speaches",
        engines == ["openai"] * 2 and told.text.count("http://speaches:8000/v1") == 2,
        told,
    )
    for path in ("voices", "models"):
        listed = webui.get(f"/api/v1/audio/{path}")
        rows.check(
            f"its list of {path}",
            listed.status == 200 and ("af_bella" if path == "voices" else "Kokoro") in listed.text,
            listed,
        )
    spoken_and_heard("at first")


def proxy() -> None:
    """Our own interface, through the published port of the proxy."""
    for path, text in (("/health", "ok"), ("/v1/models", "Kokoro"), ("/", "<html")):
        answer = ask(f"http://127.0.0.1:{PUBLISHED}{path}")
        rows.check(f"{path} through the proxy", answer.status == 200 and text.lower() in answer.text.lower(), answer)
    heard = command(
        "python3", "/srv/stack/realtime.py", f"http://127.0.0.1:{PUBLISHED}", transcriber(), check=False
    ).strip()
    rows.check(f"a realtime session through the proxy hears: {heard}", words(heard) == words(SENTENCE), heard)


def transcriber() -> str:
    """The model that transcribes."""
    return alice.run("harbor config get speaches.stt_model 2>/dev/null").output.splitlines()[-1]


def killed() -> None:
    """The service is killed under running containers."""
    pid = service_pid(alice)
    os.kill(pid, signal.SIGKILL)
    wait("the process is gone", lambda: not Path(f"/proc/{pid}").exists())
    rows.says(
        "status of a killed service", alice.run("speaches harbor status"), "died", "speaches harbor start", code=69
    )
    speech = webui.speech(next(SENTENCES))
    rows.check(
        f"Open WebUI says that it cannot speak: {speech.text.strip()}",
        speech.status >= 400 and "Server Connection Error" in speech.text,
        speech,
    )
    again = alice.run("speaches harbor start")
    rows.says("speaches harbor start", again, f"http://127.0.0.1:{NATIVE}")
    answered = wait("the proxy answers", lambda: ask(f"http://127.0.0.1:{PUBLISHED}/health", seconds=5).status == 200)
    rows.check(f"the proxy reaches it {answered:.1f} s later", True)
    spoken_and_heard("after a kill")


def down_and_up() -> None:
    """The reverse, and once more."""
    pid = service_pid(alice)
    rows.says("speaches harbor down", alice.run("speaches harbor down"), "stopped the service")
    rows.check("no container is left", running(alice) == "", running(alice))
    rows.check("no process is left", not Path(f"/proc/{pid}").exists())
    rows.says("down again", alice.run("speaches harbor down"))
    rows.says("up again", alice.run(f"speaches harbor up {STACK}", 600), "http://localhost:33801")
    spoken_and_heard("after down and up")


def absent() -> None:
    """Harbor's own command without the service."""
    alice.run("speaches harbor down")
    result = alice.run("harbor up --no-defaults speaches speaches-native", 120)
    rows.check(
        f"harbor up without the service fails after {result.seconds:.1f} s", result.code and result.seconds < 20, result
    )
    waited = alice.run("docker inspect --format '{{json .State.Health.Status}} {{.State.StartedAt}}' harbor.speaches")
    rows.check("the proxy is unhealthy", "unhealthy" in waited.output, waited)
    said = alice.run("speaches harbor status")
    rows.says("status says which part it is", said, "service: ", "speaches harbor", code=69)
    shown = alice.run("harbor logs --no-follow speaches")
    rows.says("harbor logs speaches says why", shown, "speaches harbor up")
    alice.run("harbor down")
    rows.says("up", alice.run(f"speaches harbor up {STACK}", 600), "http://localhost:33801")


def port_taken() -> None:
    """Another program has the port."""
    alice.run("speaches harbor down")
    with socket.create_server(("127.0.0.1", NATIVE)):
        result = alice.run(f"speaches harbor up {STACK}")
        rows.says("up with a taken port", result, str(NATIVE), "taken", "HARBOR_SPEACHES_NATIVE_PORT", code=75)
        rows.check("it starts no container", running(alice) == "", running(alice))
        alice.run("echo HARBOR_SPEACHES_NATIVE_PORT=34432 >> $HARBOR_HOME/.env")
        rows.says("up with another port", alice.run(f"speaches harbor up {STACK}", 600), "http://localhost:33801")
        spoken_and_heard("on another port")
        rows.says("status on another port", alice.run("speaches harbor status"), "34432", "proxy: ok")
        alice.run("speaches harbor down")
    alice.run("sed -i /NATIVE_PORT/d $HARBOR_HOME/.env")
    rows.says("up on the port of before", alice.run(f"speaches harbor up {STACK}", 600))


def wrong_model() -> None:
    """A model that is nowhere."""
    alice.run("speaches harbor down")
    model = alice.run("harbor config get speaches.tts_model 2>/dev/null").output.splitlines()[-1]
    alice.set("speaches.tts_model", "nobody/no-such-model")
    result = alice.run(f"speaches harbor up {STACK}", 600)
    rows.says("up names the model that is not there", result, "nobody/no-such-model", "speaches models list")
    status = alice.run("speaches status")
    rows.check("status names it", "nobody/no-such-model" in status.output, status)
    alice.run("speaches harbor down")
    alice.set("speaches.tts_model", model)
    rows.says("up with the right model", alice.run(f"speaches harbor up {STACK}", 600))


def api_key() -> None:
    """A key that Open WebUI does not send, then the one that it sends."""
    for key, good in (("another-key", False), ("sk-speaches", True)):
        alice.run("speaches harbor down")
        rows.says(f"harbor env speaches API_KEY {key}", alice.run(f"harbor env speaches API_KEY {key}"))
        rows.says(f"up with the key {key}", alice.run(f"speaches harbor up {STACK}", 600))
        if good:
            spoken_and_heard("with the same key on both sides")
        else:
            speech = webui.speech(next(SENTENCES))
            rows.check(
                f"Open WebUI says: {speech.text.strip()}",
                speech.status in (401, 403, 500) and ("401" in speech.text or "403" in speech.text),
                speech,
            )
    alice.run("speaches harbor down; sed -i /API_KEY/d $HARBOR_HOME/services/speaches/override.env")
    rows.says("up without a key", alice.run(f"speaches harbor up {STACK}", 600))


def browser() -> None:
    """Chromium: Open WebUI as its administrator uses it, and the service's own page through the proxy."""
    for script in (
        ["/srv/stack/browser.mjs", f"http://127.0.0.1:{WEBUI}", f"http://127.0.0.1:{NATIVE}", str(LOGS)],
        ["/srv/clients/page.mjs", f"http://127.0.0.1:{PUBLISHED}", "/usr/bin/chromium"],
    ):
        done = subprocess.run(["node", *script], cwd="/root", capture_output=True, text=True, timeout=600, check=False)
        for line in done.stdout.splitlines():
            verdict, _, title = line.replace("\t", " ").partition(" ")
            rows.check(title.strip(), verdict == "ok", done.stderr)
        rows.check(f"{Path(script[0]).name} came to its end", done.returncode == 0, done.stdout, done.stderr)


def two_users() -> None:
    """Another user with another Harbor beside the first."""
    bob = User("bob", "harbor-of-bob")  # N.B. Compose names a project after the directory.
    rows.says("a second Harbor", install_harbor(bob), "Installation complete")
    choose_models(bob)
    bob.set("services.default", "ollama;webui")
    for key, value in {
        "container.prefix": "bob",
        "webui.host_port": "43801",
        "ollama.host_port": "43821",
        "speaches.host_port": "44331",
    }.items():
        bob.set(key, value)
    bob.run("echo HARBOR_SPEACHES_NATIVE_PORT=44332 >> $HARBOR_HOME/.env")
    rows.says("its stack beside the first", bob.run(f"speaches harbor up {STACK}", 600), "http://localhost:43801")
    rows.says("its status", bob.run("speaches harbor status"), "44332", "proxy: ok", "webui: ok")
    rows.says("the first one's status", alice.run("speaches harbor status"), str(NATIVE), "proxy: ok", "webui: ok")
    rows.says("its end", bob.run("speaches harbor down"), "stopped the service")
    rows.says("the first one's status after it", alice.run("speaches harbor status"), "proxy: ok", "webui: ok")
    spoken_and_heard("after the second Harbor")


def another_bridge() -> None:
    """Docker's bridge has another address, or IPv6 as well."""
    for title, options in {
        "a bridge with another address": ["--bip", "10.77.0.1/24"],
        "IPv6 on": ["--ipv6", "--fixed-cidr-v6", "fd00:77::/64"],
    }.items():
        alice.run("speaches harbor down")
        engine.stop()
        engine.start(*options)
        rows.says(f"{title}: up", alice.run(f"speaches harbor up {STACK}", 600), "http://localhost:33801")
        rows.says(f"{title}: status", alice.run("speaches harbor status"), "bridge: ok", "proxy: ok")
        spoken_and_heard(title)
    alice.run("speaches harbor down")
    engine.stop()
    engine.start()
    rows.says("up on the first bridge", alice.run(f"speaches harbor up {STACK}", 600))


def native_mode() -> None:
    """A Harbor that starts the service itself: pull request 177 at its head."""
    reference = "refs/pull/177/head"
    if "177" not in command("git", "-C", "/srv/harbor", "for-each-ref", "refs/pull", check=False):
        print(
            f"not tried: the checkout of Harbor lacks {reference}: git fetch origin {reference}:{reference}", flush=True
        )
        return
    alice.run("speaches harbor down")
    carol = User("carol", "harbor-of-carol")
    fetch = f"git fetch --quiet --depth 1 file:///srv/harbor {reference} && git checkout --quiet FETCH_HEAD"
    line = f"git init --quiet $HARBOR_HOME && cd $HARBOR_HOME && {fetch} && ./harbor.sh ln && harbor --version"
    rows.says("pull request 177", carol.run(line))
    rows.says("its files stay", carol.run("speaches harbor install"), "native", ".new")
    rows.says("or are put aside", carol.run("speaches harbor install --replace"), ".orig")
    print("stand-in: what it takes from jsr.io and deno.land is in images/std", flush=True)
    choose_models(carol)
    # Its defaults are other models than those of Harbor's releases.
    carol.set("speaches.tts_model", "speaches-ai/Kokoro-82M-v1.0-ONNX-int8")
    refused = carol.run(f"speaches harbor up {STACK}")
    rows.says("up asks for the preference", refused, "harbor config set speaches.execution_preference native", code=78)
    forced = carol.run(f"harbor up -n {STACK} speaches", 120)
    rows.check("its own -n takes the container, as docs/harbor.md says", "speaches Pulling" in forced.output, forced)
    carol.set("speaches.execution_preference", "native")
    rows.says("speaches harbor up", carol.run(f"speaches harbor up {STACK}", 600))
    rows.says("status", carol.run("speaches harbor status"), "proxy: ok", "webui: ok")
    # It does not wait for Open WebUI.
    wait("Open WebUI answers", lambda: ask(f"{webui.url}/health", seconds=5).status == 200, 180)
    told = webui.sign_up()
    rows.check("an account in its Open WebUI", told.status == 200, told)
    # It does not tell Open WebUI about speaches, as docs/harbor.md says.
    unset = webui.get("/api/v1/audio/config")
    rows.check("its Open WebUI is not told, as docs/harbor.md says", "http://speaches:8000" not in unset.text, unset)
    rows.says("speaches harbor down", carol.run("speaches harbor down"))
    # It leaves containers, as docs/harbor.md says.
    carol.run("docker compose -f $HARBOR_HOME/__harbor.yml down")
    rows.check(
        "nothing is left", running(carol) == "" and ask("http://127.0.0.1:34331/health").status == 0, running(carol)
    )
    rows.says("speaches harbor uninstall", carol.run("speaches harbor uninstall"), "restored")
    rows.check("its directory is as it was", changes(carol) == "", changes(carol))
    rows.says("the first Harbor is up again", alice.run(f"speaches harbor up {STACK}", 600))


def hold() -> None:
    """Keeps the stack until the file `end` is in WORK/shown, so that you can look at it with `nsenter`."""
    print("held; look at it with: nsenter --target PID-OF-scenarios.py --all --root --wd bash", flush=True)
    wait("the file `end`", (LOGS / "end").exists, 7200)


def uninstalled() -> None:
    """The way back; nothing is up afterwards."""
    alice.run("speaches harbor down")
    rows.says("speaches harbor uninstall", alice.run("speaches harbor uninstall"), "removed")
    rows.check("Harbor's directory is as its release", changes(alice) == "", changes(alice))
    rows.check("Harbor's configuration is what it was, byte for byte", merged(alice) == stock)


SCENARIOS: list[Callable[[], None]] = [
    installed, up, log, browser, interface, proxy, killed, down_and_up, absent, port_taken, wrong_model, api_key,
    two_users, another_bridge, native_mode, hold, uninstalled,
]  # fmt: skip


def main() -> None:
    """All, or those that are named and the two that they need."""
    global alice
    asked = set(sys.argv[1:])
    names = {each.__name__ for each in SCENARIOS}
    unknown = asked - names
    if unknown:
        sys.exit(f"there is no scenario {', '.join(unknown)}")
    for file in LOGS.iterdir():
        file.unlink()
    print("stand-in: ollama answers everything with one sentence", flush=True)
    print(
        "stand-in: images are Debian with socat, or with Open WebUI out of the Python index without torch", flush=True
    )
    engine.start()
    version = command("docker", "version", "--format", "{{.Server.Version}}").strip()
    print(f"Docker {version}, {command('docker', 'compose', 'version').strip()}, Harbor {tag()}", flush=True)
    started = time.monotonic()
    engine.make_images()
    print(f"images made in {time.monotonic() - started:.0f} s", flush=True)
    alice = User("alice", ".harbor")
    for scenario in SCENARIOS:
        if scenario.__name__ not in (asked | {"installed", "up", "interface"} if asked else names - {"hold"}):
            continue
        print(f"\n== {scenario.__name__}", flush=True)
        try:
            scenario()
        except Exception as error:  # noqa: BLE001 -- the next ones are still of interest
            rows.check(f"{scenario.__name__} came to its end", False, repr(error))
    engine.stop()
    rows.end()


main()
