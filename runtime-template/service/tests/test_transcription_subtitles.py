import random
import re
import sys
import unittest
from types import SimpleNamespace as Namespace

try:
    from speaches_service.transcription import subtitles
    from speaches_service.transcription.subtitles import (
        MAX_COLUMNS,
        MAX_SECONDS,
        Cue,
        Word,
        as_srt,
        as_vtt,
        cues,
        words_of,
    )
except ImportError as error:
    print(f"skipping test_transcription_subtitles, which needs fastapi and numpy: {error}", file=sys.stderr)
    raise unittest.SkipTest(f"needs fastapi and numpy: {error}") from error

TEXT = (
    "When the sunlight strikes raindrops in the air, they act as a prism and form a rainbow. The rainbow is a division "
    "of white light into many beautiful colors. These take the shape of a long round arch, with its path high above, "
    "and its two ends apparently beyond the horizon. There is, according to legend, a boiling pot of gold at one end."
)


def spoken(text: str, start: float = 0.0, seconds: float = 0.4) -> list[Word]:
    """Words of this duration, without pauses."""
    words = re.findall(r"\s*\S+", text)
    return [Word(word, start + index * seconds, start + (index + 1) * seconds) for index, word in enumerate(words)]


class SubtitlesTest(unittest.TestCase):
    def check(self, words: list[Word]) -> list[Cue]:
        shown = cues(words)
        text = re.sub(r"\s", "", "".join(word.text for word in words))
        self.assertEqual(re.sub(r"\s", "", "".join("".join(cue.lines) for cue in shown)), text, "nothing is lost")
        for cue, following in zip(shown, [*shown[1:], None], strict=True):
            self.assertLessEqual(len(cue.lines), 2)
            self.assertTrue(all(0 < subtitles._columns(line) <= MAX_COLUMNS for line in cue.lines), cue)
            self.assertLessEqual(cue.end - cue.start, MAX_SECONDS + 1e-6)
            self.assertLessEqual(cue.start, cue.end)
            if following is not None:
                self.assertLessEqual(cue.end, following.start + 1e-6)
        return shown

    def test_a_text_becomes_cues_that_end_where_sentences_and_clauses_do(self) -> None:
        shown = self.check(spoken(TEXT))
        ends = [cue.lines[-1][-1] for cue in shown]
        self.assertGreaterEqual(sum(end in ".," for end in ends), len(ends) - 2, [cue.lines for cue in shown])
        self.assertEqual(shown[0].lines, ("When the sunlight strikes", "raindrops in the air,"))

    def test_a_pause_begins_a_new_cue_and_a_short_one_stays_for_a_second(self) -> None:
        shown = self.check([*spoken("Yes.", 0, 0.2), *spoken("No.", 5, 0.2), *spoken(" Well", 5.3, 0.2)])
        self.assertEqual([(cue.start, cue.end) for cue in shown], [(0, 1), (5, 6)])
        self.assertEqual([cue.lines for cue in shown], [("Yes.",), ("No. Well",)])

    def test_a_word_longer_than_a_cue_or_a_line_is_split(self) -> None:
        self.check([Word(" Aaah", 0, 20), Word(" yes", 20, 20.2)])
        self.check(spoken(f"See https://example.com/{'a' * 50} and go on."))

    def test_random_words_of_all_kinds_fit(self) -> None:
        source = random.Random(1)
        for _ in range(200):
            now, words = 0.0, []
            for _ in range(source.randrange(1, 60)):
                now += source.choice((0, 0, 0, 0.1, 0.8, 30))
                length = source.choice((0, 0.1, 0.3, 1, 6.9, 9))
                text = "".join(source.choice("abc漢字.,!é") for _ in range(source.randrange(1, 30)))
                words.append(Word(source.choice(("", " ")) + text, now, now + length))
                now += length
            self.check(words)

    def test_scripts_without_blanks_are_split_and_twice_as_wide(self) -> None:
        text = "雨が降ると、空に虹がかかることがあります。" * 6
        segment = Namespace(text=text, start=0.0, end=30.0, words=None)
        shown = self.check(words_of([segment]))
        self.assertGreater(len(shown), 4)
        self.assertTrue(any(cue.lines[-1].endswith("。") for cue in shown))

    def test_a_segment_without_words_divides_its_time(self) -> None:
        segment = Namespace(text=f" {TEXT}", start=10.0, end=40.0, words=None)
        shown = self.check(words_of([segment]))
        self.assertGreaterEqual(shown[0].start, 10)
        self.assertAlmostEqual(shown[-1].end, 40, delta=0.5)

    def test_both_formats_are_valid(self) -> None:
        shown = [Cue(0, 1.9996, ("one", "<two> & three")), Cue(3661.5, 3662, ("four",))]
        srt = "1\n00:00:00,000 --> 00:00:02,000\none\n<two> & three\n\n2\n01:01:01,500 --> 01:01:02,000\nfour\n\n"
        self.assertEqual(as_srt(shown), srt)
        vtt = "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\none\n&lt;two&gt; &amp; three\n\n01:01:01.500 --> 01:01:02.000\n"
        self.assertEqual(as_vtt(shown), vtt + "four\n\n")
        self.assertEqual((as_srt([]), as_vtt([])), ("", "WEBVTT\n\n"), "without a head it is no WebVTT")


if __name__ == "__main__":
    unittest.main()
