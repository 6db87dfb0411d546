"""The language of a recording, however a client writes it, as the code that Whisper has for it."""

import functools
import importlib

_ALIASES = {
    # Names that OpenAI's whisper takes beside those of Babel.
    "castilian": "es",
    "flemish": "nl",
    "haitian": "ht",
    "letzeburgesch": "lb",
    "mandarin": "zh",
    "moldavian": "ro",
    "moldovan": "ro",
    "panjabi": "pa",
    "pushto": "ps",
    "sinhalese": "si",
    "valencian": "ca",
    # Codes by which others call a language of Whisper's.
    "fil": "tl",
    "in": "id",
    "iw": "he",
    "jv": "jw",
    "nb": "no",
}
_AUTOMATIC = ("", "auto", "none", "null", "und")


class UnknownLanguage(ValueError):
    """Whisper does not know it; the message names those that it knows."""


def whisper_language(requested: str | None) -> str | None:
    """Whisper's code for a code (`en`, `eng`), a code with a region (`en-US`) or an English or own name of a language.

    None leaves it to Whisper to find out.

    Raises:
        UnknownLanguage: it is none of these.
    """
    text = (requested or "").strip().lower()
    if text in _AUTOMATIC:
        return None
    codes = _codes()
    # A runtime without faster-whisper transcribes with something that takes any language.
    if codes is None or text in codes:
        return text
    for name in (text, text.replace("_", "-").partition("-")[0]):
        if name in codes:
            return name
        code = _ALIASES.get(name) or _names().get(name)
        if code in codes:
            return code
    raise UnknownLanguage(f"Whisper does not know the language `{requested}`; it knows {', '.join(sorted(codes))}")


def _codes() -> frozenset[str] | None:
    try:
        return frozenset(importlib.import_module("faster_whisper.tokenizer")._LANGUAGE_CODES)  # noqa: SLF001
    except ImportError:
        return None


@functools.cache
def _names() -> dict[str, str]:
    """Codes by name, and by the codes with three letters."""
    try:
        core = importlib.import_module("babel.core")
    except ImportError:
        return {}
    names: dict[str, str] = dict(core.get_global("language_aliases"))
    english = core.Locale("en").languages
    for code in _codes() or ():
        names.setdefault(str(english.get(code, code)).lower(), code)
        try:
            names.setdefault(str(core.Locale(code).language_name).lower(), code)
        except core.UnknownLocaleError:
            continue
    return names
