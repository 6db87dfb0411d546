import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from speaches_service import event_log

SERVICE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(program: str) -> list[str]:
    """The lines that a program writes to standard error in its own process."""
    environment = {**os.environ, "PYTHONPATH": SERVICE}
    result = subprocess.run([sys.executable, "-B", "-c", program], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stderr.splitlines()


class EventLogTest(unittest.TestCase):
    def test_text_names_the_level_only_where_it_matters(self) -> None:
        lines = run(
            "from speaches_service.event_log import log_event, configure\n"
            "configure('text', 'info', None)\n"
            "log_event('serving'); log_event('odd', 'warning', model='m'); log_event('hidden', 'debug')\n"
        )
        self.assertEqual(lines, ["speaches: serving", "speaches: warning: odd"])

    def test_json_is_one_object_a_line_with_details(self) -> None:
        lines = run(
            "from speaches_service.event_log import log_event, configure\n"
            "configure('json', 'info', None)\n"
            "log_event('two\\nlines', model='ü')\n"
        )
        event = json.loads(lines[0])
        self.assertEqual(len(lines), 1)
        self.assertEqual(
            (event["level"], event["logger"], event["message"], event["model"]),
            ("info", "speaches", "two\nlines", "ü"),
        )
        self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_a_record_of_a_library_is_logged_once_and_noise_never(self) -> None:
        lines = run(
            "import logging, sys\n"
            "from speaches_service import event_log, library_log\n"
            "event_log.configure('json', 'info', None)\n"
            "library = logging.getLogger('library')\n"
            "library.addHandler(logging.StreamHandler(sys.stderr))\n"
            "library_log.install('info')\n"
            "library.info('a %s', 'b'); library.debug('hidden')\n"
            "library.error(library_log.IGNORED_PREFIXES[0] + 'x')\n"
            "try: 1 / 0\n"
            "except ZeroDivisionError: library.exception('failed')\n"
        )
        events = [json.loads(line) for line in lines]
        self.assertEqual([event["message"].splitlines()[0] for event in events], ["a b", "failed"])
        self.assertIn("ZeroDivisionError", events[1]["message"])

    @unittest.skipUnless(hasattr(signal, "SIGHUP"), "there is no SIGHUP here")
    def test_a_renamed_file_is_left_alone_after_a_hangup(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            log = os.path.join(directory, "log")
            run(
                "import os, signal\n"
                "from speaches_service import event_log\n"
                f"event_log.configure('text', 'info', {log!r})\n"
                f"signal.signal(signal.SIGHUP, event_log.make_reopener({log!r}))\n"
                "event_log.log_event('before')\n"
                f"os.rename({log!r}, {log!r} + '.1')\n"
                "os.kill(os.getpid(), signal.SIGHUP)\n"
                "event_log.log_event('after')\n"
                "os.system('echo from a child >&2')\n"
            )
            with open(log + ".1", encoding="utf-8") as file:
                self.assertEqual(file.read(), "speaches: before\n")
            with open(log, encoding="utf-8") as file:
                self.assertEqual(file.read(), "speaches: reopened the log\nspeaches: after\nfrom a child\n")
            self.assertEqual(os.stat(log).st_mode & 0o777, 0o600)


class SecretsTest(unittest.TestCase):
    def tearDown(self) -> None:
        event_log.configure("text", "info", None)

    def test_no_logger_writes_a_secret(self) -> None:
        with mock.patch.dict(os.environ, {"API_KEY": "sk-very-secret", "HF_TOKEN": "hf_abc"}):
            event_log.configure("text", "info", None)
        for text, masked in (
            ('"WebSocket /v1/realtime?model=a&api_key=other&b=c" [accepted]', "model=a&api_key=********&b=c"),
            ("Bearer sk-very-secret was sent", "Bearer ******** was sent"),
            ("with hf_abc", "with ********"),
            ("nothing to hide", "nothing to hide"),
        ):
            self.assertIn(masked, event_log.mask(text))

    def test_a_key_of_one_letter_does_not_mask_every_letter(self) -> None:
        with mock.patch.dict(os.environ, {"API_KEY": "e"}):
            event_log.configure("text", "info", None)
        self.assertEqual(event_log.mask("here"), "here")
