"""Writes readable subtitles: cues of at most two lines and seven seconds, which end at the ends of sentences.

Upstream makes one cue of each of Whisper's segments, which last up to half a minute. This module uses the times of
words. If there are none, it divides the time of a segment among its characters.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from speaches_service.rebinding import imported
from speaches_service.rebinding import rebind as rebind_name
from speaches_service.transcription.requests import SUBTITLES

MAX_COLUMNS = 42
"""The maximum of a line; a Chinese or Japanese character takes two columns."""
MAX_LINES = 2
MAX_SECONDS = 7.0
"""The maximum of a cue."""
MIN_SECONDS = 1.0
"""The minimum of a cue, unless the next one begins before."""
PAUSE_SECONDS = 0.7
"""After a pause of this length, a new cue begins."""

_EXECUTOR = "speaches.executors.whisper"
_SENTENCE_END = re.compile(r"[.!?…。！？।][\"'”’»)\]」』]*$")
_WIDE = r"\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_PART = re.compile(rf"\s*[{_WIDE}]|\s*[^\s{_WIDE}]+")
_CLAUSE_END = re.compile(r"[,;:—–،、；：，][\"'”’»)\]」』]*$")


class Word(NamedTuple):
    """A word with the blank before it, if any, and its times in seconds."""

    text: str
    start: float
    end: float


class Cue(NamedTuple):
    """The lines to show, and the times in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


def rebind() -> None:
    """Replace upstream's conversion of segments into subtitles."""
    module = imported(_EXECUTOR)
    for name in ("segments_to_transcription_response", "segments_to_translation_response"):
        original = getattr(module, name, None)
        # The sample has no translations.
        if original is not None:
            rebind_name(_EXECUTOR, name, _with_subtitles(original))


def _with_subtitles(original: Any) -> Any:
    def respond(segments: Iterable[Any], information: Any, response_format: str) -> Any:
        if response_format not in SUBTITLES:
            return original(segments, information, response_format=response_format)
        shown = cues(words_of(segments))
        return (as_srt(shown), "text/plain") if response_format == "srt" else (as_vtt(shown), "text/vtt")

    return respond


def words_of(segments: Iterable[Any]) -> list[Word]:
    words: list[Word] = []
    for segment in segments:
        if segment.words:
            words += [Word(word.word, word.start, word.end) for word in segment.words]
            continue
        parts = _split(segment.text)
        seconds = (segment.end - segment.start) / max(1, len(segment.text))
        position = 0
        for part in parts:
            start = segment.start + position * seconds
            position += len(part)
            words.append(Word(part, start, segment.start + position * seconds))
    return [word for word in words if word.text.strip()]


def cues(words: Sequence[Word]) -> list[Cue]:
    """Group words into cues that do not overlap."""
    groups = list(_groups([part for word in words for part in _parts(word)]))
    made = []
    for index, group in enumerate(groups):
        start = group[0].start
        following = groups[index + 1][0].start if index + 1 < len(groups) else float("inf")
        end = max(group[-1].end, start + MIN_SECONDS)
        made.append(Cue(start, max(start, min(end, following, start + MAX_SECONDS)), tuple(_lines(group))))
    return made


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and word.start - group[-1].end >= PAUSE_SECONDS:
            yield group
            group = []
        if group and not _fits([*group, word]):
            count = _best_end(group)
            yield group[:count]
            group = group[count:]
        group.append(word)
        while not _fits(group) and len(group) > 1:
            count = _best_end(group[:-1])
            yield group[:count]
            group = group[count:]
    if group:
        yield group


def _parts(word: Word) -> Iterator[Word]:
    """Split a word into parts that fit into a line: long addresses, and text in scripts without blanks."""
    text, start = word.text, word.start
    seconds = (word.end - word.start) / max(1, len(text))
    while _columns(text.strip()) > MAX_COLUMNS:
        count = next(count for count in range(len(text), 0, -1) if _columns(text[:count].strip()) <= MAX_COLUMNS)
        yield Word(text[:count], start, start + count * seconds)
        text, start = text[count:], start + count * seconds
    yield Word(text, start, word.end)


def _fits(group: Sequence[Word]) -> bool:
    return group[-1].end - group[0].start <= MAX_SECONDS and len(_lines(group)) <= MAX_LINES


def _best_end(group: Sequence[Word]) -> int:
    """The best length of a cue in words: to the end of a sentence, else of a clause, else as long as possible."""
    for mark, least in ((_SENTENCE_END, 0.25), (_CLAUSE_END, 0.5)):
        for count in range(len(group), 0, -1):
            if count < least * len(group):
                break
            if mark.search(group[count - 1].text):
                return count
    return len(group)


def _lines(group: Sequence[Word]) -> list[str]:
    """Set the words in as few lines as possible; two lines get about the same length."""
    lines = _filled([word.text for word in group], MAX_COLUMNS)
    if len(lines) != MAX_LINES:
        return lines
    whole = sum(map(_columns, lines))
    for limit in range(whole // MAX_LINES, MAX_COLUMNS):
        balanced = _filled([word.text for word in group], limit)
        if len(balanced) == MAX_LINES:
            return balanced
    return lines


def _filled(parts: Sequence[str], limit: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for part in parts:
        if line and _columns((line + part).strip()) > limit:
            lines.append(line.strip())
            line = ""
        line += part
    return [*lines, line.strip()] if line.strip() else lines


def _split(text: str) -> list[str]:
    """Split a text at the places where a line may end: before blanks, and anywhere in scripts without blanks."""
    return _PART.findall(text)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def as_srt(shown: Iterable[Cue]) -> str:
    """SubRip, whose cues are numbered from 1."""
    return "".join(
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{chr(10).join(cue.lines)}\n\n"
        for number, cue in enumerate(shown, 1)
    )


def as_vtt(shown: Iterable[Cue]) -> str:
    """WebVTT, with escaped markup."""
    return "WEBVTT\n\n" + "".join(
        f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{html.escape(chr(10).join(cue.lines), quote=False)}\n\n"
        for cue in shown
    )


def _time(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    whole, milliseconds = divmod(milliseconds, 1000)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{whole:02}{mark}{milliseconds:03}"
