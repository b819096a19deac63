"""Which candidates a selection keeps, by caps of families, weights of parts and a limit."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.recipe import VersionsSource
from tunix_ml.contracts.selection import FilterReason


class Candidate(NamedTuple):
    """A row that fulfils all filters and repeats no other; `position` is its place among all rows read."""

    position: int
    trace_id: str
    part: int
    family: str


class LeftOut(NamedTuple):
    """Why a row is not kept."""

    reason: FilterReason
    detail: str


def choose(candidates: Sequence[Candidate], source: VersionsSource) -> dict[int, LeftOut]:
    """Return, by position, the candidates that are left out and why.

    Preferred are the last ones for `latest`, and for `random` those that the seed and their content put
    first, in whatever order they are read; a larger limit only adds to it. Weights hold exactly, to a row:
    the scarcest part bounds the others, and no row is repeated to fill a share.

    Raises:
        ContractError: a part with a weight has no row to choose from.
    """
    left_out: dict[int, LeftOut] = {}
    preferred = _preferred(candidates, source)
    preferred = _keep(preferred, left_out, *_by_family(preferred, source))
    if source.parts[0].weight is not None:
        preferred = _keep(preferred, left_out, *_by_weight(preferred, source))
    if source.limit is not None:
        _keep(preferred, left_out, *_by_limit(preferred, source.limit))
    return left_out


def quotas(
    available: Mapping[int, int], weights: Mapping[int, float], *, limit: int | None
) -> dict[int, int]:
    """Return how many rows each part gives so that the shares are those of the weights.

    The total is the largest that every part can give its share of, at most the limit; what rounding leaves
    goes to the largest remainders that are still available.
    """
    sum_of_weights = sum(weights.values())
    shares = {part: weight / sum_of_weights for part, weight in weights.items()}
    total = min(int(available.get(part, 0) / share + 1e-9) for part, share in shares.items())
    total = total if limit is None else min(total, limit)
    given = {part: min(int(total * share + 1e-9), available.get(part, 0)) for part, share in shares.items()}
    by_remainder = sorted(shares, key=lambda part: (given[part] - total * shares[part], part))
    for part in by_remainder:
        if sum(given.values()) < total and given[part] < available.get(part, 0):
            given[part] += 1
    return given


def _preferred(candidates: Sequence[Candidate], source: VersionsSource) -> list[Candidate]:
    if source.strategy == "random":
        return sorted(candidates, key=lambda candidate: _draw(source.seed, candidate.trace_id))
    if source.strategy == "latest":
        return sorted(candidates, key=lambda candidate: -candidate.position)
    return list(candidates)


def _draw(seed: int | None, trace_id: str) -> bytes:
    return hashlib.sha256(f"{seed}:{trace_id}".encode()).digest()


def _keep(
    preferred: Iterable[Candidate],
    left_out: dict[int, LeftOut],
    groups: Mapping[int, str],
    most: Mapping[str, int],
    reason: FilterReason,
) -> list[Candidate]:
    """Return the first ones of each group, as many as it may have; the others are noted as left out."""
    counts: Counter[str] = Counter()
    kept = []
    for candidate in preferred:
        group = groups[candidate.position]
        counts[group] += 1
        if group in most and counts[group] > most[group]:
            left_out[candidate.position] = LeftOut(
                reason, f"{group}: no more than {most[group]:,} rows are kept"
            )
        else:
            kept.append(candidate)
    return kept


Grouping = tuple[dict[int, str], dict[str, int], FilterReason]


def _by_family(preferred: Sequence[Candidate], source: VersionsSource) -> Grouping:
    families = {candidate.position: f"family {candidate.family}" for candidate in preferred}
    most = dict.fromkeys(families.values(), source.max_per_family) if source.max_per_family else {}
    caps = {f"family {name}": cap for name, cap in source.family_caps.items()}
    return families, {name: cap for name, cap in most.items() if cap} | caps, "family_cap"


def _by_weight(preferred: Sequence[Candidate], source: VersionsSource) -> Grouping:
    weights = {number: part.weight or 0.0 for number, part in enumerate(source.parts)}
    available = Counter(candidate.part for candidate in preferred)
    for number in weights:
        if not available[number]:
            raise ContractError(
                f"part {number + 1} has a weight, but none of its rows is left to choose from"
            )
    found = quotas(available, weights, limit=source.limit)
    parts = {candidate.position: f"part {candidate.part + 1}" for candidate in preferred}
    return parts, {f"part {number + 1}": quota for number, quota in found.items()}, "weight"


def _by_limit(preferred: Sequence[Candidate], limit: int) -> Grouping:
    return {candidate.position: "limit" for candidate in preferred}, {"limit": limit}, "limit"
