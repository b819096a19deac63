"""A comparison in words: the verdict as a sentence, and all of it as Markdown."""

import math
from collections.abc import Iterator

from tunix_ml.contracts.comparison import PairedResult, PairTest, RunComparison
from tunix_ml.contracts.metrics import METRICS
from tunix_ml.evaluation.comparison.numbers import UNKNOWN, in_unit, p_equals, points, short
from tunix_ml.evaluation.statistics.estimates import Z_95
from tunix_ml.evaluation.statistics.power import minimum_detectable_effect
from tunix_ml.markdown import table

SIGNIFICANT = 0.05
TEST_NAMES: dict[PairTest, str] = {
    "mcnemar_exact": "exact McNemar",
    "sign_flip_exact": "exact sign-flip",
    "sign_flip_sampled": "sampled sign-flip",
}
_NUM_SHOWN = 20
_MAX_CELL_CHARS = 80


def verdict(comparison: RunComparison, *, p_holm: float | None = None, num_pairs: int = 1) -> str:
    """Return in a sentence which run is better, by how much, and how sure that is.

    Args:
        comparison: of run a and run b, called A and B.
        p_holm: p-value adjusted for all pairs of the board, where there is one.
        num_pairs: how many those are.
    """
    result = comparison.result
    p_value = result.p_value if p_holm is None else p_holm
    adjusted = f", adjusted for {num_pairs:,} pairs" if p_holm is not None and num_pairs > 1 else ""
    sure = f"{TEST_NAMES[result.test]} p {p_equals(p_value)}{adjusted}"
    if result.difference == 0:
        return f"A and B score the same; {sure}."
    better = "A" if is_better(comparison.metric, result.difference) else "B"
    amount = in_unit(comparison.metric, abs(result.difference), is_signed=True).lstrip("+")
    head = f"{better} is better by {amount}"
    if p_value > SIGNIFICANT:
        head = f"No difference can be told: {better} is ahead by {amount}"
    return f"{head}; {_interval(comparison.metric, result)}; {sure}."


def detectable(comparison: RunComparison) -> str | None:
    """Say which true difference these items would show significantly in four of five such comparisons.

    None where they show no spread to tell it from.
    """
    result = comparison.result
    if result.ci95_low is None or result.ci95_high is None or result.ci95_low == result.ci95_high:
        return None
    stderr = (result.ci95_high - result.ci95_low) / 2 / Z_95
    effect = minimum_detectable_effect(sd=stderr * math.sqrt(result.n), n=result.n)
    amount = in_unit(comparison.metric, effect, is_signed=True).lstrip("+")
    return f"So many items show a true difference of {amount} in 80 % of cases, smaller ones less often."


def is_better(metric: str, difference: float) -> bool:
    """Say whether a difference of a less b speaks for a, as the metric's direction has it."""
    return (difference > 0) == (METRICS[metric].direction == "higher")


def render_comparison(comparison: RunComparison) -> str:
    """Return the comparison as Markdown."""
    left_out = comparison.n_items - comparison.result.n
    return "\n".join(
        [
            f"# Comparison on {comparison.evaluation_set}",
            "",
            f"* A: `{comparison.run_a.run_id}`, {in_unit(comparison.metric, comparison.run_a.mean)}",
            f"* B: `{comparison.run_b.run_id}`, {in_unit(comparison.metric, comparison.run_b.mean)}",
            "",
            f"**{verdict(comparison)}**",
            "",
            f"{comparison.result.n:,} items are compared"
            + (f", {left_out:,} are left out because a run has no score for them" if left_out else "")
            + f": A is better on {comparison.wins_a:,}, B on {comparison.wins_b:,},"
            f" {comparison.ties:,} are alike.",
            *([told] if (told := detectable(comparison)) else []),
            "",
            *_settings(comparison),
            *_parts(comparison),
            *_items(comparison),
        ]
    )


def _interval(metric: str, result: PairedResult) -> str:
    """Return the interval of how far the one that is ahead is ahead."""
    if result.ci95_low is None or result.ci95_high is None:
        return "too few items for an interval"
    is_ahead = result.difference > 0
    ends = (result.ci95_low, result.ci95_high) if is_ahead else (-result.ci95_high, -result.ci95_low)
    shown = [points(end) if METRICS[metric].is_share else short(end) for end in ends]
    return f"95 % interval {' to '.join(text.lstrip('+') for text in shown)}"


def _settings(comparison: RunComparison) -> Iterator[str]:
    if comparison.settings:
        rows = ((found.name, _cut(found.a), _cut(found.b)) for found in comparison.settings)
        yield from table(("Setting", "A", "B"), rows)
    yield from ("", f"{comparison.num_same_settings:,} settings are the same.", "")


def _parts(comparison: RunComparison) -> Iterator[str]:
    metric = comparison.metric
    if comparison.parts:
        rows = (
            (
                f"{part.group}: {part.name}",
                part.n,
                in_unit(metric, part.mean_a),
                in_unit(metric, part.mean_b),
                in_unit(metric, part.difference, is_signed=True),
            )
            for part in comparison.parts
        )
        yield from table(("Part", "n", "A", "B", "A less B"), rows)
    yield ""


def _items(comparison: RunComparison) -> Iterator[str]:
    if not comparison.items:
        return
    rows = (
        (
            f"`{_cut(item.item_id)}`",
            _cut(item.expected),
            _cut(item.extracted_a),
            f"{item.score_a:.3g}",
            _cut(item.extracted_b),
            f"{item.score_b:.3g}",
        )
        for item in comparison.items[:_NUM_SHOWN]
    )
    yield from table(("Item", "Expected", "A found", "Score", "B found", "Score"), rows)
    if len(comparison.items) > _NUM_SHOWN:
        yield f"\n… and {len(comparison.items) - _NUM_SHOWN:,} more in `comparison.json`"


def _cut(text: str | None) -> str:
    shown = " ".join((UNKNOWN if text is None else text).split())
    return shown if len(shown) <= _MAX_CELL_CHARS else shown[: _MAX_CELL_CHARS - 1] + "…"
