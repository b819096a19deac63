"""Calibration sets: labelled texts for judges, and the pairs among them."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.judge_calibration import CalibrationText
from tunix_ml.json_lines import read_json_lines

_SHIPPED = Path("judging", "calibration-v1.jsonl")


class Pair(NamedTuple):
    """Two texts about one question, in the order of the set."""

    first: CalibrationText
    second: CalibrationText

    @property
    def pair_id(self) -> str:
        """Names the pair by both texts."""
        return f"{self.first.text_id}/{self.second.text_id}"


def shipped_calibration_set() -> Path:
    """Return the calibration set that comes with this package, in a checkout or installed."""
    package = Path(__file__).parents[2]
    checkout = package.parent / "data" / _SHIPPED
    return checkout if checkout.is_file() else package / "data" / _SHIPPED


def read_calibration_set(path: Path) -> list[CalibrationText]:
    """Read labelled texts, in their order.

    Raises:
        ContractError: a line is not a labelled text, an id repeats, or there is no text.
    """
    texts = read_json_lines(path, CalibrationText, subject=f"calibration set {path}")
    if not texts:
        raise ContractError(f"calibration set {path} has no text")
    text_id, count = Counter(one.text_id for one in texts).most_common(1)[0]
    if count > 1:
        raise ContractError(f"calibration set {path} has {count} texts {text_id!r}, expected one")
    return texts


def pairs_of(texts: Sequence[CalibrationText]) -> list[Pair]:
    """Return the pairs of texts that stand one after the other and answer the same question."""
    return [
        Pair(first, second)
        for first, second in pairwise(texts)
        if (first.question, first.answer) == (second.question, second.answer)
    ]
