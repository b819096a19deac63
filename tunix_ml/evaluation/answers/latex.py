"""The marks of LaTeX and Markdown around an answer, taken away where they do not change what it says."""

import re

_FONT = r"\\(?:text(?:bf|it|rm|normal)?|math(?:rm|bf|it)|mbox)"
_WRAPPERS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"\$\$([^$]+)\$\$",
        r"\$([^$]+)\$",
        r"\\\(((?:(?!\\\)).)+)\\\)",
        r"\\\[((?:(?!\\\]).)+)\\\]",
        r"\*\*([^*]+)\*\*",
        r"`([^`]+)`",
        rf"{_FONT}\s*\{{([^{{}}]*)\}}",
    )
)
_BOXED = re.compile(r"\\boxed\s*\{")
_INLINE = (
    (re.compile(rf"{_FONT}\s*\{{([^{{}}]*)\}}"), r"\1"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"(?<=\d)\\[,!](?=\d{3}(?!\d))"), ""),  # the space between thousands
    (re.compile(r"\^\s*\{?\s*\\circ\s*\}?"), "°"),
    (re.compile(r"\\(?:left|right)(?![a-zA-Z])"), ""),
    (re.compile(r"\\[,;:! ]|\\q?quad(?![a-zA-Z])|~"), " "),
    (re.compile(r"\\([{}$%&#])"), r"\1"),
)
_FRACTION = re.compile(r"([+-]?)\s*\\[dtc]?frac\s*(?:\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}|(\d)(\d))")
_MOST_WRAPPERS = 8


def unwrapped(text: str) -> str:
    r"""Return an answer without what encloses all of it: `$…$`, `\[…\]`, `\boxed{…}`, `\text{…}`, `**…**`."""
    text = text.strip()
    for _ in range(_MOST_WRAPPERS):
        inner = _inside(text.removesuffix(".").rstrip())
        if inner is None:
            break
        text = inner.strip()
    return text


def plain(text: str) -> str:
    r"""Return an answer without its wrappers and with LaTeX's spelling of plain signs undone.

    `\$1{,}450` is `$1,450`, `18\text{ km}` is `18 km`; a formula stays a formula.
    """
    text = unwrapped(text)
    if "\\" in text or "{" in text or "~" in text:
        for pattern, replacement in _INLINE:
            text = pattern.sub(replacement, text)
    return text.strip()


def plain_fraction(text: str) -> str:
    r"""Return `3/4` for `\frac{3}{4}` and any other text as it is."""
    match = _FRACTION.fullmatch(text.strip()) if "\\" in text else None
    if match is None:
        return text
    sign, *digits = match.groups(default="")
    return f"{sign}{digits[0] or digits[2]}/{digits[1] or digits[3]}"


def closing_brace(text: str, opening: int) -> int | None:
    r"""Return where the brace that opens at `opening` is closed, None if it is not; `\{` is no brace."""
    depth = 0
    for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, opening):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth == 0:
            return match.start()
    return None


def _inside(text: str) -> str | None:
    """Return what stands inside the outermost wrapper, None if nothing encloses the whole text."""
    if not text or text[0] not in "$\\*`":
        return None
    if (boxed := _BOXED.match(text)) and closing_brace(text, boxed.end() - 1) == len(text) - 1:
        return text[boxed.end() : -1]
    found = (pattern.fullmatch(text) for pattern in _WRAPPERS)
    return next((match[1] for match in found if match), None)
