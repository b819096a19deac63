"""Ask the model of an unpacked submission bundle everything again, and score what it writes.

python -m tunix_ml.tuning.reproduce_bundle FOLDER
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import jax
import msgspec

from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.contracts.bundle import EvaluationSummary
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.prediction import ForeignPrediction, Prediction, PredictionsMeta
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.evaluation.aggregate import item_values
from tunix_ml.evaluation.score import score_items
from tunix_ml.inference.reproduce import Asked, chosen_items, write_again
from tunix_ml.registry.bundle_reader import SUMMARY
from tunix_ml.training.devices import find_device

Line = TypeVar("Line")


class Again(NamedTuple):
    """An evaluation set asked again: how many texts are the same, and the score beside the stated one."""

    evaluation_set: str
    num_texts: int
    num_same: int
    score: float
    stated_score: float

    @property
    def is_the_same(self) -> bool:
        """Say whether nothing differs."""
        return self.num_same == self.num_texts and math.isclose(self.score, self.stated_score, abs_tol=1e-12)

    def sentence(self) -> str:
        """Return it for people."""
        return (
            f"{self.evaluation_set}: {self.num_same} of {self.num_texts} texts are the same,"
            f" score {self.score:.4f}, stated is {self.stated_score:.4f}"
        )


def reproduce_bundle(folder: Path, *, report: Callable[[str], None]) -> list[Again]:
    """Ask a bundle's model every item of its evaluation sets again, and score the texts.

    Neither the store nor the machine that made it is needed.

    Raises:
        ContractError: files of the folder are not those of a bundle.
    """
    summary = EvaluationSummary.read(folder / SUMMARY)
    with jax.default_device(find_device("auto")):
        return [
            _again(folder, name, summary.primary_metric, stated.score, report)
            for name, stated in summary.evaluation_sets.items()
        ]


def _again(folder: Path, name: str, metric: str, stated_score: float, report: Callable[[str], None]) -> Again:
    meta = PredictionsMeta.read(folder / "predictions" / name / "predictions_meta.json")
    rows = _lines(folder / "predictions" / name / "predictions.jsonl", Prediction)
    items = _lines(folder / "items" / f"{name}.jsonl", EvaluationItem)
    asked = chosen_items(rows, num_items=len(rows), digest=name)
    texts = write_again(folder / "model", meta, asked, report)
    return Again(
        evaluation_set=name,
        num_texts=sum(map(len, texts)),
        num_same=_num_same(asked, texts),
        score=_score(items, asked, texts, meta, metric),
        stated_score=stated_score,
    )


def _num_same(asked: Sequence[Asked], texts: Sequence[Sequence[str]]) -> int:
    pairs = zip(asked, texts, strict=True)
    return sum(old == new for item, written in pairs for old, new in zip(item.texts, written, strict=True))


def _score(
    items: Sequence[EvaluationItem],
    asked: Sequence[Asked],
    texts: Sequence[Sequence[str]],
    meta: PredictionsMeta,
    metric: str,
) -> float:
    predictions = [
        ForeignPrediction(item.item_id, index, text)
        for item, samples in zip(asked, texts, strict=True)
        for index, text in enumerate(samples)
    ]
    rule = AnswerRule(kind="template", template=meta.template)
    scores = score_items(items, predictions, rule, num_samples=meta.decoding.num_samples)
    values = item_values(scores, metric)
    if len(values) != len(items):
        raise ContractError(f"{len(items) - len(values)} items of {meta.evaluation_set} have no score")
    return math.fsum(values.values()) / len(values)


def _lines(path: Path, contract: type[Line]) -> list[Line]:
    try:
        return msgspec.json.Decoder(contract).decode_lines(path.read_bytes())
    except msgspec.DecodeError as error:
        raise ContractError(f"{path}: {error}") from error


def main() -> int:
    """Reproduce the bundle that the command line names; 0 if everything came out the same."""
    parser = argparse.ArgumentParser(prog="reproduce_bundle", description="Ask a bundle's model again.")
    parser.add_argument("folder", type=Path, help="an unpacked submission bundle")
    try:
        found = reproduce_bundle(parser.parse_args().folder, report=lambda _: None)
    except (TunixError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"{again.sentence()}\n" for again in found)
    return 0 if all(again.is_the_same for again in found) else 1


if __name__ == "__main__":
    sys.exit(main())
