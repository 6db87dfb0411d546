"""Segments of speech as subtitles."""


def format_as_srt(text: str, start: float, end: float, number: int) -> str:
    """Return one cue of SubRip; `number` counts from 0, `start` and `end` are seconds."""
    return f"{number + 1}\n{_timestamp(start, ',')} --> {_timestamp(end, ',')}\n{text.strip()}\n\n"


def format_as_vtt(text: str, start: float, end: float) -> str:
    """Return one cue of WebVTT; `start` and `end` are seconds."""
    return f"{_timestamp(start, '.')} --> {_timestamp(end, '.')}\n{text.strip()}\n\n"


def _timestamp(seconds: float, mark: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{mark}{milliseconds:03}"
