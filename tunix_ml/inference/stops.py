"""Stop strings: found in the decoded text, wherever the borders of the tokens lie."""

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]


def num_tokens_to_stop(ids: Sequence[int], stops: Sequence[str], decode: Decode) -> int | None:
    """Return how many tokens it takes until the text holds a stop string, None if it never does.

    The token that completes the string may begin before it and go on after it.
    """
    if not stops or not _holds(decode(ids), stops):
        return None
    return next(count for count in range(1, len(ids) + 1) if _holds(decode(ids[:count]), stops))


def cut_after_stop(text: str, stops: Sequence[str]) -> str:
    """Return the text up to the end of the stop string that ends first; without one, all of it."""
    ends = [text.index(stop) + len(stop) for stop in stops if stop in text]
    return text[: min(ends, default=len(text))]


def _holds(text: str, stops: Sequence[str]) -> bool:
    return any(stop in text for stop in stops)
