"""A transcription beside its text: word error rate, and runs of words that are missing, doubled or added."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
ABBREVIATIONS = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "okay": "ok", "percent": "%"}


@dataclass(frozen=True)
class Comparison:
    """The cheapest way from what was said to what was heard."""

    errors: int
    words: int
    gap: int  # the longest run of words that were said and not heard
    addition: int  # the longest run of words that were heard and not said

    @property
    def rate(self) -> float:
        """Word error rate."""
        return self.errors / max(1, self.words)


def compare(said: str, heard: str) -> Comparison:
    """Compare after both are normalised: case, marks, and the spelling of numbers do not count."""
    return align(normalised(said), normalised(heard))


def normalised(text: str) -> list[str]:
    """The words of a text, in one spelling; numbers become single digits, so that 1,250 and its words are the same."""
    text = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    text = re.sub(r"(\d)[,\s](?=\d{3}\b)", r"\1", text)
    text = re.sub(r"(\d+)(st|nd|rd|th)\b", r"\1", text)
    text = re.sub(r"\$\s?(\d+(?:\.\d+)?)", r"\1 dollars ", text)
    text = text.replace("%", " % ").replace("'", "")
    # Marks are a part of words: Devanagari writes its vowels with them, and `re` does not count them as letters.
    text = "".join(letter if letter == "%" or unicodedata.category(letter)[0] in "LMN" else " " for letter in text)
    words = re.findall(r"\d+|%|[^\d\s%]+", text)
    words = [ABBREVIATIONS.get(word, word) for word in words]
    digits: list[str] = []
    for word in _numbers(words):
        digits += list(word) if word.isdigit() else [word]
    return digits


def align(said: Sequence[str], heard: Sequence[str]) -> Comparison:
    """Levenshtein's distance in words, and the longest runs that only one side has."""
    columns = len(heard) + 1
    costs = [list(range(columns))]
    for row, word in enumerate(said, 1):
        before = costs[-1]
        line = [row]
        for column, other in enumerate(heard, 1):
            line.append(min(before[column - 1] + (word != other), before[column] + 1, line[-1] + 1))
        costs.append(line)
    row, column = len(said), len(heard)
    gap = addition = longest_gap = longest_addition = 0
    # A number is one word here, however many digits it has.
    weights = [[_weight(words, position) for position in range(len(words))] for words in (said, heard)]
    while row or column:
        cost = costs[row][column]
        if row and column and cost == costs[row - 1][column - 1] + (said[row - 1] != heard[column - 1]):
            row, column = row - 1, column - 1
            gap = addition = 0
        elif row and cost == costs[row - 1][column] + 1:
            row, gap, addition = row - 1, gap + weights[0][row - 1], 0
        else:
            column, gap, addition = column - 1, 0, addition + weights[1][column - 1]
        longest_gap, longest_addition = max(longest_gap, gap), max(longest_addition, addition)
    return Comparison(costs[-1][-1], len(said), longest_gap, longest_addition)


def _weight(words: Sequence[str], position: int) -> int:
    follows = position > 0 and words[position - 1].isdigit()
    return 0 if follows and words[position].isdigit() else 1


def _numbers(words: Sequence[str]) -> list[str]:
    """Numbers in words as digits: `twelve hundred and fifty` is 1250, and `nineteen eighty four` is 1984."""
    found: list[str] = []
    total: int | None = None
    group = 0
    for position, word in enumerate(words):
        value = _value(word)
        if value is not None and (total is None or _fits(group, value)):
            total, group = total or 0, group + value
        elif value is not None:
            found.append(str((total or 0) + group))
            total, group = 0, value
        elif word == "hundred" and (total is not None or found[-1:] == ["a"]):
            if total is None:
                found.pop()
            total, group = total or 0, max(1, group) * 100
        elif word in ("thousand", "million") and total is not None:
            total, group = (total + max(1, group)) * (1000 if word == "thousand" else 1_000_000), 0
        elif (
            word == "and"
            and total is not None
            and group % 100 == 0
            and _value((*words[position + 1 :], "")[0]) is not None
        ):
            continue
        else:
            if total is not None:
                found.append(str(total + group))
                total, group = None, 0
            found.append(word)
    return found if total is None else [*found, str(total + group)]


def _value(word: str) -> int | None:
    if word in UNITS:
        return UNITS.index(word)
    if word in TENS:
        return (TENS.index(word) + 2) * 10
    return ORDINALS.get(word)


def _fits(group: int, value: int) -> bool:
    """Whether a word goes on with the number before it: twenty and one, but not nineteen and eighty."""
    return (group % 100 == 0 and group > 0) or (group % 100 >= 20 and group % 10 == 0 and 0 < value < 10)
