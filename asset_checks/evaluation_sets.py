"""Facts about an evaluation set."""

from asset_checks import expectations
from asset_checks.outcome import Check, Outcome, Subject, all_hold
from tunix_ml.contracts.evaluation_set import (
    ANSWER_TYPES,
    EVALUATION_ITEMS_SCHEMA,
    EvaluationItem,
    from_table,
)
from tunix_ml.contracts.metrics import PRIMARY
from tunix_ml.contracts.prediction import ForeignPrediction
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.datasets.contamination import trained_on
from tunix_ml.datasets.evaluation_items import item_problems
from tunix_ml.datasets.evaluation_publish import TABLE_FILE, count_values, items_digest, read_manifest
from tunix_ml.datasets.evaluation_set import read_published_items
from tunix_ml.evaluation.answers.equality import compare_answers
from tunix_ml.evaluation.score import score_items
from tunix_ml.exports.templates import template
from tunix_ml.parquet import read_table

_NO_ANSWER = "7919"


def items_keep_their_contract(subject: Subject) -> Outcome:
    """Every item has all its fields within their bounds, and an answer of its type; table and lines agree."""
    table = read_table(subject.snapshot.file(TABLE_FILE))
    suite = [expectations.one_of("answer_type", ANSWER_TYPES)]
    outcome = expectations.validate_table(table, EVALUATION_ITEMS_SCHEMA, suite, subject="items")
    if not outcome.passed:
        return outcome
    items = from_table(table)
    problems = [f"item {item.item_id}: {problem}" for item in items for problem in item_problems(item)]
    if items != read_published_items(subject.snapshot):
        problems.append("items.parquet and items.jsonl differ")
    return all_hold(problems, subject="items", facts=outcome.facts)


def item_ids_are_unique(subject: Subject) -> Outcome:
    """No two items of a set have the same id."""
    counts = count_values(read_published_items(subject.snapshot), "item_id")
    problems = [f"{count} items have id {name!r}" for name, count in counts.items() if count > 1]
    return all_hold(problems, subject="ids", facts={"num_items": sum(counts.values())})


def answers_equal_themselves(subject: Subject) -> Outcome:
    """The scorer, which compares answers by their type, calls every expected answer right."""
    items = read_published_items(subject.snapshot)
    rule = AnswerRule(kind="template", template="answer_only")
    scores = score_items(items, map(_given, items), rule)
    problems = [
        f"item {score.item_id}: {score.expected!r:.80} is not equal to itself: {score.detail or score.status}"
        for score in scores
        if score.scores.get(PRIMARY) != 1
    ]
    problems += _unreadable(items)
    return all_hold(problems, subject="answers", facts={"num_items": len(items)})


def _unreadable(items: list[EvaluationItem]) -> list[str]:
    """Return the expected formulas that the solver cannot read: equal texts are equal without it."""
    formulas = [item for item in items if item.answer_type == "expression"]
    verdicts = compare_answers([(item, _NO_ANSWER) for item in formulas])
    return [
        f"item {item.item_id}: {item.final_answer!r:.80} cannot be compared: {verdict.detail}"
        for item, verdict in zip(formulas, verdicts, strict=True)
        if verdict.outcome == "error"
    ]


def items_match_their_manifest(subject: Subject) -> Outcome:
    """The files are as published, and digest and counts computed anew from the items are the manifest's."""
    problems = subject.snapshot.verify()
    if not problems:
        manifest, items = read_manifest(subject.snapshot), read_published_items(subject.snapshot)
        digests = {"items": items_digest(items), "record": subject.snapshot.digest}
        problems += [
            f"digest of the {name} is {digest}, the manifest has {manifest.content_digest}"
            for name, digest in digests.items()
            if digest != manifest.content_digest
        ]
        counts: dict[str, object] = {
            "n_items": len(items),
            "num_clusters": len({item.cluster for item in items}),
        }
        counts |= {name: count_values(items, field) for name, field in _COUNTED.items()}
        problems += [
            f"{name} is {found}, the manifest has {getattr(manifest, name)}"
            for name, found in counts.items()
            if found != getattr(manifest, name)
        ]
    return all_hold(problems, subject="content", facts={"digest": subject.snapshot.digest})


_COUNTED = {
    "sections": "section",
    "categories": "category",
    "difficulties": "difficulty",
    "answer_types": "answer_type",
}


def items_are_no_training_examples(subject: Subject) -> Outcome:
    """No question stands in the train split of a published dataset version, apart from case and spacing."""
    items = read_published_items(subject.snapshot)
    datasets = [slot for slot in subject.store.slots() if slot.table == "dataset" and slot.pointer()]
    problems = [
        f"item {item_id} is a training example of {slot.key}"
        for slot in datasets
        for item_id in trained_on(items, slot.resolve())
    ]
    facts = {"num_items": len(items), "num_datasets": len(datasets)}
    return all_hold(problems, subject="questions", facts=facts, severity="WARN")


def _given(item: EvaluationItem) -> ForeignPrediction:
    """Return an item's own answer as if a model had written it, and nothing else."""
    return ForeignPrediction(item.item_id, 0, template("answer_only").completion_text((), item.final_answer))


CHECKS = (
    Check("evaluation_sets", items_keep_their_contract),
    Check("evaluation_sets", item_ids_are_unique),
    Check("evaluation_sets", answers_equal_themselves),
    Check("evaluation_sets", items_match_their_manifest),
    Check("evaluation_sets", items_are_no_training_examples, blocking=False),
)
