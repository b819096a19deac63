"""Facts about a judge's verdicts on predictions."""

import math
from collections import Counter

from asset_checks import expectations
from asset_checks.outcome import Check, Facts, Outcome, Subject, all_hold
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.judge import JUDGE_VERDICTS_SCHEMA
from tunix_ml.evaluation.judges.predictions import Judgements, mean_of_items, read_judgements
from tunix_ml.evaluation.judges.prompts import judge_prompt
from tunix_ml.evaluation.report import Predictions, predictions_slot, read_predictions
from tunix_ml.parquet import read_table

MIN_GOLD_RATE = 0.9
SHUFFLED_TOLERANCE = 0.1


def verdicts_keep_their_contract(subject: Subject) -> Outcome:
    """The table has its declared columns and statuses, and a score exactly where there is a verdict."""
    table = read_table(subject.snapshot.file("verdicts.parquet"))
    suite = [
        expectations.unique_together("item_id", "sample_index"),
        expectations.one_of("status", ["scored", "invalid", "timeout", "error"]),
    ]
    outcome = expectations.validate_table(table, JUDGE_VERDICTS_SCHEMA, suite, subject="verdicts")
    if not outcome.passed:
        return outcome
    scores = judge_prompt("correctness").verdicts
    problems = [
        f"item {row.item_id}, sample {row.sample_index}, is {row.status}, {row.verdict}, {row.score}"
        for row in _read(subject).rows
        if (row.status == "scored") != (row.verdict in scores) or row.score != scores.get(str(row.verdict))
    ]
    return all_hold(problems, subject="verdicts", facts=outcome.facts)


def every_sample_has_a_verdict_record(subject: Subject) -> Outcome:
    """Every prediction has exactly one verdict record, about its own text, and the counts add up."""
    found = _read(subject)
    meta = found.meta
    predicted = _predictions(subject, found)
    expected = Counter((row.item_id, row.sample_index, _digest(row.text)) for row in predicted.rows)
    rows = Counter((row.item_id, row.sample_index, row.text_digest) for row in found.rows)
    problems = [f"{key} has no verdict record" for key in sorted((expected - rows).keys())]
    problems += [f"{key} was not predicted" for key in sorted((rows - expected).keys())]
    statuses = Counter(row.status for row in found.rows)
    if statuses != Counter(meta.status_counts):
        problems.append(f"statuses are {meta.status_counts}, the records have {dict(statuses)}")
    if meta.num_items * meta.num_samples != len(found.rows):
        problems.append(
            f"{meta.num_items} items of {meta.num_samples} samples have {len(found.rows)} records"
        )
    facts: Facts = {**dict(found.meta.status_counts), "num_records": len(found.rows)}
    return all_hold(problems, subject="verdicts", facts=facts)


def mean_follows_from_the_verdicts(subject: Subject) -> Outcome:
    """The mean score is that of the items all of whose samples are scored, and the judge is the one named."""
    found = _read(subject)
    meta = found.meta
    mean, num_items = mean_of_items(found.rows)
    problems = []
    if num_items != meta.num_scored_items or not _equal(mean, meta.mean_score):
        problems.append(
            f"mean is {meta.mean_score} of {meta.num_scored_items} items,"
            f" the records give {mean} of {num_items}"
        )
    if meta.judge_digest != meta.identity.digest():
        problems.append(f"judge digest {meta.judge_digest} is not that of its identity")
    return all_hold(problems, subject="verdicts", facts={"num_scored_items": num_items})


def judge_tells_right_from_wrong(subject: Subject) -> Outcome:
    """Of these items the judge calls nine in ten true completions correct, and swapped ones hardly ever."""
    test = _read(subject).meta.self_test
    problems = []
    if test.gold_rate is None or test.gold_rate < MIN_GOLD_RATE:
        problems.append(f"true completions are judged correct at {test.gold_rate}")
    if test.shuffled_rate is None or test.shuffled_rate > test.expected_shuffled_rate + SHUFFLED_TOLERANCE:
        problems.append(f"completions of other items are judged correct at {test.shuffled_rate}")
    facts = {name: value for name, value in test.model_dump().items() if value is not None}
    return all_hold(problems, subject="self-test", facts=facts, severity="WARN")


def every_verdict_is_there(subject: Subject) -> Outcome:
    """No reply was late, missing or without a verdict: otherwise the run has no judged score to rank by."""
    meta = _read(subject).meta
    problems = [f"{count} {status}" for status, count in meta.status_counts.items() if status != "scored"]
    return all_hold(problems, subject="replies", facts=dict(meta.status_counts), severity="WARN")


def _read(subject: Subject) -> Judgements:
    return read_judgements(subject.slot, digest=subject.snapshot.digest)


def _predictions(subject: Subject, found: Judgements) -> Predictions:
    slot = predictions_slot(subject.store.run(found.meta.run_id), found.meta.evaluation_set)
    return read_predictions(slot, digest=found.meta.predictions_digest)


def _digest(text: str) -> str:
    return sha256_hex(text.encode())


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, abs_tol=1e-12)


CHECKS = (
    Check("judged_eval", verdicts_keep_their_contract),
    Check("judged_eval", every_sample_has_a_verdict_record),
    Check("judged_eval", mean_follows_from_the_verdicts),
    Check("judged_eval", judge_tells_right_from_wrong, blocking=False),
    Check("judged_eval", every_verdict_is_there, blocking=False),
)
