import os
import tempfile
import unittest
from types import SimpleNamespace
from unittest import mock

from speaches_service.espeak_data import MAX_PATH_BYTES, find_library_directory, shorten


class EspeakDataTest(unittest.TestCase):
    def test_a_short_path_stays(self) -> None:
        self.assertEqual(shorten("/opt/espeak-ng-data"), "/opt/espeak-ng-data")

    def test_a_long_path_becomes_relative_and_means_the_same_directory(self) -> None:
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        with tempfile.TemporaryDirectory() as scratch:
            root = os.path.join(scratch, *["long" * 10] * 5)
            data = os.path.join(root, "python", "espeak-ng-data")
            os.makedirs(data)
            os.makedirs(os.path.join(root, "app"))
            os.chdir(os.path.join(root, "app"))
            short = shorten(data)
            self.assertLessEqual(len(short), MAX_PATH_BYTES)
            self.assertTrue(os.path.samefile(short, data))
            os.chdir(before)

    def test_a_path_that_stays_too_long_is_an_error_instead_of_the_end_of_the_process(self) -> None:
        with self.assertRaises(RuntimeError):
            shorten("/" + "ä" * MAX_PATH_BYTES)

    @unittest.skipUnless(hasattr(os, "ST_NOEXEC"), "only Linux says from where nothing may be run")
    def test_libraries_are_copied_to_a_directory_without_noexec(self) -> None:
        flags = {"/tmp": os.ST_NOEXEC | os.ST_NOSUID, "/state": os.ST_NOSUID}  # type: ignore[attr-defined,unused-ignore]
        with (
            mock.patch("os.statvfs", lambda path: SimpleNamespace(f_flag=flags[path])),
            mock.patch("speaches_service.espeak_data.log_event") as log_event,
        ):
            self.assertEqual(find_library_directory(["/state", "/tmp"]), "/state")
            self.assertEqual(find_library_directory(["/tmp", "/state"]), "/state")
            log_event.assert_not_called()
            self.assertEqual(find_library_directory(["/tmp"]), "/tmp")
            log_event.assert_called_once()


if __name__ == "__main__":
    unittest.main()
