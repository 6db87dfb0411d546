"""Text for speech, cut where a speaker pauses.

A model computes a piece as a whole, so the first sound waits for the first piece, and a piece bounds the memory and the
time that one computation takes. The first piece is short, and the next ones grow as far as the sound before them lasts
while they are computed.

Weights stand for lengths of sound: a Latin letter is 1 (about 0.06 s), a digit or a sign of Chinese or Japanese more.
"""

import bisect
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple

MAX_FIRST_WEIGHT = 90
"""The weight of the first piece at most: about five seconds of sound."""
MAX_FIRST_WEIGHT_OF_LONG_TEXT = 60
"""The same where a long text follows: the sound should begin soon, and a clause is enough."""
MAX_WEIGHT = 180
"""The weight of any piece at most: about ten seconds of sound."""
GROWTH = 1.8
"""How many times the weight of what is still to be played the next piece may have: it is computed meanwhile."""
MIN_WEIGHT = 30
"""The weight that a piece has at least, where the text allows it: half a sentence sounds worse than a late one."""
MIN_LIMIT = 60
"""What may always follow, however short the last piece was."""


class Boundary(IntEnum):
    """What is at the end of a piece, weakest first."""

    ANYWHERE = 0
    WORD = 1
    CLAUSE = 2
    SENTENCE = 3
    LINE = 4
    """The end of a line or of a paragraph."""


class Piece(NamedTuple):
    """A part of a text."""

    text: str
    end: Boundary


_ABBREVIATIONS = frozenset(
    """
    mr mrs ms mx dr prof st mt vs e.g i.e cf ca approx no nos vol pp p fig figs eq ch sec dept est gen col sgt capt lt
    cmdr rev hon gov sen rep pres messrs jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur
    thurs fri av ave blvd rd tel ext max min incl excl et al
    z.b d.h u.a o.ä bzw vgl ggf evtl nr str hr fr abs bsp
    mme mlle mm art sra srta dña ud uds pág núm sig dott ing avv
    """.split()  # noqa: SIM905 - shorter than a list
)
"""Words that end in a full stop in the middle of a sentence."""
_MAY_END_A_SENTENCE = frozenset(
    """
    etc inc ltd co corp jr sr bros plc a.m p.m u.s u.k u.n e.u d.c ph.d m.d b.c a.d usw
    """.split()  # noqa: SIM905 - shorter than a list
)
"""Those that may also end one: a capital letter decides."""
_MIN_WRAPPED_LINE = 40
"""Characters from which a line that ends without a mark, before a small letter, was broken to fit a page."""

_MARKS = re.compile(
    r"""
      (?P<line>     \s*\n\s* )
    | (?P<wide>     [。！？｡．]+ ["'”’»›)\]}）」』】〉》]* )
    | (?P<sentence> [.!?…‼⁇⁈⁉]+ ["'”’»›)\]}）」』】〉》*_~`]* (?=\s|$|[\u2e80-\uffff]) )
    | (?P<clause>   [,;:] ["'”’»›)\]}*_~`]* (?=\s|$) | [，、；：—] | [)\]}] (?=\s) | \s (?=[(\[{]) | \s[–-](?=\s) )
    | (?P<word>     \s+ )
    """,
    re.VERBOSE,
)
_REPEATED_MARKS = re.compile(r"([^\w\s]{1,3}?)\1{3,}")
"""Marks that stand for a line, or for nothing; a model could not hold them."""
_WORD_BEFORE = re.compile(r"[\w.]*\w$")
_NUMBER_OF_A_LIST = re.compile(r"(?:^|\n)\s*\(?(?:\d{1,3}|[a-zA-Z])$")
_MARKS_IN_LATIN = str.maketrans({"।": ".", "॥": ".", "؟": "?", "،": ",", "؛": ";", "｡": "。"})
"""Marks that Kokoro's phonemizer drops, as those that it keeps."""
UNSPOKEN_CHARACTERS: dict[int, str | None] = {
    **dict.fromkeys([*range(9), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)], " "),
    **dict.fromkeys([0xAD, 0x0640, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF]),
}
"""For `str.translate`: control characters, of which espeak takes no NUL, and characters that only say how a text is
set, which it would name: soft hyphens, marks of direction."""
_MAX_WORD = 40
_SEPARATORS = {Boundary.ANYWHERE: "", Boundary.LINE: "\n"}
"""What was between a piece and the next one; else a blank."""


