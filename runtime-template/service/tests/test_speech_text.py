import random
import unittest

from speaches_service.speech_text import (
    MAX_FIRST_WEIGHT,
    MAX_WEIGHT,
    Boundary,
    Piece,
    is_pronounceable,
    split_text,
    weight,
)


def texts(text: str) -> list[str]:
    return [piece.text for piece in split_text(text)]


def sentences(text: str) -> list[str]:
    """The sentences of a text whose sentences are all longer than the minimum of a piece."""
    filler = "and this is only here to make it long enough"
    return [piece.removesuffix(filler).strip() for piece in texts(text)]


def letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


class SplitTextTest(unittest.TestCase):
    def test_the_first_piece_is_the_first_sentence_and_the_next_ones_grow(self) -> None:
        text = "The morning was quiet and the harbour lay under mist. " * 12
        pieces = list(split_text(text))
        self.assertEqual(pieces[0], Piece("The morning was quiet and the harbour lay under mist.", Boundary.SENTENCE))
        weights = [weight(piece.text) for piece in pieces]
        self.assertEqual(weights[:3], [53, 53, 107], "two of them are too long for the second")
        self.assertLessEqual(max(weights), MAX_WEIGHT)
        self.assertEqual({piece.end for piece in pieces[:-1]}, {Boundary.SENTENCE})

    def test_a_piece_is_computed_while_the_pieces_before_it_are_played(self) -> None:
        source = random.Random(3)
        for _ in range(50):
            words = [("x" * source.randrange(1, 12)) + source.choice(("", "", "", ",", ".")) for _ in range(150)]
            ahead = 0.0
            for number, piece in enumerate(weight(piece.text) for piece in split_text(" ".join(words))):
                if number > 0:
                    self.assertLessEqual(piece, max(60, 1.8 * ahead) + 1)
                # The computation takes at most 1 / 1.8 of the piece's playing time.
                ahead += piece - (piece / 1.8 if number > 0 else 0)

    def test_a_long_sentence_is_split_at_a_clause_then_at_a_word_then_anywhere(self) -> None:
        clause = "when the ferry had left the pier, "
        first = next(split_text(f"{clause * 6}it was quiet."))
        self.assertEqual(first, Piece(clause.strip(), Boundary.CLAUSE))
        first = next(split_text("on and on " * 52))
        self.assertEqual(first.end, Boundary.WORD)
        self.assertLessEqual(weight(first.text), MAX_FIRST_WEIGHT)
        self.assertEqual(texts("a" * 400), ["a" * 60, "a" * 108, "a" * 180, "a" * 52])

    def test_full_stops_inside_of_sentences(self) -> None:
        for whole in (
            "Dr. Smith and Mrs. Jones paid for it and then they went home.",
            "It costs 3.50 euros or so as of 10.30 a.m. today.",
            "J. R. R. Tolkien wrote e.g. the Hobbit, which is a book of his.",
            "Look at https://example.com/a.b?c=d or at support@example.com for it.",
            "Version 2.0.1 of C. Brown's program runs at 5 p.m. every day of it.",
            "He waited for it... and waited for it, and it did not come to him.",
            "Yahoo! is the name of a company that is older than this project.",
            "In the U.S. there are miles, and in the U.K. there are some as well.",
            "1. Open the door and go into the room that is on the left side of it.",
            "Das gilt z.B. für Hunde, d.h. für Tiere, bzw. für alle, die es gibt.",
        ):
            self.assertEqual(texts(f"{whole} {whole}"), [whole, whole])

    def test_ends_of_sentences(self) -> None:
        for end in ("went home.", 'said "Yes."', "asked why?", "shouted (and laughed!)", "know…", "lives in the U.S."):
            first = f"After a long day in the town he {end}"
            self.assertEqual(
                texts(f"{first} Then it was quiet in the house again and stayed so."),
                [
                    first,
                    "Then it was quiet in the house again and stayed so.",
                ],
            )

    def test_marks_of_other_scripts_count(self) -> None:
        for first, second in (
            ("今天天气很好我们去公园散步。", "你想一起来吗我们可以吃饭。"),
            ("你想和我们一起去公园散步吗\uff1f", "你想一起来吗我们可以吃饭。"),
            ("こんにちは私の名前はあゆみです?", "今日はいい天気ですねと言った。"),
        ):
            self.assertEqual(texts(first + second * 3)[0], first)
        hindi = "यह एक बहुत लंबा वाक्य है जो यहाँ समाप्त होता है"
        self.assertEqual(texts(f"{hindi}। {hindi}।"), [f"{hindi}.", f"{hindi}."])
        arabic = "هل تريد أن تأتي معنا إلى الحديقة غدا صباحا"
        self.assertEqual(texts(f"{arabic}؟ {arabic}؟"), [f"{arabic}?", f"{arabic}?"])

    def test_a_line_that_ends_without_a_mark_is_a_pause(self) -> None:
        self.assertEqual(texts("Milk\nApples\n\nOranges"), ["Milk. Apples. Oranges"])
        self.assertEqual(texts("Buy:\n- milk\n- bread"), ["Buy: - milk. - bread"])
        self.assertEqual(texts("牛奶\n面包"), ["牛奶。 面包"])

    def test_a_wrapped_line_is_joined_with_the_next(self) -> None:
        text = "This line was broken because the page was\nnot wide enough for it."
        self.assertEqual(texts(text), [text.replace("\n", " ")])

    def test_letters_digits_and_signs_with_a_name_are_pronounceable(self) -> None:
        for text in ("a", "é", "7", "%", "$", "+", "你", "ا", "- 1"):
            self.assertTrue(is_pronounceable(text), text)
        for text in ("", " ", "-", "…", "?!", "\u200b", "()", "🙂", "—\n—"):
            self.assertFalse(is_pronounceable(text), text)

    def test_blanks_give_no_pieces(self) -> None:
        for text in ("", " ", "\n\t \n"):
            self.assertEqual(texts(text), [])
        for text in ("-", "...", "😀", "x"):
            self.assertEqual(texts(text), [text])

    def test_a_piece_beyond_the_models_limit_is_split_again(self) -> None:
        pieces = list(split_text("one two three four five six seven. " * 5, lambda text: len(text) <= 20))
        self.assertLessEqual(max(len(piece.text) for piece in pieces), 20)
        self.assertEqual(" ".join(piece.text for piece in pieces), ("one two three four five six seven. " * 5).strip())
        self.assertEqual([piece.text for piece in split_text("ab", lambda _text: False)], ["a", "b"], "it ends")

    def test_formatting_characters_are_not_read(self) -> None:
        self.assertEqual(texts("Hel\u00adlo\u200b wor\u2060ld\ufeff, \u202eagain\u202c\u200f"), ["Hello world, again"])
        self.assertEqual(texts("\u062a\u0640\u0640\u0627\u0631"), ["\u062a\u0627\u0631"])
        self.assertEqual(texts("\u0646\u200c\u0645"), ["\u0646\u200c\u0645"], "this one parts letters")

    def test_runs_of_marks_are_split_at_any_limit(self) -> None:
        runs = [
            mark * 1000 for mark in (".", "?!", ".)", '"', "-", ";", "\n", " ", "\u2028", "。", "…'", ", ", "\u0301")
        ]
        for text in [*runs, *(f"Well{run}then{run}" for run in runs)]:
            for most in (4, 510):
                pieces = list(split_text(text, lambda part, most=most: len(part) <= most))  # type: ignore[misc]
                self.assertLessEqual(max((len(piece.text) for piece in pieces), default=0), most, text[:10])
                self.assertEqual(letters("".join(piece.text for piece in pieces)), letters(text))

    def test_no_text_is_lost_and_no_piece_is_too_long(self) -> None:
        source = random.Random(0)
        alphabet = "aaabcdeé  \n.,!?;:。，我漢あア한यअ1٣-—()\"'”…/@#*_😀\t"
        for length in (1, 10, 100, 520, 10_000):
            for _ in range(40 if length < 1000 else 3):
                text = "".join(source.choice(alphabet) for _ in range(length))
                pieces = list(split_text(text, lambda part: len(part) <= 150))
                self.assertEqual(letters("".join(piece.text for piece in pieces)), letters(text))
                for piece in pieces:
                    self.assertTrue(piece.text.strip())
                    self.assertLessEqual(len(piece.text), 150)
                    self.assertLessEqual(weight(piece.text), MAX_WEIGHT + 8, "a mark at its end may be over")


if __name__ == "__main__":
    unittest.main()
