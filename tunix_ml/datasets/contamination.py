"""Contamination: questions that stand where they must not, in several splits or among training examples."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.datasets.quality.questions import text_key
from tunix_ml.datasets.read import Dataset
from tunix_ml.snapshot import Snapshot
from tunix_ml.traces.prompts import normalise_prompt


class Question(NamedTuple):
    """A prompt and the split it stands in."""

    split: str
    prompt: str


def read_questions(dataset: Dataset) -> Iterator[Question]:
    """Yield the questions of a dataset version, without the rest of its rows."""
    for table in dataset.batches("split", "prompt"):
        yield from map(Question, table["split"].to_pylist(), table["prompt"].to_pylist())


def prompts_in_several_splits(read: Callable[[], Iterable[Question]]) -> dict[str, set[str]]:
    """Return each normalised prompt that occurs in more than one split, with those splits.

    The questions are read once more if there may be any: only some bytes of each are kept.
    """
    suspects = _keys_in_several_splits(read())
    splits: dict[str, set[str]] = defaultdict(set)
    for question in read() if suspects else ():
        prompt = normalise_prompt(question.prompt)
        if text_key(prompt) in suspects:
            splits[prompt].add(question.split)
    return {prompt: found for prompt, found in splits.items() if len(found) > 1}


def trained_on(items: Iterable[EvaluationItem], dataset: Snapshot) -> list[str]:
    """Return the ids of the items whose normalised question stands in a dataset version's train split."""
    asked = {item.item_id: normalise_prompt(item.prompt) for item in items}
    wanted, trained = set(asked.values()), set()
    for question in read_questions(Dataset(dataset)):
        if question.split == "train" and (prompt := normalise_prompt(question.prompt)) in wanted:
            trained.add(prompt)
    return [item_id for item_id, prompt in asked.items() if prompt in trained]


def _keys_in_several_splits(questions: Iterable[Question]) -> set[int]:
    import numpy as np  # noqa: PLC0415 - not at the load of the definitions

    keys, splits, numbers = array("Q"), array("B"), {"": 0}
    for question in questions:
        keys.append(text_key(normalise_prompt(question.prompt)))
        splits.append(numbers.setdefault(question.split, len(numbers)) & 0xFF)
    found, parts = np.array(keys, dtype=np.uint64), np.array(splits, dtype=np.uint8)
    order = np.lexsort((parts, found))
    found, parts = found[order], parts[order]
    return set(found[1:][(found[1:] == found[:-1]) & (parts[1:] != parts[:-1])].tolist())
