"""The message and the exit code of a service that cannot start."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from speaches_service.exit_codes import unavailable_component

from . import example

ENTRY = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "speaches_service_manager.py")
SETTINGS = example.raw_settings(runtime=os.path.abspath(os.sep), host=["127.0.0.1"], port=0)


def run(
    settings: dict[str, object] | str | None, *arguments: str, directory: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "SPEACHES_SERVICE_SETTINGS"}
    if settings is not None:
        environment["SPEACHES_SERVICE_SETTINGS"] = settings if isinstance(settings, str) else json.dumps(settings)
    return subprocess.run(
        # `-S` leaves out site-packages, so this interpreter finds no component of speaches.
        [sys.executable, "-I", "-S", "-B", "-X", "utf8", ENTRY, *(arguments or ("serve",))],
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class ExitCodesTest(unittest.TestCase):
    def test_a_wrong_command_line_is_64(self) -> None:
        result = run(SETTINGS, "dance")
        self.assertEqual(result.returncode, 64, result.stderr)
        self.assertIn("usage", result.stderr)

    def test_tuning_without_speaches_is_69(self) -> None:
        for arguments in (("tune",), ("tune", "--json")):
            result = run(SETTINGS, *arguments)
            self.assertEqual(result.returncode, 69, result.stderr)
            self.assertIn("is missing from this runtime", result.stderr)
        self.assertEqual(run(SETTINGS, "tune", "--yaml").returncode, 64)

    def test_missing_settings_are_64(self) -> None:
        result = run(None)
        self.assertEqual(result.returncode, 64, result.stderr)
        self.assertIn("SPEACHES_SERVICE_SETTINGS", result.stderr)

    def test_broken_settings_are_65(self) -> None:
        self.assertEqual(run("{").returncode, 65)

    def test_wrong_settings_are_78(self) -> None:
        result = run({**SETTINGS, "prot": 1})
        self.assertEqual(result.returncode, 78, result.stderr)
        self.assertIn("`prot`", result.stderr)

    def test_an_address_of_another_machine_is_78(self) -> None:
        self.assertEqual(run({**SETTINGS, "host": ["192.0.2.1"]}).returncode, 78)

    def test_a_taken_port_is_75(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            result = run({**SETTINGS, "port": port})
        self.assertEqual(result.returncode, 75, result.stderr)
        self.assertIn(f"port {port} on 127.0.0.1 is taken", result.stderr)

    def test_a_state_directory_that_cannot_be_created_is_73(self) -> None:
        result = run({**SETTINGS, "state_dir": os.path.join(ENTRY, "state")})
        self.assertEqual(result.returncode, 73, result.stderr)

    def test_a_missing_component_is_69_in_one_line_and_in_the_state(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            result = run({**SETTINGS, "state_dir": directory, "name": "speaches-sample"})
            with open(os.path.join(directory, "status.json"), encoding="utf-8") as file:
                status = json.load(file)
        self.assertEqual(result.returncode, 69, result.stderr)
        self.assertIn("the module `uvicorn` is missing", result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        self.assertIn("SAMPLE", result.stderr)
        self.assertIn("listening on http://127.0.0.1:", result.stderr)
        self.assertEqual((status["phase"], status["exit_code"]), ("stopped", 69))

    def test_a_missing_system_library_is_named_with_a_hint(self) -> None:
        failure = unavailable_component(
            ImportError("libssl.so.3: cannot open shared object file: No such file or directory")
        )
        self.assertIn("libssl.so.3", str(failure))
        self.assertIn("install it", failure.hint or "")
        self.assertIn("verify", unavailable_component(ImportError("cannot import name")).hint or "")

    def test_debug_shows_the_traceback_of_a_missing_component(self) -> None:
        result = run({**SETTINGS, "log_level": "debug"})
        self.assertEqual(result.returncode, 69, result.stderr)
        self.assertIn("Traceback", result.stderr)

    @unittest.skipUnless(os.name == "posix", "needs signals")
    def test_a_request_to_stop_during_the_start_is_0(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            # A uvicorn with a slow import. The process finds it in its working directory.
            with open(os.path.join(directory, "uvicorn.py"), "w", encoding="utf-8") as file:
                file.write("import time; time.sleep(60)")
            process = subprocess.Popen(
                [sys.executable, "-S", "-B", ENTRY, "serve"],
                env={"PYTHONPATH": directory, "SPEACHES_SERVICE_SETTINGS": json.dumps(SETTINGS)},
                stderr=subprocess.PIPE,
                text=True,
            )
            assert process.stderr is not None
            self.assertIn("listening", process.stderr.readline())
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=30), 0)
            process.stderr.close()


if __name__ == "__main__":
    unittest.main()
