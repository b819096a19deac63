"""Power: how many items it takes to see a difference of two runs, and which difference some items can show.

Normal approximation for the paired difference on identical items, two-sided; the rejections on the wrong
side are left out, which matters only where the power is near alpha.

Source: E. Miller, Adding error bars to evals, 2024, section 5.
"""

import math
from statistics import NormalDist

from tunix_ml.contracts.base import ContractError

_NORMAL = NormalDist()


def minimum_detectable_effect(*, sd: float, n: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the least true difference that n items show significantly with this power."""
    _refuse_size(sd, n)
    return _quantiles(alpha, power) * sd / math.sqrt(n)


def items_needed(*, effect: float, sd: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return the number of items on which a true difference of this size is significant with this power."""
    if not math.isfinite(effect) or effect == 0:
        raise ContractError(f"no number of items shows a difference of {effect}, expected one other than 0")
    _refuse_size(sd, 1)
    return max(1, math.ceil((_quantiles(alpha, power) * sd / effect) ** 2))


def _quantiles(alpha: float, power: float) -> float:
    return _NORMAL.inv_cdf(1 - _share(alpha, "alpha") / 2) + _NORMAL.inv_cdf(_share(power, "power"))


def _share(value: float, name: str) -> float:
    if not 0 < value < 1:
        raise ContractError(f"{name} is {value}, expected a number between 0 and 1")
    return value


def _refuse_size(sd: float, n: float) -> None:
    if not (math.isfinite(sd) and sd >= 0 and n > 0):
        raise ContractError(
            f"standard deviation {sd} over {n} items: expected 0 or more over at least one item"
        )
