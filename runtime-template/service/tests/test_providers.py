import os
import sys
import tempfile
import unittest
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from speaches_service import fallback, providers
from speaches_service.precision import derived
from speaches_service.providers import COREML, CPU, CUDA, Providers, model_of, provider_list, with_user_options
from speaches_service.settings import Synthesis
from speaches_service.synthesis_probe import candidates, provider_choice
from speaches_service.synthesis_probe.decisions import CandidateResult, Decision, Decisions

from . import example

PATH = "/cache/hub/models--org--voice/snapshots/abc/model.onnx"


class Options(SimpleNamespace):
    """Upstream's options. Unset fields have the defaults of pydantic's model."""

    def __init__(self, **named: Any) -> None:
        super().__init__(
            **{
                "exclude_providers": ["TensorrtExecutionProvider"],
                "provider_priority": {CUDA: 100},
                "provider_opts": {},
                **named,
            }
        )
        self.model_fields_set = set(named)


class Refused(Exception):
    """Replaces FastAPI's `HTTPException`."""

    def __init__(self, status_code: int, detail: str) -> None:
        super().__init__(detail)
        self.status_code, self.detail = status_code, detail


class Session:
    """A session that gets only working providers."""

    works: Sequence[str] = (CPU, CUDA, COREML)
    raises: Sequence[str] = ()
    damaged = ""
    made: list["Session"]

    def __init__(self, path: object, sess_options: Any = None, providers: Any = (), enable_fallback: int = 1) -> None:
        self.path, self.options, self.asked, self.enable_fallback = path, sess_options, list(providers), enable_fallback
        if self.asked[0][0] in self.raises or path == self.damaged:
            raise RuntimeError("no driver\nmore")
        self.made.append(self)

    def get_providers(self) -> list[str]:
        return [name for name, _ in self.asked if name in self.works]


def module(name: str, **attributes: object) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(attributes)
    return made


