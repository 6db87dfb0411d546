"""English text from the web: transcriptions have fewer errors if the text is normalised first."""

import importlib
import sys
from collections.abc import Callable

import sounds
import weights
from alignment import Comparison, compare
from outcome import Outcome
from servers import Places, ours
from table import Cell

# A text, and what a person reads.
TEXTS = (
    ("# Weather report\n\nIt will be **very** windy today.", "Weather report. It will be very windy today."),
    ("- eggs and butter\n- fresh bread\n- orange juice", "eggs and butter, fresh bread, orange juice"),
    ("Please read [the user guide](https://example.com/guide/a) first.", "Please read the user guide first."),
    ("Send your questions to support@example.com today.", "Send your questions to support at example dot com today."),
    ("The wind reached 85 km/h in the evening.", "The wind reached 85 kilometers per hour in the evening."),
    ("The next meeting is on 2025-03-04 in London.", "The next meeting is on March 4th, 2025 in London."),
    (
        "The old piano was sold for $1,250.50 yesterday.",
        "The old piano was sold for 1,250 dollars and 50 cents yesterday.",
    ),
    ("The router has the address 192.168.0.1 at home.", "The router has the address 192 dot 168 dot 0 dot 1 at home."),
    ("She has programmed in C++ for ten years.", "She has programmed in C plus plus for ten years."),
    ("Open the file main.py in your editor.", "Open the file main dot py in your editor."),
    ("Multiply the numbers: 2*3*4 is 24.", "Multiply the numbers: 2 times 3 times 4 is 24."),
    ("The `max_retry_count` is too small.", "The max retry count is too small."),
    ("Great work everyone! 🎉🇩🇪 See you on Monday.", "Great work everyone! See you on Monday."),
    ("| Fruit | Price |\n|---|---|\n| Apples | 3 dollars |", "Fruit, Price. Apples, 3 dollars."),
    ("Some fruit, e.g. apples, keeps for weeks.", "Some fruit, for example, apples, keeps for weeks."),
    ("The room is 20 °C warm, or 68 °F.", "The room is 20 degrees Celsius warm, or 68 degrees Fahrenheit."),
)


def run(places: Places, outcome: Outcome) -> None:
    """Speak each with and without it."""
    sys.path.insert(0, str(places.runtime / "service"))
    # Whisper may write a sign or the words for it.
    read: Callable[[str], str] = importlib.import_module("speaches_service.english_normalization").normalized
    found: dict[bool, list[Comparison]] = {True: [], False: []}
    rows: list[list[Cell]] = []
    with ours(places) as server:
        server.wait_for("/health/ready")
        for text, said in TEXTS:
            heard = {}
            for normalize, comparisons in found.items():
                spoken = server.client.speech(weights.SPEECH, "af_bella", text, normalize=normalize)
                answer = server.client.transcription(weights.WHISPER, sounds.wav(spoken.body))
                heard[normalize] = answer.body.decode(errors="replace").strip()
                comparisons.append(compare(read(said), read(heard[normalize])))
            rows.append([text[:40].replace("\n", " "), *(each[-1].errors for each in found.values()), heard[True][:80]])
    outcome.show("read aloud", ["text", "errors", "errors without", "heard"], rows)
    rate, without = (sum(each.errors for each in side) / sum(each.words for each in side) for side in found.values())
    outcome.check(rate < without, f"word error rate {rate:.3f} with it is lower than {without:.3f} without it")
