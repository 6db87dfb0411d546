import gc
import importlib.util
import sys
import unittest

from speaches_service.deferred_imports import (
    DeferredModule,
    garbage_collection_paused,
    is_installed,
    modules_replaced,
    placeholder,
)


class DeferredImportsTest(unittest.TestCase):
    def test_a_hidden_module_looks_absent_and_comes_back(self) -> None:
        import json

        with modules_replaced({"json": None, "no_such_module": None}):
            self.assertIsNone(importlib.util.find_spec("json"))
            with self.assertRaises(ImportError):
                import json as _  # noqa: F401
        self.assertIs(sys.modules["json"], json)
        self.assertNotIn("no_such_module", sys.modules)

    def test_a_placeholder_is_found_while_it_is_needed_and_leaves_no_trace(self) -> None:
        with modules_replaced({"made.up": placeholder("made.up", Thing=int)}):
            from made.up import Thing  # type: ignore[import-not-found]

            self.assertIs(Thing, int)
            self.assertIsNotNone(importlib.util.find_spec("made.up"))
        self.assertFalse(is_installed("made.up"))
        self.assertNotIn("made", sys.modules)

    def test_a_deferred_module_is_imported_at_its_first_use(self) -> None:
        deferred = DeferredModule("colorsys")
        sys.modules.pop("colorsys", None)
        self.assertNotIn("colorsys", sys.modules)
        self.assertEqual(deferred.rgb_to_hsv(1, 1, 1), (0.0, 0.0, 1))
        self.assertIn("colorsys", sys.modules)

    def test_the_collector_works_again_after_an_error(self) -> None:
        with self.assertRaises(ImportError), garbage_collection_paused():
            self.assertFalse(gc.isenabled())
            raise ImportError
        self.assertTrue(gc.isenabled())
        gc.unfreeze()


if __name__ == "__main__":
    unittest.main()
