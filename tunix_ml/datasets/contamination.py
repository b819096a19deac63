"""Contamination: prompts that stand in more than one split."""

from collections import defaultdict
from collections.abc import Iterable

from tunix_ml.contracts.trace import DatasetTrace
from tunix_ml.traces.prompts import normalise_prompt


def prompts_in_several_splits(rows: Iterable[DatasetTrace]) -> dict[str, set[str]]:
    """Return each normalised prompt that occurs in more than one split, with those splits."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[normalise_prompt(row.trace.prompt)].add(row.split)
    return {prompt: found for prompt, found in splits.items() if len(found) > 1}
