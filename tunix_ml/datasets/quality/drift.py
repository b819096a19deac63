"""How far the make-up of a dataset version has moved from that of an earlier one."""

import math
from collections.abc import Mapping

from tunix_ml.contracts.quality import Bin, Drift, Statistics

MIN_TRACES = 50
TOLERATED = 0.1
# What two samples of one distribution differ by is seldom more than twice what is expected.
_CHANCE = 2.0


def find_drift(now: Statistics, before: Statistics) -> tuple[Drift, ...]:
    """Return the distance of every distribution, and what is more than chance and a tenth of the traces.

    Nothing is said of fewer than fifty traces on either side.
    """
    earlier = dict(_distributions(before))
    return tuple(
        Drift(
            quantity=name,
            distance=round(distance(counts, earlier[name]), 4),
            limit=_limit(counts, earlier[name]),
        )
        for name, counts in _distributions(now).items()
        if min(sum(counts.values()), sum(earlier[name].values())) >= MIN_TRACES
    )


def distance(left: Mapping[str, int], right: Mapping[str, int]) -> float:
    """Return the total variation distance of two distributions by counts: 0 alike, 1 nothing shared."""
    totals = sum(left.values()), sum(right.values())
    keys = left.keys() | right.keys()
    return sum(abs(left.get(key, 0) / totals[0] - right.get(key, 0) / totals[1]) for key in keys) / 2


def _limit(left: Mapping[str, int], right: Mapping[str, int]) -> float:
    """Return the distance that is tolerated: a tenth, and twice what two samples of one kind differ by.

    Each share's difference is about normal, with an expected size of its deviation times sqrt(2 / pi).
    """
    totals = sum(left.values()), sum(right.values())
    inverse = 1 / totals[0] + 1 / totals[1]
    pooled = ((left.get(key, 0) + right.get(key, 0)) / sum(totals) for key in left.keys() | right.keys())
    expected = sum(math.sqrt(share * (1 - share) * inverse * 2 / math.pi) for share in pooled) / 2
    return round(TOLERATED + _CHANCE * expected, 4)


def _distributions(statistics: Statistics) -> dict[str, dict[str, int]]:
    return {
        "prompt_chars": _by_bin(statistics.prompt_chars),
        "reasoning_chars": _by_bin(statistics.reasoning_chars),
        "num_steps": _by_bin(statistics.num_steps),
        "families": statistics.families,
        "answer_types": statistics.answer_types,
        "scripts": statistics.scripts,
    }


def _by_bin(bins: tuple[Bin, ...]) -> dict[str, int]:
    return {str(entry.low): entry.num_traces for entry in bins}
