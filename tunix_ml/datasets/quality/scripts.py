"""The script of a text, by the Unicode ranges of its letters, and the language where the script tells it."""

import bisect
from collections import Counter
from typing import NamedTuple

NONE = "none"
UNDETERMINED = "undetermined"


class _Range(NamedTuple):
    first: int
    last: int
    script: str


# Source: the Unicode Character Database, Blocks.txt, version 15.
_RANGES = [
    _Range(0x0041, 0x024F, "latin"),
    _Range(0x0370, 0x03FF, "greek"),
    _Range(0x0400, 0x052F, "cyrillic"),
    _Range(0x0530, 0x058F, "armenian"),
    _Range(0x0590, 0x05FF, "hebrew"),
    _Range(0x0600, 0x077F, "arabic"),
    _Range(0x0900, 0x097F, "devanagari"),
    _Range(0x0980, 0x09FF, "bengali"),
    _Range(0x0A00, 0x0A7F, "gurmukhi"),
    _Range(0x0A80, 0x0AFF, "gujarati"),
    _Range(0x0B80, 0x0BFF, "tamil"),
    _Range(0x0C00, 0x0C7F, "telugu"),
    _Range(0x0C80, 0x0CFF, "kannada"),
    _Range(0x0D00, 0x0D7F, "malayalam"),
    _Range(0x0E00, 0x0E7F, "thai"),
    _Range(0x10A0, 0x10FF, "georgian"),
    _Range(0x1100, 0x11FF, "hangul"),
    _Range(0x1200, 0x137F, "ethiopic"),
    _Range(0x1E00, 0x1EFF, "latin"),
    _Range(0x1F00, 0x1FFF, "greek"),
    _Range(0x3040, 0x30FF, "kana"),
    _Range(0x3400, 0x4DBF, "han"),
    _Range(0x4E00, 0x9FFF, "han"),
    _Range(0xAC00, 0xD7AF, "hangul"),
    _Range(0xF900, 0xFAFF, "han"),
    _Range(0xFF66, 0xFF9D, "kana"),
    _Range(0x20000, 0x2FA1F, "han"),
]
_FIRSTS = [entry.first for entry in _RANGES]
# Scripts that one language of note is written in; Latin, Cyrillic, Arabic and the others serve many.
_LANGUAGES = {
    "greek": "el",
    "armenian": "hy",
    "hebrew": "he",
    "gurmukhi": "pa",
    "gujarati": "gu",
    "tamil": "ta",
    "telugu": "te",
    "kannada": "kn",
    "malayalam": "ml",
    "thai": "th",
    "georgian": "ka",
    "hangul": "ko",
    "kana": "ja",
    "han": "zh",
}
# A Japanese text has more Chinese characters than kana, and a Chinese one no kana at all.
_MIN_KANA_SHARE = 0.1


def script_of(text: str) -> str:
    """Return the script of most of the letters, `none` for a text without letters."""
    if text.isascii():
        return "latin" if any(map(str.isalpha, text)) else NONE
    counts = Counter(_script(char) for char in text if char.isalpha())
    if counts["kana"] >= _MIN_KANA_SHARE * max(counts.total(), 1) > 0:
        return "kana"
    return max(counts, key=lambda script: (counts[script], script), default=NONE)


def language_of(script: str) -> str:
    """Return the ISO 639 code of the language that a script is for, `undetermined` if it is for many."""
    return _LANGUAGES.get(script, UNDETERMINED)


def _script(char: str) -> str:
    point = ord(char)
    entry = _RANGES[max(bisect.bisect_right(_FIRSTS, point) - 1, 0)]
    return entry.script if entry.first <= point <= entry.last else "other"
