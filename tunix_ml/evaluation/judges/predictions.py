"""Ask a judge about every prediction of a run, and publish a verdict for each."""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import record_digest, set_digest
from tunix_ml.contracts.judge import JudgementsMeta, JudgeSelfTest, JudgeVerdict
from tunix_ml.datasets.evaluation_set import EvaluationSet
from tunix_ml.evaluation.judges.judge import Judge, judge_cases, served_models
from tunix_ml.evaluation.judges.prompts import correctness_case
from tunix_ml.evaluation.judges.self_test import read_self_test, self_test_cases
from tunix_ml.evaluation.judges.verdict_table import read_verdicts, write_verdicts
from tunix_ml.evaluation.report import Predictions, items_asked, predictions_slot, read_predictions
from tunix_ml.provenance import source_digest
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import RunDirectory, Store

META_FILE = "judgements_meta.json"
VERDICTS_FILE = "verdicts.parquet"
NUM_SELF_TEST_ITEMS = 25
CODE_PARTS = (
    "contracts",
    "evaluation/judges",
    "exports/templates",
)
Report = Callable[[str], None]


class Judgements(NamedTuple):
    """Published verdicts about a run's predictions for an evaluation set, read back."""

    snapshot: Snapshot
    meta: JudgementsMeta
    rows: list[JudgeVerdict]


class Asked(NamedTuple):
    """What is judged, and by whom."""

    predictions: Predictions
    items: EvaluationSet
    judge_name: str
    judge: Judge


class Found(NamedTuple):
    """What the judge said."""

    rows: list[JudgeVerdict]
    self_test: JudgeSelfTest
    served_models: list[str]
    ask_time_s: float


def judge_predictions(
    store: Store,
    run_id: str,
    evaluation_set: str,
    *,
    judge_name: str,
    judge: Judge,
    predictions_digest: str | None = None,
    report: Report,
) -> Snapshot:
    """Ask a judge once about each prediction of a run for an evaluation set, and publish its verdicts.

    In the same batch it is asked about texts of the first items whose verdict is known.

    Raises:
        NotPublished: the run has no predictions for the set, or what they answer is gone.
        ContractError: the predictions are not one for each sample of each item.
        JudgeUnavailable: the judge answered nothing.
    """
    run = store.run(run_id)
    predictions = read_predictions(predictions_slot(run, evaluation_set), digest=predictions_digest)
    asked = Asked(predictions, items_asked(store, predictions.meta), judge_name, judge)
    _refuse_gaps(asked)
    report(f"asking judge {judge_name} about {len(predictions.rows)} texts of {run_id} on {evaluation_set}")
    found = _ask(asked)
    return _publish(run, _describe(asked, found), found.rows)


def judgements_slot(run: RunDirectory, name: str) -> Slot:
    """Return where verdicts about a run's predictions are published, `<evaluation set>.<judge>`."""
    return run.slot(f"judgements/{name}")


def judgements_name(evaluation_set: str, judge_name: str) -> str:
    """Return the name of the verdicts of a judge about an evaluation set."""
    return f"{evaluation_set}.{judge_name}"


def published_judgements(run: RunDirectory) -> dict[str, Slot]:
    """Return the slots of all verdicts about a run's predictions, by name."""
    return {slot.path.name: slot for slot in run.slots("judgements")}


def read_judgements(slot: Slot, *, digest: str | None = None) -> Judgements:
    """Read published verdicts, verified.

    Raises:
        NotPublished: there are none.
        ContractError: a file breaks its contract.
    """
    snapshot = slot.resolve(digest)
    meta = JudgementsMeta.read(snapshot.file(META_FILE))
    return Judgements(snapshot, meta, read_verdicts(snapshot.file(VERDICTS_FILE)))


def mean_of_items(rows: Sequence[JudgeVerdict]) -> tuple[float | None, int]:
    """Return the mean score over the items all of whose samples are scored, and how many those are."""
    scores: dict[str, list[float | None]] = defaultdict(list)
    for row in rows:
        scores[row.item_id].append(row.score)
    found = [_mean(values) for values in scores.values()]
    complete = [value for value in found if value is not None]
    return _mean(complete), len(complete)


def _refuse_gaps(asked: Asked) -> None:
    meta = asked.predictions.meta
    found = Counter((row.item_id, row.sample_index) for row in asked.predictions.rows)
    expected = Counter(
        (item.item_id, sample) for item in asked.items.items for sample in range(meta.decoding.num_samples)
    )
    if found != expected:
        missing, extra = (expected - found).total(), (found - expected).total()
        raise ContractError(
            f"the predictions of {meta.run_id} for {meta.evaluation_set} lack {missing} samples and have"
            f" {extra} too many: materialize predictions again"
        )


def _ask(asked: Asked) -> Found:
    predictions, items = asked.predictions, asked.items.items
    by_id = {item.item_id: item for item in items}
    cases = [correctness_case(by_id[row.item_id], row.text) for row in predictions.rows]
    known = items[:NUM_SELF_TEST_ITEMS]
    start = time.perf_counter()
    judgements = judge_cases(asked.judge, [*cases, *self_test_cases(known, predictions.meta.template)])
    about_predictions, about_known = judgements[: len(cases)], judgements[len(cases) :]
    rows = [
        judgement.record(row.item_id, row.sample_index, text=row.text)
        for row, judgement in zip(predictions.rows, about_predictions, strict=True)
    ]
    return Found(
        rows=sorted(rows, key=lambda row: (row.item_id, row.sample_index)),
        self_test=read_self_test(known, about_known),
        served_models=served_models(judgements),
        ask_time_s=time.perf_counter() - start,
    )


def _describe(asked: Asked, found: Found) -> JudgementsMeta:
    meta, identity = asked.predictions.meta, asked.judge.identity
    mean_score, num_scored_items = mean_of_items(found.rows)
    return JudgementsMeta(
        run_id=meta.run_id,
        evaluation_set=meta.evaluation_set,
        evaluation_set_digest=asked.items.digest,
        predictions_digest=asked.predictions.snapshot.digest,
        judge=asked.judge_name,
        judge_digest=identity.digest(),
        identity=identity,
        served_models=found.served_models,
        num_items=len(asked.items.items),
        num_samples=meta.decoding.num_samples,
        status_counts=dict(sorted(Counter(row.status for row in found.rows).items())),
        mean_score=mean_score,
        num_scored_items=num_scored_items,
        self_test=found.self_test,
        ask_time_s=found.ask_time_s,
    )


def _publish(run: RunDirectory, meta: JudgementsMeta, rows: Sequence[JudgeVerdict]) -> Snapshot:
    """Publish the verdicts; how long they took does not change their digest."""
    described = meta.model_dump(mode="json", exclude={"ask_time_s"})
    digest = record_digest([described, set_digest(record_digest(msgspec.to_builtins(row)) for row in rows)])
    slot = judgements_slot(run, judgements_name(meta.evaluation_set, meta.judge))
    parents = {"predictions": meta.predictions_digest}
    with slot.publish(
        content_digest=digest, parents=parents, code_version=source_digest(*CODE_PARTS)
    ) as draft:
        (draft.path / META_FILE).write_bytes(meta.to_json())
        write_verdicts(rows, draft.path / VERDICTS_FILE)
    return draft.snapshot


def _mean(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return math.fsum(found) / len(found) if found and len(found) == len(values) else None
