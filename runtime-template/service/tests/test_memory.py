import ctypes
import sys
import unittest
from types import ModuleType
from typing import Any
from unittest import mock

from speaches_service import memory

MODULE = "speaches.executors.shared.base_model_manager"


class MemoryTest(unittest.TestCase):
    def test_each_system_has_its_own_function(self) -> None:
        for platform, library, function, count in (
            ("linux", None, "malloc_trim", 1),
            ("darwin", None, "malloc_zone_pressure_relief", 2),
            ("win32", "ucrtbase", "_heapmin", 0),
        ):
            with mock.patch.object(sys, "platform", platform), mock.patch.object(ctypes, "CDLL") as loaded:
                memory.release_free_memory()
            loaded.assert_called_once_with(library)
            called = getattr(loaded.return_value, function)
            self.assertEqual(len(called.call_args.args), count, platform)

    def test_a_system_without_a_function_is_left_alone(self) -> None:
        for loaded in (mock.Mock(return_value=object()), mock.Mock(side_effect=OSError("no such library"))):
            with mock.patch.object(ctypes, "CDLL", loaded):
                memory.release_free_memory()
            loaded.assert_called_once()

    @unittest.skipUnless(sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim"), "needs glibc")
    def test_this_system_accepts_freed_memory(self) -> None:
        memory.release_free_memory()

    def test_memory_is_released_after_an_unload(self) -> None:
        order: list[str] = []

        class SelfDisposingModel:
            def unload(self) -> None:
                order.append("unloaded")

        module = ModuleType(MODULE)
        vars(module)["SelfDisposingModel"] = SelfDisposingModel
        with mock.patch.dict(sys.modules, {MODULE: module}):
            memory.rebind()
        with mock.patch.object(memory, "release_free_memory", lambda: order.append("given back")):
            SelfDisposingModel().unload()
        self.assertEqual(order, ["unloaded", "given back"])

    def test_no_memory_is_released_for_a_model_in_use(self) -> None:
        class SelfDisposingModel:
            def unload(self) -> None:
                raise ValueError("still in use")

        module: Any = ModuleType(MODULE)
        module.SelfDisposingModel = SelfDisposingModel
        with (
            mock.patch.dict(sys.modules, {MODULE: module}),
            mock.patch.object(memory, "release_free_memory") as release_free_memory,
        ):
            memory.rebind()
            with self.assertRaises(ValueError):
                SelfDisposingModel().unload()
        release_free_memory.assert_not_called()

    def test_a_session_keeps_no_memory_between_runs(self) -> None:
        session, options = mock.Mock(), mock.Mock()
        shrinking = memory.ShrinkingSession(session, options)
        options.add_run_config_entry.assert_called_once_with("memory.enable_memory_arena_shrinkage", "cpu:0")
        self.assertIs(shrinking.run(None, {"x": 1}), session.run.return_value)
        session.run.assert_called_once_with(None, {"x": 1}, options)
        self.assertIs(shrinking.get_inputs, session.get_inputs)

    def test_a_session_without_an_arena_runs(self) -> None:
        def run(_names: Any, _inputs: Any, options: Any = None) -> str:
            if options is not None:
                raise RuntimeError("Did not find an arena based allocator registered for device-id")
            return "sound"

        session = mock.Mock(run=mock.Mock(side_effect=run))
        shrinking = memory.ShrinkingSession(session, mock.Mock())
        self.assertEqual([shrinking.run(None, {}), shrinking.run(None, {})], ["sound", "sound"])
        self.assertEqual(session.run.call_count, 3)

    def test_an_error_of_the_model_is_raised(self) -> None:
        shrinking = memory.ShrinkingSession(mock.Mock(run=mock.Mock(side_effect=ValueError("bad shape"))), mock.Mock())
        with self.assertRaisesRegex(ValueError, "bad shape"):
            shrinking.run(None, {})


if __name__ == "__main__":
    unittest.main()