def split_text(text: str, fits: Callable[[str], bool] = lambda _text: True) -> Iterator[Piece]:
    """The pieces of a text, in order; a text of blanks has none.

    `fits` tells whether the model can hold a piece; one that it cannot is cut again.
    """
    rest = _REPEATED_MARKS.sub(r"\1\1\1", text.translate(UNSPOKEN_CHARACTERS).strip().translate(_MARKS_IN_LATIN))
    rest = _with_marks_at_line_ends(rest)
    limit = MAX_FIRST_WEIGHT if weight(rest) <= MAX_WEIGHT else MAX_FIRST_WEIGHT_OF_LONG_TEXT
    is_first = True
    ahead = 0.0  # the weight of what is still to be played
    while rest:
        piece, rest = _take(rest, limit, is_first=is_first)
        while not fits(piece.text) and len(piece.text) > 1:
            # Half of it, so that this ends soon whatever the model counts.
            shorter, remaining = _take(piece.text, weight(piece.text) // 2, is_first=False)
            if not remaining:
                # A run of marks, which belong together as far as the text tells.
                shorter, remaining = _split(piece.text, _End(len(piece.text) // 2, Boundary.ANYWHERE, 0))
            rest = f"{remaining}{_SEPARATORS.get(piece.end, ' ')}{rest}"
            piece = shorter
        heavy = weight(piece.text)
        # While a piece is computed, what was made before it is played.
        ahead += heavy if is_first else heavy * (1 - 1 / GROWTH)
        is_first = False
        limit = min(MAX_WEIGHT, max(MIN_LIMIT, int(GROWTH * ahead)))
        yield piece


def weight(text: str) -> int:
    """How long a text sounds, in letters."""
    return sum(map(_weight_of, text))


def _weight_of(character: str) -> int:
    if character.isdigit():
        return 4
    code = ord(character)
    if code < 0x1100:
        return 1
    if 0x3040 <= code <= 0x30FF:
        return 3
    return (
        4 if 0x1100 <= code <= 0x11FF or 0x3400 <= code <= 0x9FFF or 0xAC00 <= code <= 0xD7FF or code > 0x1FFFF else 1
    )


class _End(NamedTuple):
    """Where a piece may end."""

    position: int
    boundary: Boundary
    weight: int
    """Of everything before it."""


def _take(text: str, limit: int, *, is_first: bool) -> tuple[Piece, str]:
    """The next piece and what is left of a text; `limit` is a weight.

    The first piece ends with its first sentence, or clause where that is too long; others with the last one that the
    limit allows. Where there is none, a piece ends at a word, or anywhere.
    """
    ends, fitting = _find_ends(text, limit)
    long_enough = [end for end in ends if end.weight >= min(MIN_WEIGHT, limit)]
    sentences = [end for end in long_enough if end.boundary >= Boundary.SENTENCE]
    if is_first and sentences:
        return _split(text, sentences[0])
    if fitting == len(text):
        return Piece(_without_line_ends(text), Boundary.LINE), ""
    clauses = [end for end in long_enough if end.boundary == Boundary.CLAUSE]
    words = [end for end in long_enough if end.boundary == Boundary.WORD]
    if sentences or clauses:
        return _split(text, sentences[-1] if sentences else clauses[0 if is_first else -1])
    if words or ends:
        return _split(text, (words or ends)[-1])
    return _split(text, _End(max(1, fitting), Boundary.ANYWHERE, limit))


def _find_ends(text: str, limit: int) -> tuple[list[_End], int]:
    """The places where a piece may end, up to a weight, and the number of characters that have it."""
    # No character weighs less than 1.
    fitting = bisect.bisect_right(list(itertools.accumulate(map(_weight_of, text[: limit + 1]))), limit)
    ends: list[_End] = []
    position = weighed = 0
    for match in _MARKS.finditer(text):
        if match.start() > fitting:
            break
        weighed += weight(text[position : match.end()])
        position = match.end()
        boundary = _boundary(text, match)
        if boundary is not None and position < len(text):
            ends.append(_End(position, boundary, weighed))
        # A mark belongs to what is before it, also when that is exactly as long as it may be.
        if weighed > limit:
            return ends, position
    return ends, fitting


def _boundary(text: str, match: "re.Match[str]") -> Boundary | None:
    """What a mark is the end of; None for a full stop that ends nothing."""
    kind, mark = match.lastgroup, match.group().strip()
    following = text[match.end() :].lstrip()[:1]
    if kind == "line":
        return Boundary.LINE
    if kind == "wide":
        return None if following.isdigit() and mark == "．" else Boundary.SENTENCE
    if kind == "clause":
        return Boundary.CLAUSE
    if kind == "word":
        return Boundary.WORD
    if mark[0] == "." and mark[1:2] != ".":
        return _boundary_at_full_stop(text[: match.start()], following)
    return Boundary.CLAUSE if following.islower() else Boundary.SENTENCE


def _boundary_at_full_stop(before: str, following: str) -> Boundary | None:
    if following.islower() or _NUMBER_OF_A_LIST.search(before[-6:]):
        return None
    found = _WORD_BEFORE.search(before[-_MAX_WORD:])
    word = found.group().lower() if found else ""
    is_initial = len(word.rpartition(".")[2]) == 1 and word[-1:].isalpha()
    if word in _MAY_END_A_SENTENCE:
        return Boundary.SENTENCE if following.isupper() else None
    return None if word in _ABBREVIATIONS or is_initial else Boundary.SENTENCE


def _split(text: str, end: _End) -> tuple[Piece, str]:
    return Piece(_without_line_ends(text[: end.position]), end.boundary), text[end.position :].lstrip()


def _with_marks_at_line_ends(text: str) -> str:
    """The text with a full stop where a line ends without a mark: models pause at marks only.

    A line that was broken to fit a page goes on.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = []
    for line, following in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        if not following or not line[-1].isalnum():
            marked.append(f"{line}\n")
        elif len(line) > _MIN_WRAPPED_LINE and following[0].islower():
            marked.append(f"{line} ")
        else:
            marked.append(f"{line}{'。' if _weight_of(line[-1]) > 1 and not line[-1].isdigit() else '.'}\n")
    return "".join(marked).rstrip()


def _without_line_ends(text: str) -> str:
    return " ".join(text.split())


def is_pronounceable(text: str) -> bool:
    """Whether there is something in it to say: a letter, a digit, or a sign that has a name, such as %."""
    return any(
        character.isalnum() or character in "%&@#*/\\°§" or unicodedata.category(character) in ("Sc", "Sm")
        for character in text
    )
