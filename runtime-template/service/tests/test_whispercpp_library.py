"""whisper.cpp's log during a load."""

import unittest

from speaches_service.whispercpp.library import blocking_errors


class BlockingErrorsTest(unittest.TestCase):
    """The levels are ggml's: 2 is information, 4 an error."""

    LINES = (
        (2, "whisper_backend_init_gpu: using MTL0 backend"),
        (4, "ggml_metal_library_init: error compiling source"),
        (4, ""),
    )

    def test_missing_optional_features_of_metal_are_not_errors(self) -> None:
        self.assertEqual(blocking_errors(self.LINES, is_loaded=True), [])

    def test_an_error_of_metal_is_the_reason_of_a_failed_load(self) -> None:
        self.assertEqual(
            blocking_errors(self.LINES, is_loaded=False), ["ggml_metal_library_init: error compiling source"]
        )

    def test_every_other_error_counts(self) -> None:
        broken = (4, "whisper_model_load: tensor 'decoder' has wrong size in model file")
        self.assertEqual(blocking_errors([*self.LINES, broken], is_loaded=True), [broken[1]])


if __name__ == "__main__":
    unittest.main()
