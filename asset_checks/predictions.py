"""Facts about predictions."""

from collections import Counter

import msgspec

from asset_checks import expectations
from asset_checks.outcome import Check, Outcome, Subject, all_hold
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.prediction import PREDICTIONS_SCHEMA
from tunix_ml.contracts.training import CheckpointRecord
from tunix_ml.evaluation.report import Predictions, items_asked, read_predictions
from tunix_ml.exports.templates import template
from tunix_ml.parquet import read_table

MAX_LENGTH_STOPS = 0.05


def predictions_keep_their_contract(subject: Subject) -> Outcome:
    """The table has its declared columns without a null, each sample of an item once; the lines agree."""
    table = read_table(subject.snapshot.file("predictions.parquet"))
    suite = [
        expectations.unique_together("item_id", "sample_index"),
        expectations.Expected("ExpectColumnValuesToBeBetween", {"column": "logprob", "max_value": 0}),
        expectations.one_of("finish_reason", ["eos", "stop", "length"]),
    ]
    outcome = expectations.validate_table(table, PREDICTIONS_SCHEMA, suite, subject="predictions")
    if outcome.passed and table.to_pylist() != msgspec.to_builtins(_read(subject).rows):
        return Outcome(False, "predictions.parquet and predictions.jsonl differ", outcome.facts)
    return outcome


def one_prediction_per_item(subject: Subject) -> Outcome:
    """Every item that was to be asked has one prediction for each sample, made from its own question."""
    predictions = _read(subject)
    meta = predictions.meta
    asked = items_asked(subject.store, meta)
    chosen = template(meta.template)
    prompts = {item.item_id: chosen.prompt_text(item.prompt) for item in asked.items}
    num_samples = meta.decoding.num_samples
    found = Counter((row.item_id, row.sample_index) for row in predictions.rows)
    expected = {(item_id, sample) for item_id in prompts for sample in range(num_samples)}
    problems = [f"{_named(*key, num_samples)} has no prediction" for key in sorted(expected - found.keys())]
    problems += [f"{_named(*key, num_samples)} was not asked" for key in sorted(found.keys() - expected)]
    problems += [
        f"item {row.item_id} was asked {row.prompt!r:.60}"
        for row in predictions.rows
        if row.prompt != prompts.get(row.item_id) or sha256_hex(row.prompt.encode()) != row.prompt_digest
    ]
    problems += [
        f"{_named(*key, num_samples)} has {count} predictions"
        for key, count in sorted(found.items())
        if count > 1
    ]
    facts = {"num_items": len(prompts), "num_samples": num_samples}
    return all_hold(problems, subject="predictions", facts=facts)


def model_is_the_trained_one(subject: Subject) -> Outcome:
    """The predictions were made by the very model that the run's checkpoint exported."""
    meta = _read(subject).meta
    run = subject.store.run(meta.run_id)
    stated = {
        "predictions": meta.model_digest,
        "checkpoint": CheckpointRecord.read(run.path / "checkpoint.json").model_digest,
        "model folder": run.slot("model").resolve().digest,
    }
    agree = len(set(stated.values())) == 1
    problems = [] if agree else [f"{name} has model {digest}" for name, digest in stated.items()]
    problems += run.slot("model").resolve().verify()
    return all_hold(problems, subject="model", facts={"model_digest": meta.model_digest})


def few_reach_the_length_limit(subject: Subject) -> Outcome:
    """At most 5 % of the texts were cut at max_new_tokens; a model that never ends has not learned EOS."""
    predictions = _read(subject)
    limit, num_texts = predictions.meta.decoding.max_new_tokens, len(predictions.rows)
    num_cut = sum(row.finish_reason == "length" for row in predictions.rows)
    share = num_cut / max(num_texts, 1)
    return Outcome(
        share <= MAX_LENGTH_STOPS,
        f"{num_cut} of {num_texts} texts were cut at {limit} tokens",
        {"share_cut": share, "max_new_tokens": limit},
        "WARN",
    )


def _named(item_id: str, sample_index: int, num_samples: int) -> str:
    is_one_of_many = num_samples > 1 or sample_index > 0
    return f"item {item_id}" + (f", sample {sample_index}," if is_one_of_many else "")


def _read(subject: Subject) -> Predictions:
    return read_predictions(subject.slot, digest=subject.snapshot.digest)


CHECKS = (
    Check("predictions", predictions_keep_their_contract),
    Check("predictions", one_prediction_per_item),
    Check("predictions", model_is_the_trained_one),
    Check("predictions", few_reach_the_length_limit, blocking=False),
)
