import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

try:
    import numpy as np
    from fastapi import HTTPException

    from speaches_service import kokoro_voices
    from speaches_service.kokoro_voices import Blend, resolve_voice, style_of
except ImportError as error:
    print(f"skipping test_kokoro_voices, which needs fastapi and numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs fastapi and numpy: {error}") from error


class KokoroVoicesTest(unittest.TestCase):
    def setUp(self) -> None:
        executor = ModuleType(kokoro_voices._EXECUTOR)
        names = ("af_bella", "af_sky", "am_onyx")
        vars(executor)["VOICES"] = [SimpleNamespace(name=name) for name in names]
        patch = mock.patch.dict(sys.modules, {kokoro_voices._EXECUTOR: executor})
        patch.start()
        self.addCleanup(patch.stop)

    def test_a_blend_is_the_first_voice_with_the_weights_of_all(self) -> None:
        third = 1 / 3
        cases = {
            "af_bella+af_sky": {"af_bella": 0.5, "af_sky": 0.5},
            " af_bella(2) + af_sky(1)": {"af_bella": 2 * third, "af_sky": third},
            "af_sky(0.5)+af_sky(0.5)": {"af_sky": 1.0},
            "af_bella(0)+am_onyx": {"af_bella": 0.0, "am_onyx": 1.0},
        }
        for requested, weights in cases.items():
            blend = resolve_voice(requested)
            assert isinstance(blend, Blend)
            self.assertEqual(blend, next(iter(weights)))
            for name, weight in weights.items():
                self.assertAlmostEqual(blend.weights[name], weight, msg=requested)

    def test_the_style_of_a_blend_is_the_mean_of_its_voices(self) -> None:
        styles = {"af_bella": np.array([[3.0, 0.0]]), "af_sky": np.array([[0.0, 3.0]])}
        kokoro = SimpleNamespace(get_voice_style=styles.__getitem__)
        np.testing.assert_allclose(style_of(kokoro, resolve_voice("af_bella(2)+af_sky")), [[2, 1]])
        self.assertIs(style_of(kokoro, "af_sky"), styles["af_sky"])

    def test_many_threads_read_one_archive(self) -> None:
        names = [f"voice{number}" for number in range(20)]
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "voices.npz")
            styles: Any = {name: np.random.default_rng(1).random((510, 256)) for name in names}
            np.savez_compressed(path, **styles)
            with np.load(path) as voices, ThreadPoolExecutor(8) as pool:
                kokoro = SimpleNamespace(get_voice_style=voices.__getitem__)
                shapes = list(pool.map(lambda name: style_of(kokoro, name).shape, names * 5))
        self.assertEqual(set(shapes), {(510, 256)})

    def test_an_invalid_blend_is_rejected_with_the_reason(self) -> None:
        cases = {
            "af_bella+nobody": "unknown voice `nobody`",
            "af_bella+": "as a blend",
            "+": "as a blend",
            "af_bella(-1)+af_sky": "as a blend",
            "af_bella(1.2.3)+af_sky": "is not a number",
            "af_bella(0)+af_sky(0)": "add up to 0",
        }
        for requested, reason in cases.items():
            with self.assertRaises(HTTPException) as caught:
                resolve_voice(requested)
            self.assertEqual(caught.exception.status_code, 422)
            self.assertIn(reason, caught.exception.detail)

    def test_a_known_name_stays_and_openais_names_get_a_voice(self) -> None:
        for requested, voice in (("af_sky", "af_sky"), ("nobody", "nobody"), ("alloy", "alloy"), ("onyx", "am_onyx")):
            self.assertEqual(resolve_voice(requested), voice)
        self.assertEqual(resolve_voice("nova"), "nova", "its voice is not among these")


if __name__ == "__main__":
    unittest.main()
