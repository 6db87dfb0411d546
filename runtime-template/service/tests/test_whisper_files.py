import os
import sys
import tempfile
import types
import unittest
from unittest import mock

from speaches_service import whisper_files


class LocalEntryNotFoundError(Exception):
    pass


class WhisperFilesTest(unittest.TestCase):
    """Fakes faster_whisper and huggingface_hub, and checks the calls."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name
        self.cached = True
        self.calls: list[bool] = []
        self.module = types.ModuleType("faster_whisper.transcribe")
        self.module.download_model = self.download  # type: ignore[attr-defined]
        errors = types.ModuleType("huggingface_hub.errors")
        errors.LocalEntryNotFoundError = LocalEntryNotFoundError  # type: ignore[attr-defined]
        replaced = {
            "faster_whisper": types.ModuleType("faster_whisper"),
            "faster_whisper.transcribe": self.module,
            "huggingface_hub": types.ModuleType("huggingface_hub"),
            "huggingface_hub.errors": errors,
        }
        patcher = mock.patch.dict(sys.modules, replaced)
        patcher.start()
        self.addCleanup(patcher.stop)
        whisper_files.rebind()

    def download(self, _size_or_id: str, *, local_files_only: bool, cache_dir: str | None) -> str:
        self.assertIsNone(cache_dir)
        self.calls.append(local_files_only)
        if local_files_only and not self.cached:
            raise LocalEntryNotFoundError
        return self.directory

    def fill(self, *names: str) -> None:
        for name in names:
            with open(os.path.join(self.directory, name), "w", encoding="utf-8"):
                pass

    def test_a_complete_model_is_never_requested_from_the_hub(self) -> None:
        self.fill("config.json", "model.bin", "tokenizer.json")
        self.assertEqual(self.module.download_model("a/b"), self.directory)
        self.assertEqual(self.calls, [True])

    def test_a_missing_model_is_downloaded(self) -> None:
        self.cached = False
        self.module.download_model("a/b", local_files_only=False, cache_dir=None)
        self.assertEqual(self.calls, [True, False])

    def test_an_interrupted_download_is_continued(self) -> None:
        self.fill("config.json")
        self.module.download_model("a/b")
        self.assertEqual(self.calls, [True, False])

    def test_local_files_only_is_respected(self) -> None:
        self.cached = False
        with self.assertRaises(LocalEntryNotFoundError):
            self.module.download_model("a/b", local_files_only=True)
        self.assertEqual(self.calls, [True])


if __name__ == "__main__":
    unittest.main()
