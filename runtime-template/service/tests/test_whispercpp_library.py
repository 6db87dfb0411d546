"""What whisper.cpp says while it loads."""

import unittest

from speaches_service.whispercpp.library import blocking_errors


class Faults(unittest.TestCase):
    """Levels are ggml's: 2 is information, 4 an error."""

    LINES = (
        (2, "whisper_backend_init_gpu: using MTL0 backend"),
        (4, "ggml_metal_library_init: error compiling source"),
        (4, ""),
    )

    def test_what_metal_does_without_is_no_fault(self) -> None:
        self.assertEqual(blocking_errors(self.LINES, is_loaded=True), [])

    def test_it_is_the_reason_when_nothing_was_loaded(self) -> None:
        self.assertEqual(
            blocking_errors(self.LINES, is_loaded=False), ["ggml_metal_library_init: error compiling source"]
        )

    def test_every_other_error_counts(self) -> None:
        broken = (4, "whisper_model_load: tensor 'decoder' has wrong size in model file")
        self.assertEqual(blocking_errors([*self.LINES, broken], is_loaded=True), [broken[1]])


if __name__ == "__main__":
    unittest.main()
