import sys
import unittest
from types import SimpleNamespace
from typing import Any

try:
    from pydantic import BaseModel, Field, ValidationError

    from speaches_service.realtime import sessions
    from tests import example
except ImportError as error:
    print(f"skipping test_realtime_sessions, which needs pydantic and numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs pydantic and numpy: {error}") from error


class Detection(BaseModel):
    create_response: bool = True
    prefix_padding_ms: int = 0
    silence_duration_ms: int = 550
    threshold: float = Field(default=0.9, le=1)
    type: str = "server_vad"


class Heard(BaseModel):
    model: str
    language: str | None = None


class Session(BaseModel):
    voice: str = "af_heart"
    speech_model: str = "upstream's"
    instructions: str = "Be kind."
    turn_detection: Detection | None = Detection()
    input_audio_transcription: Heard = Heard(model="whisper")


class Partial(BaseModel):
    voice: str = ""
    instructions: str = ""
    modalities: list[str] = []


class Update(BaseModel):
    type: str
    event_id: str | None = None
    session: Partial


TYPES: Any = SimpleNamespace(
    Session=Session,
    TurnDetection=Detection,
    PartialSession=Partial,
    SessionUpdateEvent=Update,
    SessionUpdatedEvent=lambda session: SimpleNamespace(type="session.updated", session=session),
    create_invalid_request_error=lambda message, **more: SimpleNamespace(type="error", message=message, **more),
)


class SessionsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.published: list[Any] = []
        self.context: Any = SimpleNamespace(
            session=Session(), pubsub=SimpleNamespace(publish_nowait=lambda event: self.published.append(event))
        )

    def update(self, **session: Any) -> Any:
        """The session after a client's `session.update`."""
        event = sessions.in_beta_form({"type": "session.update", "event_id": "1", "session": session})
        sessions.update(self.context, sessions.update_event(TYPES).model_validate(event), TYPES)
        return self.context.session

    def errors(self) -> list[str]:
        return [event.message for event in self.published if event.type == "error"]

    def test_a_partial_detection_keeps_the_other_fields(self) -> None:
        self.assertEqual(self.update(turn_detection={"threshold": 0.5}).turn_detection, Detection(threshold=0.5))
        self.assertEqual(
            self.update(turn_detection={"silence_duration_ms": 200, "interrupt_response": True}).turn_detection,
            Detection(threshold=0.5, silence_duration_ms=200),
        )
        self.assertEqual([event.type for event in self.published], ["session.updated"] * 2)

    def test_null_disables_the_detection_and_a_type_restores_it(self) -> None:
        self.context.session.turn_detection = before = Detection(create_response=False, threshold=0.3)
        self.assertIsNone(self.update(turn_detection=None).turn_detection)
        self.assertEqual(self.update(turn_detection={"type": "server_vad"}).turn_detection, before)
        self.assertEqual(self.update().turn_detection, before)

    def test_an_unsupported_value_is_reported_and_others_are_applied(self) -> None:
        session = self.update(
            turn_detection={"type": "semantic_vad", "threshold": 0.4, "prefix_padding_ms": 900},
            input_audio_format="g711_ulaw",
            voice="bm_lewis",
        )
        self.assertEqual((session.turn_detection, session.voice), (Detection(threshold=0.4), "bm_lewis"))
        self.assertEqual(len(self.errors()), 3)
        for part in ("session.input_audio_format", "`session.turn_detection.type` `semantic_vad`", "900"):
            self.assertTrue(any(part in error for error in self.errors()), part)

    def test_an_unchanged_value_is_not_an_error(self) -> None:
        self.update(
            input_audio_format="pcm16",
            output_audio_format=None,
            turn_detection={"prefix_padding_ms": 300},
            instructions=None,
            unknown=[1],
        )
        self.assertEqual(self.errors(), [])
        self.assertEqual(self.context.session, Session())

    def test_the_newer_form_has_the_same_meaning(self) -> None:
        session = self.update(
            type="realtime",
            output_modalities=["text"],
            audio={
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": {"language": "de"},
                    "turn_detection": None,
                },
                "output": {"voice": "bf_emma"},
            },
        )
        self.assertEqual(session.input_audio_transcription, Heard(model="whisper", language="de"))
        self.assertEqual((session.turn_detection, session.voice), (None, "bf_emma"))
        self.assertEqual(self.errors(), [])

    def test_an_invalid_value_changes_nothing(self) -> None:
        wrongs: list[dict[str, Any]] = [{"turn_detection": {"threshold": 7}}, {"turn_detection": []}, {"voice": 5}]
        for wrong in wrongs:
            with self.assertRaises(ValidationError):
                self.update(instructions="Other.", **wrong)
        self.assertEqual(self.context.session, Session())
        for session in (5, None, [1]):
            with self.assertRaises(ValidationError):
                sessions.update_event(TYPES).model_validate(
                    sessions.in_beta_form({"type": "session.update", "session": session})
                )

    def test_sessions_begin_with_the_models_of_the_service(self) -> None:
        def maker(model: str, intent: str, _language: str | None, transcription_model: str | None) -> Any:
            heard = Heard(model=transcription_model or ("distil" if intent == "conversation" else model))
            return Session(input_audio_transcription=heard)

        settings = example.settings(tts_model="kokoro", stt_model="base", voice="af_bella")
        make = sessions.with_defaults(maker, settings)
        for session, heard in (
            (make("gpt"), "base"),
            (make("gpt", "conversation", None, "own"), "own"),
            (make("tiny", "transcription"), "tiny"),
        ):
            self.assertEqual(session.input_audio_transcription.model, heard)
            self.assertEqual((session.speech_model, session.voice), ("kokoro", "af_bella"))
        nothing = settings._replace(tts_model=None, stt_model=None, voice=None)
        session = sessions.with_defaults(maker, nothing)("gpt")
        self.assertEqual((session.input_audio_transcription.model, session.voice), ("distil", "af_heart"))


if __name__ == "__main__":
    unittest.main()
