"""What a reject shows of its input: a few characters that can harm no terminal and no page."""

from tunix_ml.contracts.reject import EXCERPT_CHARACTERS


def excerpt(content: bytes) -> str:
    """Return the start of some bytes as printable ASCII."""
    text = content[: 4 * EXCERPT_CHARACTERS].decode("utf-8", "backslashreplace")
    escaped = printable(text[:EXCERPT_CHARACTERS]).encode("ascii", "backslashreplace").decode()
    return escaped[:EXCERPT_CHARACTERS]


def printable(text: str) -> str:
    """Return the text with line breaks, control characters and the like escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
