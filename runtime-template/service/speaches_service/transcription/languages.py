"""Converts the language of a request, in every form that clients use, into Whisper's code."""

import functools
import importlib

_ALIASES = {
    # Names that OpenAI's whisper accepts and Babel lacks.
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
    # Other codes for Whisper's languages.
    "fil": "tl",
    "in": "id",
    "iw": "he",
    "jv": "jw",
    "nb": "no",
}
_AUTOMATIC = ("", "auto", "none", "null", "und")


class UnknownLanguage(ValueError):
    """Whisper does not know the language."""


def whisper_language(requested: str | None) -> str | None:
    """Whisper's code for a code (`en`, `eng`), a code with a region (`en-US`), or an English or native name.

    None makes Whisper detect the language.

    Raises:
        UnknownLanguage: Whisper does not know the language.
    """
    text = (requested or "").strip().lower()
    if text in _AUTOMATIC:
        return None
    codes = _codes()
    # Without faster-whisper, the runtime is a sample, which accepts any language.
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
    """Whisper's codes by the name and by the three-letter code of a language."""
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
