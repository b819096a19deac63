"""Texts from data, bounded and made visible before they are shown; escaping is the templates' work."""

import re
from pathlib import Path
from typing import NamedTuple

# What a browser hides or obeys: controls, marks of writing direction, line separators, no characters at all.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL_PICTURES = 0x2400
_DELETE = "\x7f"
ELLIPSIS = "…"


class Excerpt(NamedTuple):
    """The start of a text, and how many characters of it are not shown."""

    text: str
    num_left_out: int


def excerpt(text: str, *, most: int) -> Excerpt:
    """Return a text cut to so many characters."""
    return Excerpt(text[:most], max(0, len(text) - most))


def cut(text: str, *, most: int) -> str:
    """Return a text of at most so many characters, with an ellipsis where something is missing."""
    return text if len(text) <= most else text[: most - 1] + ELLIPSIS


def moment(timestamp: str) -> str:
    """Return a time of ISO 8601 in UTC to the minute, `2026-11-22 22:54`."""
    return f"{timestamp[:10]} {timestamp[11:16]}"


def portable(text: str, *, home: Path) -> str:
    """Return a sentence without the place of the store on this machine."""
    return text.replace(str(home), "$TUNIX_HOME")


def visible(text: str) -> str:
    """Return a text in which characters that a reader could not see stand as signs.

    A control is shown by its picture, `␀`, and others by their number, `⟨U+202E⟩`; half a surrogate pair,
    which no file can hold, becomes the replacement character.
    """
    return _SURROGATE.sub("\ufffd", _HIDDEN.sub(_sign, text))


def _sign(match: re.Match[str]) -> str:
    character = match[0]
    if character < " ":
        return chr(_CONTROL_PICTURES + ord(character))
    return "␡" if character == _DELETE else f"⟨U+{ord(character):04X}⟩"
