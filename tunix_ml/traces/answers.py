"""Answers as people write them: two spellings of one number, or of one text, compare equal."""

import re
import unicodedata
from fractions import Fraction

_CURRENCY = "$€£¥"
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)\s*[{_CURRENCY}]?\s*(?P<sign2>[+-]?)"
    r"(?P<digits>\d{1,3}(?:,\d{3})+|\d+)?(?P<decimals>\.\d+)?(?:/(?P<divisor>\d+))?\s*(?P<percent>%?)"
)
_MAX_LENGTH = 200
# Unicode's compatibility form would make `10²` a 102 and `1½` an 11/2.
_POSITIONAL = ("<super>", "<sub>", "<fraction>")
_MINUS_SIGNS = str.maketrans({"−": "-", "–": "-"})  # noqa: RUF001 - the signs people type


def parse_number(text: str) -> tuple[Fraction, str] | None:
    """Return the exact value of an answer and its unit, `%` or none; None if it is not one plain number.

    A currency sign and the commas between thousands do not matter; `10%` is not `10`.
    """
    cleaned = _clean(text)
    match = _NUMBER.fullmatch(cleaned) if len(cleaned) <= _MAX_LENGTH else None
    if match is None or not (match["digits"] or match["decimals"]) or (match["sign"] and match["sign2"]):
        return None
    divisor = int(match["divisor"] or 1)
    if divisor == 0 or (match["divisor"] and match["decimals"]):
        return None
    value = Fraction((match["digits"] or "0").replace(",", "") + (match["decimals"] or "")) / divisor
    return -value if "-" in (match["sign"], match["sign2"]) else value, match["percent"]


def normalise_text(text: str) -> str:
    """Return a text without the differences that do not matter: case, spacing, a final full stop."""
    return " ".join(_clean(text).casefold().split())


def _clean(text: str) -> str:
    if text.isascii():
        return text.strip().removesuffix(".").rstrip()
    is_positional = any(unicodedata.decomposition(char).startswith(_POSITIONAL) for char in text)
    text = unicodedata.normalize("NFC" if is_positional else "NFKC", text).translate(_MINUS_SIGNS).strip()
    return text.removesuffix(".").rstrip()
