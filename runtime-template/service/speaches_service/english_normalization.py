"""Normalizes English text for speech: removes Markdown, and replaces signs and units with words.

Each rule is a pattern and its replacement. The rules apply in their order, from structure to single signs. Numbers stay
in digits with their commas, because espeak reads them: 1,250 as a number, and 1250 as a year. docs/serving.md has a
table of examples.
"""

import html
import re
import unicodedata
from collections.abc import Callable

Replacement = str | Callable[[re.Match[str]], str]

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November"),
    "December",
)
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""),
}
_SCALES = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion", "t": "trillion"}
_UNITS = {
    # By the sign: singular and plural.
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "m/s": ("meter per second", "meters per second"),
    "MB/s": ("megabyte per second", "megabytes per second"),
    "GB/s": ("gigabyte per second", "gigabytes per second"),
    "Mbps": ("megabit per second", "megabits per second"),
    "Gbps": ("gigabit per second", "gigabits per second"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "mAh": ("milliamp hour", "milliamp hours"),
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "kg": ("kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "lbs": ("pound", "pounds"),
    "lb": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "ft": ("foot", "feet"),
    "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"),
    "kB": ("kilobyte", "kilobytes"),
    "KB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "MiB": ("mebibyte", "mebibytes"),
    "GiB": ("gibibyte", "gibibytes"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "Hz": ("hertz", "hertz"),
    "dB": ("decibel", "decibels"),
    "kW": ("kilowatt", "kilowatts"),
    "MW": ("megawatt", "megawatts"),
    "ms": ("millisecond", "milliseconds"),
    "fps": ("frame per second", "frames per second"),
    "rpm": ("revolution per minute", "revolutions per minute"),
    "px": ("pixel", "pixels"),
    "hrs": ("hour", "hours"),
    "hr": ("hour", "hours"),
    "mins": ("minute", "minutes"),
    "min": ("minute", "minutes"),
    "secs": ("second", "seconds"),
    "sec": ("second", "seconds"),
    "m": ("meter", "meters"),
    "g": ("gram", "grams"),
    "s": ("second", "seconds"),
    "h": ("hour", "hours"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"),
}
_FRACTIONS = {"½": "one half", "⅓": "one third", "⅔": "two thirds", "¼": "one quarter", "¾": "three quarters"}
_ENDINGS = (
    "com|org|net|io|dev|ai|co|gov|edu|app|uk|de|eu|js|ts|py|rs|go|json|toml|yaml|yml|md|txt|html|css|sh|exe|pdf|jpg|"
    "jpeg|png|gif|svg|csv|xml|zip|gz|log|conf|ini|mp3|mp4|wav|onnx"
)
"""Top-level domains and file extensions."""
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _date(match: re.Match[str]) -> str:
    year, month, day = (int(part) for part in match.group(1, 2, 3))
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match.group()
    return f"{_MONTHS[month - 1]} {_ordinal(day)}, {year}{',' if match.group(4) else ''}{' ' if match.group(4) else ''}"


def _time(match: re.Match[str]) -> str:
    hour, minute, half = int(match.group(1)), int(match.group(2)), match.group(4)
    if hour > 24 or minute > 59:
        return match.group()
    spoken = (
        f"{hour}" if half and minute == 0 else f"{hour} o'clock" if minute == 0 and hour <= 12 else f"{hour} hundred"
    )
    if minute:
        spoken = f"{hour} {'oh ' if minute < 10 else ''}{minute}"
    if match.group(3):
        seconds = int(match.group(3))
        spoken += f" and {seconds} second{'' if seconds == 1 else 's'}" if seconds else ""
    return spoken + (f" {half[0].upper()}M" if half else "")


def _money(match: re.Match[str]) -> str:
    sign, amount, scale = match.group(1), match.group(2), (match.group(3) or "").strip().lower()
    one, several, cent, cents = _CURRENCIES[sign]
    if scale:
        return f"{amount} {_SCALES.get(scale, scale)} {several}"
    whole, _, part = amount.partition(".")
    spoken = f"{whole} {one if whole == '1' else several}"
    if len(part) != 2 or not cent:
        return spoken if not part else f"{amount} {several}"
    if part == "00":
        return spoken
    return spoken + f" and {int(part)} {cent if part == '01' else cents}"


def _unit(match: re.Match[str]) -> str:
    number, unit = match.group(1), match.group(2)
    return f"{number} {_UNITS[unit][0 if number == '1' else 1]}"


def _address(match: re.Match[str]) -> str:
    """Spell out an address or the name of a file."""
    spoken = re.sub(r"^(?:https?://)?(?:www\.)?", "", match.group())
    end = re.search(r"[.,;:!?)]*$", spoken)
    ending = end.group() if end else ""
    spoken = spoken[: len(spoken) - len(ending)].rstrip("/")
    spoken = re.sub(r"[?&].*$", "", spoken)
    for sign, word in ((".", "dot"), ("/", "slash"), ("@", "at"), ("#", "hash"), (":", "colon"), ("~", "tilde")):
        spoken = spoken.replace(sign, f" {word} ")
    return re.sub(r"[\s_=%-]+", " ", spoken).strip() + ending


def _row(match: re.Match[str]) -> str:
    cells = [cell.strip() for cell in match.group(1).strip().strip("|").split("|")]
    return ", ".join(cell for cell in cells if cell) + "."


RULES: tuple[tuple[re.Pattern[str], Replacement], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        # N.B. A pattern must not start again at each of many blanks: a text of blanks would take minutes.
        (r"[ \t]{2,}", " "),
        # Lines of Markdown.
        (r"^[ \t]*(?:```|~~~).*$", ""),
        (r"^[ \t]*\|?[ \t]*:?-{3,}:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$", ""),
        (r"^[ \t]*(\|.*\|)[ \t]*$", _row),
        (r"^[ \t]*(?:[*_-][ \t]*){3,}$", ""),
        (r"^[ \t]*#{1,6}[ \t]+(.*?)[ \t]*#*$", r"\1"),
        (r"^[ \t]*(?:>[ \t]?)+", ""),
        (r"^[ \t]*(?:[-*+•‣◦][ \t]+)(?:\[[ xX]\][ \t]+)?", ""),
        # Markdown inside of lines.
        (r"!?\[([^\[\]\n]{0,500})\]\((?:[^()\n]|\([^()\n]{0,200}\)){0,2000}\)", r"\1"),
        (r"<((?:https?://|mailto:)[^>\s]+)>", r"\1"),
        (r"</?[a-zA-Z][^<>\n]*>", " "),
        (
            r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[a-zA-Z]{2,20}\d{0,2});",
            lambda match: html.unescape(match.group()).replace("\xa0", " "),
        ),
        (r"\[(?:pause|silence|silent|break)[ :=]{1,2}\d+(?:\.\d+)? ?m?s?\]", " "),
        # Mathematical and full-width letters.
        (r"[\U0001d400-\U0001d7ff\uff01-\uff5e]+", lambda match: unicodedata.normalize("NFKC", match.group())),
        (r"(\*\*|__|~~)(?=\S)(.+?)(?<=\S)\1", r"\2"),
        (r"(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=\S)\*(?![\w*])", r"\1"),
        (r"(?<![\w_])_(?=[^\s_])([^_\n]+?)(?<=\S)_(?![\w_])", r"\1"),
        (r"`+", ""),
        # Emoji, flags among them, and their joiners.
        (r"[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\ufe0f\u200d\u20e3]+", " "),
        # Addresses and names of files.
        (r"\bhttps?://[^\s<>\"]+", _address),
        (r"\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+", _address),
        (rf"(?<![\w@/.])(?:[\w-]+\.)+(?:{_ENDINGS})\b(?:/[^\s<>\"]*)?", _address),
        # Dates, times, money.
        (r"\b(\d{4})-(\d\d)-(\d\d)(T(?=\d\d:)| (?=\d\d?:\d\d)|\b)", _date),
        (r"\b(\d{1,2}):(\d\d)(?::(\d\d))?(?:\.\d+)?Z?(?:\s?([ap])\.?m\b\.?)?", _time),
        (rf"([$€£¥])\s?({_NUMBER})(\s?(?:[kKmMbBtT]|bn)\b| (?:thousand|million|billion|trillion)\b)?", _money),
        # Numbers.
        (r"\b(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\b", r"\1 dot \2 dot \3 dot \4"),
        (r"\b[vV](\d+(?:\.\d+)*)\b", lambda match: f"version {match.group(1)}"),
        (r"\b\d+(?:\.\d+){2,}\b", lambda match: match.group().replace(".", " point ")),
        (r"\b((?:19|20)\d\d)\s?[-–]\s?((?:19|20)\d\d)\b", r"\1 to \2"),
        (r"(?<=\d)\s?–\s?(?=\d)", " to "),
        (rf"({_NUMBER})\s?({'|'.join(map(re.escape, sorted(_UNITS, key=len, reverse=True)))})(?![\w/°])", _unit),
        (r"\b1/2\b", "one half"),
        (r"\b1/3\b", "one third"),
        (r"\b2/3\b", "two thirds"),
        (r"\b1/4\b", "one quarter"),
        (r"\b3/4\b", "three quarters"),
        ("[" + "".join(_FRACTIONS) + "]", lambda match: f" {_FRACTIONS[match.group()]} "),
        (r"(?<=\d)\s*[*×]\s*(?=\d)", " times "),
        (r"(?<=\d)\s*÷\s*(?=\d)", " divided by "),
        (r"(?<=\d)\s*\+\s*(?=\d)", " plus "),
        (r"(?<![\w.])[-−](?=\d)", "minus "),
        (r"(?<=\d) [-−] (?=\d)", " minus "),
        (r"~\s?(?=\d)", "about "),
        (r"±\s?", " plus or minus "),
        # Words with signs in them.
        (r"\bC\+\+", "C plus plus"),
        (r"\b([CF])#", r"\1 sharp"),
        (r"(?<!\w)\.NET\b", "dot net"),
        (r"\be\.g\.,?", "for example,"),
        (r"\bi\.e\.,?", "that is,"),
        (r"\bvs\.?(?=\s)", "versus"),
        (r"(?:(?<=[a-z] )|(?<=[a-z], ))Jr\b(?:\.(?= \w|,))?", "Junior"),
        (r"(?:(?<=[a-z] )|(?<=[a-z], ))Sr\b(?:\.(?= \w|,))?", "Senior"),
        # espeak reads these as words, or drops the s.
        (r"\bURLs\b", "U R Ls"),
        (r"\b([A-Z])([A-Z])Us\b", r"\1 \2 U's"),
        (r"\bw/o\b", "without"),
        (r"\bw/(?=\s)", "with"),
        (r"(?<![\w&])#(?=\d)", "number "),
        (r"(?<![\w&])#(?=[A-Za-z])", "hashtag "),
        (r"(?<=[A-Za-z0-9])_+(?=[A-Za-z0-9])", " "),
        # Single signs.
        (r" ?(?:->|→|⇒|=>) ?", " to "),
        (r" ?(?:<=|≤) ?", " is at most "),
        (r" ?(?:>=|≥) ?", " is at least "),
        (r" ?(?:!=|≠) ?", " is not "),
        (r" ={1,3} ", " equals "),
        (r" < ", " is less than "),
        (r" > ", " is greater than "),
        (r"\s&\s", " and "),
        (r"[©®™*_^|{}\\]+", " "),
        # Whitespace that the rules leave.
        (r"[ \t]{2,}", " "),
        (r"[ \t]+(?=[,.;:!?]|$)", ""),
        (r"^[ \t]+", ""),
        (r"\n{2,}", "\n"),
    )
)


def normalized(text: str) -> str:
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text.strip()
