"""A prompt reduced to what makes it the same question: for uniqueness and for splits."""

import hashlib
import unicodedata


def normalise_prompt(prompt: str) -> str:
    """Return the prompt without differences of case, width, ligature or white space."""
    if prompt.isascii():  # the same, twice as fast
        return " ".join(prompt.lower().split())
    return " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())


def prompt_fraction(prompt: str) -> float:
    """Return a number in [0, 1) that depends on the normalised prompt alone.

    Compared with the cumulative shares of the splits it puts the same question in the same split
    of every dataset with the same shares.
    """
    digest = hashlib.sha256(normalise_prompt(prompt).encode()).digest()
    # 53 of the 64 bits: more would round up to 1.0 in a float.
    return float((int.from_bytes(digest[:8], "big") >> 11) / 2**53)
