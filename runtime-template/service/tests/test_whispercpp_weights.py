import os
import re
import tempfile
import unittest

from speaches_service.whispercpp.weights import KNOWN, Catalog, Weights

from .ggml import REPOSITORY

MODEL = "Systran/faster-whisper-tiny"


class KnownWeightsTest(unittest.TestCase):
    def test_the_known_weights_are_those_of_the_manifest(self) -> None:
        with open(os.path.join(REPOSITORY, "manifests", "models.toml"), encoding="utf-8") as file:
            entries = file.read().split("[[model]]")
        pinned = set()
        for entry in entries:
            serves = re.search(r"^serves = \[(.*)\]$", entry, re.MULTILINE)
            if serves is not None:
                repository = re.search(r'^id = "(.*)"$', entry, re.MULTILINE)
                path = re.search(r'^path = "(.*)"$', entry, re.MULTILINE)
                assert repository is not None and path is not None, entry
                pinned.add(Weights(repository[1], path[1], tuple(re.findall(r'"([^"]*)"', serves[1]))))
        self.assertEqual(pinned, set(KNOWN))
        self.assertGreater(len(pinned), 5)


class CatalogTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.cache = scratch.name

    def put(self, repository: str, revision: str, file: str, main: bool = False) -> str:
        directory = os.path.join(self.cache, f"models--{repository.replace('/', '--')}")
        path = os.path.join(directory, "snapshots", revision, file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass
        if main:
            os.makedirs(os.path.join(directory, "refs"), exist_ok=True)
            with open(os.path.join(directory, "refs", "main"), "w", encoding="utf-8") as reference:
                reference.write(revision)
        return path

    def test_a_fetched_file_is_found(self) -> None:
        catalog = Catalog(self.cache)
        self.assertIsNone(catalog.path(MODEL))
        path = self.put("ggerganov/whisper.cpp", "a", "ggml-tiny.bin")
        self.put("ggerganov/whisper.cpp", "a", "ggml-base.bin")
        self.assertEqual(catalog.path(MODEL), path)
        self.assertIsNone(catalog.path("Systran/faster-whisper-tiny.en"))

    def test_the_current_revision_goes_before_others(self) -> None:
        self.put("ggerganov/whisper.cpp", "a", "ggml-tiny.bin")
        current = self.put("ggerganov/whisper.cpp", "b", "ggml-tiny.bin", main=True)
        self.put("ggerganov/whisper.cpp", "c", "ggml-tiny.bin")
        self.assertEqual(Catalog(self.cache).path(MODEL), current)
        os.unlink(current)
        self.assertTrue((Catalog(self.cache).path(MODEL) or "").endswith(os.path.join("a", "ggml-tiny.bin")))

    def test_bundled_weights_go_before_known_ones(self) -> None:
        own = Weights("org/own", "own.bin", (MODEL, "org/other"))
        catalog = Catalog(self.cache, [own])
        known = self.put("ggerganov/whisper.cpp", "a", "ggml-tiny.bin")
        self.assertEqual(catalog.path(MODEL), known)
        path = self.put("org/own", "x", "own.bin")
        self.assertEqual(catalog.path(MODEL), path)
        self.assertEqual(catalog.path("org/other"), path)
        self.assertEqual(catalog.weights_for("org/other"), own)
        self.assertIsNone(catalog.weights_for("org/unknown"))


if __name__ == "__main__":
    unittest.main()
