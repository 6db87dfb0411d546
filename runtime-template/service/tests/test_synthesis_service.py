"""Runs a whole service that measures the sample's models after its start."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from speaches_service.synthesis_probe.decisions import FILE

from . import example

SERVICE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HUB = os.path.join(SERVICE, "..", "..", "tests", "sample", "hub")
APP = os.path.join(os.path.dirname(sys.prefix), "app")

MISSING = [name for name in ("onnxruntime", "speaches", "uvicorn") if importlib.util.find_spec(name) is None]
if MISSING or not os.path.isdir(APP):
    print("skipping test_synthesis_service, which needs the Python of a runtime", file=sys.stderr)
    raise unittest.SkipTest("needs the Python of a runtime")


@unittest.skipUnless(os.name == "posix", "needs signals")
class ServiceTest(unittest.TestCase):
    def test_a_ready_service_measures_and_keeps_the_result_for_the_next_start(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            machine = os.path.join(scratch, "machine")
            log = self.serve(scratch, "a key", "measured in")
            self.assertLess(
                log.index("ready after"), log.index("measuring the fastest way to compute `sample/tone-speech`")
            )
            with open(os.path.join(machine, FILE), encoding="utf-8") as file:
                decided = json.load(file)
            self.assertEqual(decided["key"], "a key")
            candidates = decided["models"]["sample/tone-speech"]["candidates"]
            # The sample's model is in float32 already.
            self.assertEqual([each["name"] for each in candidates], ["original", "coreml"])
            if sys.platform != "darwin":
                self.assertEqual([each["outcome"] for each in candidates], ["right", "refused"])
                self.assertEqual(decided["models"]["sample/tone-speech"]["chosen"], "original")
            log = self.serve(scratch, "a key", "ready after")
            self.assertNotIn("measuring", log)
            shutil.rmtree(machine)
            log = self.serve(scratch, None, "ready after")
            self.assertNotIn("measuring", log)
            self.assertFalse(os.path.exists(machine), "nothing at all happens without a key")

    def serve(self, scratch: str, key: str | None, until: str) -> str:
        """Run a service until a second after its log contains `until`. Returns the log."""
        hub = os.path.join(scratch, "hub")
        if not os.path.exists(hub):
            shutil.copytree(HUB, hub)
        settings = example.raw_settings(
            runtime=os.path.dirname(sys.prefix),
            host=["127.0.0.1"],
            port=0,
            ui=False,
            tts_model="sample/tone-speech",
            stt_model="sample/tone-transcription",
            voice="tone_plain",
            offline=True,
            name="speaches-sample",
            machine_directory=os.path.join(scratch, "machine"),
            synthesis={
                "provider": "cpu",
                "forced": False,
                "why": "a test",
                "precision": "auto",
                "candidates": ["original", "float32", "coreml"],
                "probe_key": key,
            },
        )
        path = os.path.join(scratch, "log")
        with open(path, "wb") as log:
            service = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-B",
                    "-X",
                    "utf8",
                    os.path.join(SERVICE, "speaches_service_manager.py"),
                    "serve",
                ],
                cwd=APP,
                env={**os.environ, "SPEACHES_SERVICE_SETTINGS": json.dumps(settings), "HF_HUB_CACHE": hub},
                stderr=log,
            )
        deadline = time.monotonic() + 120
        text = ""
        try:
            while until not in text and time.monotonic() < deadline and service.poll() is None:
                time.sleep(0.1)
                with open(path, encoding="utf-8") as file:
                    text = file.read()
            self.assertIn(until, text)
            time.sleep(1)
        finally:
            if service.poll() is None:
                service.send_signal(signal.SIGTERM)
            self.assertEqual(service.wait(60), 0, text)
        with open(path, encoding="utf-8") as file:
            return file.read()


if __name__ == "__main__":
    unittest.main()