class ProvidersTest(unittest.TestCase):
    def setUp(self) -> None:
        Session.works, Session.raises, Session.made, Session.damaged = (CPU, CUDA, COREML), (), [], ""
        self.used: list[tuple[str, str, str, str | None]] = []
        self.logged = mock.Mock()
        choice: dict[str, object] = {"get_ort_providers_with_options": lambda _options: [("anything", {})]}
        self.asr = module("onnx_asr", load_model=self.load_model)
        modules = {
            "fastapi": module("fastapi", HTTPException=Refused),
            "onnxruntime": module(
                "onnxruntime",
                __version__="1.2.3",
                SessionOptions=lambda: SimpleNamespace(enable_mem_pattern=True),
                RunOptions=mock.Mock,
                get_available_providers=lambda: [COREML, CUDA, CPU],
            ),
            "speaches.executors.kokoro": module("speaches.executors.kokoro", InferenceSession=Session, **choice),
            "speaches.executors.piper": module("speaches.executors.piper", InferenceSession=Session, **choice),
            "speaches.executors.parakeet": module("speaches.executors.parakeet", onnx_asr=self.asr, **choice),
            "speaches.executors.silero_vad_v5": module("speaches.executors.silero_vad_v5", **choice),
        }
        for patch in (mock.patch.dict(sys.modules, modules), mock.patch.object(fallback, "log_event", self.logged)):
            patch.start()
            self.addCleanup(patch.stop)

    def load_model(self, model: str, providers: Any) -> Any:
        asr = SimpleNamespace(_encoder=Session(model, providers=providers), _vocabulary={})
        return SimpleNamespace(asr=asr)

    def rebind(
        self,
        provider: str = "cpu",
        forced: bool = False,
        device: str = "cpu",
        key: str | None = None,
        precision: str = "auto",
        **settings: Any,
    ) -> None:
        chosen = example.settings(
            synthesis=Synthesis(provider, forced, "x", precision, ("original", "float32", "coreml"), key),
            transcription=example.transcription(device=device, forced=forced),
            **settings,
        )
        Providers(chosen, lambda *use: self.used.append(use)).rebind()

    def load(self, executor: str, options: Options | None = None) -> Session:
        """Load a model as upstream's executors do."""
        here: Any = sys.modules[f"speaches.executors.{executor}"]
        chosen = here.get_ort_providers_with_options(options or Options())
        session: Session = here.InferenceSession(PATH, providers=chosen)
        return session

    def load_parakeet(self, options: Options | None = None) -> Session:
        here: Any = sys.modules["speaches.executors.parakeet"]
        chosen = here.get_ort_providers_with_options(options or Options())
        adapter = here.onnx_asr.load_model("org/parakeet", providers=chosen)
        session: Session = adapter.asr._encoder
        return session

    def test_on_the_cpu_no_other_provider_is_tried(self) -> None:
        self.rebind()
        for executor, planned in (("kokoro", False), ("piper", True)):
            session = self.load(executor)
            self.assertEqual(session.asked, [(CPU, {})])
            self.assertEqual(session.options.enable_mem_pattern, planned, executor)
            self.assertEqual(session.enable_fallback, 0)
        self.assertEqual(self.load_parakeet().asked, [(CPU, {})])
        self.assertEqual(self.used[0], ("org/voice", "onnxruntime", "cpu", "original"))
        self.logged.assert_not_called()

    def test_a_float32_model_replaces_a_quantised_one_if_the_settings_allow_it(self) -> None:
        cases = {
            ("cpu", "auto"): True,
            ("cpu", "float32"): True,
            ("cpu", "original"): False,
            ("coreml", "auto"): True,
            ("cuda", "auto"): False,
            ("cuda", "float32"): True,
        }
        with mock.patch.object(derived, "obtain", return_value="/derived.onnx") as obtain:
            for (provider, precision), wanted in cases.items():
                obtain.reset_mock()
                self.rebind(provider=provider, precision=precision, forced=True, cache_directory="/cache")
                with self.subTest(f"{precision} on {provider}"):
                    self.assertEqual(self.load("kokoro").path, "/derived.onnx" if wanted else PATH)
                    self.assertEqual(self.used[-1][3], "float32" if wanted else "original")
                    self.assertEqual(obtain.call_args_list, [mock.call("/cache", PATH, "org/voice")] if wanted else [])
                self.doCleanups()
                self.setUp()

    def test_the_original_replaces_a_missing_or_broken_float32_model(self) -> None:
        self.rebind(cache_directory="/cache")
        with mock.patch.object(derived, "obtain", return_value=None):
            self.assertEqual(self.load("kokoro").path, PATH)
        Session.damaged = "/derived.onnx"
        with (
            mock.patch.object(derived, "obtain", return_value="/derived.onnx"),
            mock.patch.object(derived, "reject") as reject,
        ):
            self.assertEqual(self.load("kokoro").path, PATH)
        self.assertEqual(reject.call_args.args[:3], ("/cache", PATH, "org/voice"))
        self.assertEqual([use[3] for use in self.used], ["original", "original"])

    def test_cuda_follows_the_launcher_and_never_applies_to_silero(self) -> None:
        self.rebind(provider="cuda", device="cuda")
        self.assertEqual(self.load("kokoro").asked, [(CUDA, {"cudnn_conv_algo_search": "DEFAULT"}), (CPU, {})])
        self.assertEqual(self.load("piper").asked, [(CUDA, {}), (CPU, {})])
        self.assertEqual(self.load_parakeet().asked, [(CUDA, {}), (CPU, {})])
        silero: Any = sys.modules["speaches.executors.silero_vad_v5"]
        self.assertEqual(silero.get_ort_providers_with_options(Options()), [(CPU, {})])
        self.assertEqual({use[2] for use in self.used}, {"cuda"})

    def test_requested_coreml_keeps_its_compiled_models(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            self.rebind(provider="coreml", forced=True, machine_directory=directory)
            (name, options), cpu = self.load("kokoro").asked
            cache = candidates.cache_of(directory)
            self.assertEqual((name, cpu), (COREML, (CPU, {})))
            expected = {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU", "ModelCacheDirectory": cache}
            self.assertEqual(options, expected)
            self.assertTrue(os.path.isdir(cache))
            # If the directory cannot be created, the model still computes.
            with open(os.path.join(directory, "file"), "w"):
                pass
            self.assertEqual(provider_list(candidates.coreml(f"{directory}/file"))[0][0], COREML)

    def test_a_measurement_decides_the_next_load_and_records_its_failure(self) -> None:
        with (
            tempfile.TemporaryDirectory() as directory,
            mock.patch.object(provider_choice, "log_event", self.logged),
            mock.patch.object(derived, "obtain", return_value="/derived.onnx"),
        ):
            # The launcher decides for the default model. Another model was not measured, or is faster on the CPU.
            self.rebind(provider="coreml", key="k", machine_directory=directory)
            self.assertEqual(self.load("kokoro").asked, [(CPU, {})])
            original = CandidateResult("original", "right", 1.0)
            with Decisions(directory, "k").changing() as known:
                known["org/voice"] = Decision((original, CandidateResult("coreml", "right", 1.5, 0.999)))
            session = self.load("kokoro")
            self.assertEqual([name for name, _ in session.asked], [COREML, CPU])
            self.logged.assert_not_called()
            Session.raises = (COREML,)
            self.assertEqual(self.load("kokoro").asked, [(CPU, {})])
            self.logged.assert_called_once()
            failed = Decisions(directory, "k").read()["org/voice"].candidates[-1]
            self.assertEqual((failed.name, failed.outcome), ("coreml", "refused"))
            self.assertIn("no driver", failed.reason)
            expected = [("cpu", "float32"), ("coreml", "float32"), ("cpu", "original")]
            self.assertEqual([use[2:] for use in self.used], expected)

    def test_a_failed_provider_falls_back_with_one_line_unless_the_user_requested_it(self) -> None:
        for works, raises in (((CPU,), ()), ((CPU,), (CUDA,))):
            with self.subTest(works=works, raises=raises):
                Session.works, Session.raises, self.used = works, raises, []
                self.logged.reset_mock()
                self.setUp()
                Session.works, Session.raises = works, raises
                self.rebind(provider="cuda", device="cuda")
                self.assertEqual(self.load("kokoro").asked, [(CPU, {})])
                self.assertEqual(self.load_parakeet().asked, [(CPU, {})])
                self.assertEqual([call.args[1] for call in self.logged.call_args_list], ["warning"] * 2)
                self.assertEqual([use[2] for use in self.used], ["cpu", "cpu"])

                self.setUp()
                Session.works, Session.raises = works, raises
                self.rebind(provider="cuda", device="cuda", forced=True)
                for executor in ("kokoro", "piper", None):
                    with self.assertRaises(Refused) as caught:
                        self.load(executor) if executor else self.load_parakeet()
                    self.assertEqual(caught.exception.status_code, 503)
                    self.assertIn("cannot compute on cuda, which the settings require", caught.exception.detail)
                self.assertEqual(self.used, [])

    def test_a_broken_model_is_not_a_provider_error(self) -> None:
        Session.raises = (CPU,)
        self.rebind()
        with self.assertRaises(RuntimeError):
            self.load("kokoro")
        self.logged.assert_not_called()

    def test_the_users_options_of_a_provider_apply(self) -> None:
        available = [COREML, CUDA, CPU]

        def chosen(own: list[providers.Provider], **named: Any) -> list[providers.Provider]:
            return with_user_options(own, Options(**named), available)

        cpu: list[providers.Provider] = [(CPU, {})]
        cuda: list[providers.Provider] = [(CUDA, {"cudnn_conv_algo_search": "DEFAULT"}), (CPU, {})]
        self.assertEqual(chosen(cuda), cuda, "defaults of upstream are not what a user says")
        self.assertEqual(chosen(cuda, exclude_providers=[CUDA]), cpu)
        self.assertEqual(chosen(cpu, exclude_providers=[CPU]), cpu, "something has to compute")
        searched = {CUDA: {"cudnn_conv_algo_search": "HEURISTIC", "gpu_mem_limit": "1"}}
        self.assertEqual(chosen(cuda, provider_opts=searched)[0][1], searched[CUDA])
        self.assertEqual(chosen(cpu, provider_opts={COREML: {"ModelFormat": "MLProgram"}}), cpu)
        self.assertEqual(chosen(cpu, provider_priority={COREML: 7, "Unknown": 9}), [(COREML, {}), (CPU, {})])
        self.assertEqual([name for name, _ in chosen(cuda, provider_priority={CPU: 7})], [CPU, CUDA])

    def test_a_contradiction_between_settings_and_options_is_an_error(self) -> None:
        self.rebind(provider="cuda", forced=True)
        with self.assertRaises(Refused) as caught:
            self.load("kokoro", Options(exclude_providers=[CUDA]))
        self.assertIn("UNSTABLE_ORT_OPTS__", caught.exception.detail)

    def test_another_upstream_is_noticed(self) -> None:
        for executor in ("kokoro", "piper", "parakeet", "silero_vad_v5"):
            self.setUp()
            del vars(sys.modules[f"speaches.executors.{executor}"])["get_ort_providers_with_options"]
            with self.subTest(executor=executor), self.assertRaises(AttributeError):
                self.rebind()

    def test_a_model_is_identified_by_its_path(self) -> None:
        self.assertEqual(model_of(PATH), "org/voice")
        self.assertEqual(model_of("/elsewhere/model.onnx"), "/elsewhere/model.onnx")


if __name__ == "__main__":
    unittest.main()
