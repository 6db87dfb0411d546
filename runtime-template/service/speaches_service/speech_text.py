"""Splits text for speech at the places where a speaker pauses.

A model computes a piece as a whole. So the first sound waits for the first piece, and the size of a piece bounds the
memory and time of one computation. The first piece is short. Each next piece may be as long as its computation fits
into the playing time of the sound before it.

A weight measures a length of sound: a Latin letter weighs 1 (about 0.06 s); digits and Chinese or Japanese characters
weigh more.
"""

import bisect
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple

MAX_FIRST_WEIGHT = 90
"""About five seconds of sound."""
MAX_FIRST_WEIGHT_OF_LONG_TEXT = 60
"""Lower than `MAX_FIRST_WEIGHT`, because the sound of a long text should begin soon, and a clause is enough."""
MAX_WEIGHT = 180
"""The maximum of any piece: about ten seconds of sound."""
GROWTH = 1.8
"""The maximum of the next piece, as a multiple of the weight that is still to be played during its computation."""
MIN_WEIGHT = 30
"""The minimum of a piece if the text allows it: half a sentence sounds worse than a late one."""
MIN_LIMIT = 60
"""The maximum of the next piece never falls below this, however short the last piece was."""


class Boundary(IntEnum):
    """The kind of place where a piece ends, weakest first."""

    ANYWHERE = 0
    WORD = 1
    CLAUSE = 2
    SENTENCE = 3
    LINE = 4
    """The end of a line or of a paragraph."""


class Piece(NamedTuple):
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
"""Words with a full stop that does not end a sentence."""
_MAY_END_A_SENTENCE = frozenset(
    """
    etc inc ltd co corp jr sr bros plc a.m p.m u.s u.k u.n e.u d.c ph.d m.d b.c a.d usw
    """.split()  # noqa: SIM905 - shorter than a list
)
"""Abbreviations that may also end a sentence, which a capital letter after them decides."""
_MIN_WRAPPED_LINE = 40
"""A line of at least this many characters, without a mark at its end and before a small letter, was wrapped."""

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
"""Repeated marks draw a line or mean nothing, and may exceed the model's limit."""
_WORD_BEFORE = re.compile(r"[\w.]*\w$")
_NUMBER_OF_A_LIST = re.compile(r"(?:^|\n)\s*\(?(?:\d{1,3}|[a-zA-Z])$")
_MARKS_IN_LATIN = str.maketrans({"।": ".", "॥": ".", "؟": "?", "،": ",", "؛": ";", "｡": "。"})
"""Replaces marks that Kokoro's phonemizer drops with marks that it keeps."""
UNSPOKEN_CHARACTERS: dict[int, str | None] = {
    **dict.fromkeys([*range(9), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)], " "),
    **dict.fromkeys([0xAD, 0x0640, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF]),
}
"""For `str.translate`: control characters, because espeak fails on NUL, and formatting characters, such as soft hyphens
and marks of direction, whose names espeak would read."""
_MAX_WORD = 40
_SEPARATORS = {Boundary.ANYWHERE: "", Boundary.LINE: "\n"}
"""Between a piece and the next one; for other boundaries, a blank."""


def split_text(text: str, fits: Callable[[str], bool] = lambda _text: True) -> Iterator[Piece]:
    """The pieces of a text, in order; a text of blanks has none.

    `fits` is false for a piece that exceeds the model's limit; the function splits such a piece again.
    """
    rest = _REPEATED_MARKS.sub(r"\1\1\1", text.translate(UNSPOKEN_CHARACTERS).strip().translate(_MARKS_IN_LATIN))
    rest = _with_marks_at_line_ends(rest)
    limit = MAX_FIRST_WEIGHT if weight(rest) <= MAX_WEIGHT else MAX_FIRST_WEIGHT_OF_LONG_TEXT
    is_first = True
    ahead = 0.0  # the weight that is still to be played
    while rest:
        piece, rest = _take(rest, limit, is_first=is_first)
        while not fits(piece.text) and len(piece.text) > 1:
            # Halved, so that this ends soon, whatever the model counts.
            shorter, remaining = _take(piece.text, weight(piece.text) // 2, is_first=False)
            if not remaining:
                # A run of marks without a boundary inside.
                shorter, remaining = _split(piece.text, _End(len(piece.text) // 2, Boundary.ANYWHERE, 0))
            rest = f"{remaining}{_SEPARATORS.get(piece.end, ' ')}{rest}"
            piece = shorter
        heavy = weight(piece.text)
        # During the computation of a piece, the client plays the pieces before it.
        ahead += heavy if is_first else heavy * (1 - 1 / GROWTH)
        is_first = False
        limit = min(MAX_WEIGHT, max(MIN_LIMIT, int(GROWTH * ahead)))
        yield piece


def weight(text: str) -> int:
    """The length of a text's sound, in Latin letters."""
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
    position: int
    boundary: Boundary
    weight: int
    """Of all text before the position."""


def _take(text: str, limit: int, *, is_first: bool) -> tuple[Piece, str]:
    """The next piece and the rest of a text; `limit` is a weight.

    The first piece ends with its first sentence, or with its first clause if that sentence is too long. Other pieces
    end with the last sentence or clause within the limit. If there is none, a piece ends after a word, or anywhere.
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
    """The places up to a weight where a piece may end, and the number of characters within it."""
    # Every character weighs at least 1.
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
        # A mark belongs to the text before it, even if that text reaches the limit exactly.
        if weighed > limit:
            return ends, position
    return ends, fitting


def _boundary(text: str, match: "re.Match[str]") -> Boundary | None:
    """The boundary at a mark; None for a full stop inside of a sentence."""
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
    """Add a full stop to each line without a mark at its end, because models pause only at marks.

    A wrapped line is joined with the next one instead.
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
    """Whether the text contains a letter, a digit, or a sign with a name, such as %."""
    return any(
        character.isalnum() or character in "%&@#*/\\°§" or unicodedata.category(character) in ("Sc", "Sm")
        for character in text
    )
