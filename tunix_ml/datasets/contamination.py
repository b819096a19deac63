"""Contamination: questions that stand where they must not, in several splits or among training examples."""

from collections import defaultdict
from collections.abc import Iterable

from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.trace import DatasetTrace
from tunix_ml.datasets.read import Dataset
from tunix_ml.store import Snapshot
from tunix_ml.traces.prompts import normalise_prompt


def prompts_in_several_splits(rows: Iterable[DatasetTrace]) -> dict[str, set[str]]:
    """Return each normalised prompt that occurs in more than one split, with those splits."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[normalise_prompt(row.trace.prompt)].add(row.split)
    return {prompt: found for prompt, found in splits.items() if len(found) > 1}


def trained_on(items: Iterable[EvaluationItem], dataset: Snapshot) -> list[str]:
    """Return the ids of the items whose normalised question stands in a dataset version's train split."""
    columns = Dataset(dataset).table.select(["split", "prompt"]).to_pydict()
    pairs = zip(columns["split"], columns["prompt"], strict=True)
    trained = {normalise_prompt(prompt) for split, prompt in pairs if split == "train"}
    return [item.item_id for item in items if normalise_prompt(item.prompt) in trained]
