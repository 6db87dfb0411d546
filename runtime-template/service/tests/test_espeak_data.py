import os
import tempfile
import unittest

from speaches_service.espeak_data import LONGEST_PATH, shorten


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
            self.assertLessEqual(len(short), LONGEST_PATH)
            self.assertTrue(os.path.samefile(short, data))
            os.chdir(before)

    def test_a_path_that_stays_too_long_is_an_error_instead_of_the_end_of_the_process(self) -> None:
        with self.assertRaises(RuntimeError):
            shorten("/" + "ä" * LONGEST_PATH)


if __name__ == "__main__":
    unittest.main()
