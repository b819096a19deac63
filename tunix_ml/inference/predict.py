"""Predictions: a run's model asked every question of its dataset's evaluation set."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from tunix_ml.contracts.canonical import record_digest, set_digest, sha256_hex
from tunix_ml.contracts.prediction import PREDICTIONS_SCHEMA, PredictConfig, Prediction, PredictionsMeta
from tunix_ml.contracts.training import CheckpointRecord, RunIdentity
from tunix_ml.datasets.evaluation_set import EvaluationSet, load_evaluation_set
from tunix_ml.exports.templates import template
from tunix_ml.exports.tokenize import encode_prompt
from tunix_ml.exports.tokenizer import load_tokenizer
from tunix_ml.inference.decode import decode_greedily
from tunix_ml.modeling.huggingface import load_model
from tunix_ml.provenance import source_digest
from tunix_ml.store import CorruptArtifact, NotPublished, RunDirectory, Snapshot, Store
from tunix_ml.training.devices import describe_device, find_device
from tunix_ml.training.loop import RECORD_FILE

Report = Callable[[str], None]


def predict(*, store: Store, run_id: str, config: PredictConfig, report: Report) -> Snapshot:
    """Ask a finished run's model every item of its evaluation set and publish the answers, all or none.

    Raises:
        NotPublished: the run has not been trained to its end.
        CorruptArtifact: the model is not the one that the run recorded.
        DeviceNotFound: the device asked for is not on this machine.
        ContractError: a prompt does not fit the model together with max_new_tokens.
    """
    device = find_device(config.predict_device)
    run = store.run(run_id)
    identity = _read_identity(run)
    model = _resolve_model(run)
    items = load_evaluation_set(
        store, identity.dataset_version, dataset_digest=identity.dataset_digest
    ).first(config.max_items)
    report(f"asking {run_id} the {len(items.items)} items of {items.name} on {describe_device(device)}")
    start = time.perf_counter()
    with jax.default_device(device):
        predictions = _ask(model, items, identity, config, report)
    meta = _describe(
        predictions,
        PredictionsContext(identity=identity, model=model, items=items, config=config),
        decode_time_s=time.perf_counter() - start,
        device=describe_device(device),
    )
    return _publish(run, meta, predictions)


class PredictionsContext(NamedTuple):
    """What predictions were made from."""

    identity: RunIdentity
    model: Snapshot
    items: EvaluationSet
    config: PredictConfig


def _read_identity(run: RunDirectory) -> RunIdentity:
    path = run.path / "config.json"
    if not path.exists():
        raise NotPublished(f"run {run.run_id!r} does not exist: train it first")
    return RunIdentity.read(path)


def _resolve_model(run: RunDirectory) -> Snapshot:
    """Return the model of a finished run, whole and the one it recorded."""
    path = run.path / RECORD_FILE
    if not path.exists():
        raise NotPublished(f"run {run.run_id!r} is not finished: train it to its end first")
    recorded = CheckpointRecord.read(path).model_digest
    model = run.slot("model").resolve()
    if model.digest != recorded:
        raise CorruptArtifact(f"the model of {run.run_id!r} is {model.digest}, {path} has {recorded}")
    if problems := model.verify():
        raise CorruptArtifact("; ".join(problems))
    return model


def _ask(
    model: Snapshot, items: EvaluationSet, identity: RunIdentity, config: PredictConfig, report: Report
) -> list[Prediction]:
    loaded, tokenizer = load_model(model.path), load_tokenizer(model.path)
    prompts = [template(identity.template).prompt_text(item.prompt) for item in items.items]
    prompt_ids = [encode_prompt(tokenizer, prompt) for prompt in prompts]
    completions = decode_greedily(
        loaded.network,
        loaded.params,
        prompt_ids,
        max_new_tokens=config.max_new_tokens,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        batch_size=config.decode_batch_size,
        report=report,
    )
    answers = zip(items.items, prompts, prompt_ids, completions, strict=True)
    return [
        Prediction(
            item_id=item.item_id,
            prompt=prompt,
            prompt_digest=sha256_hex(prompt.encode()),
            text=tokenizer.decode(completion.ids),
            num_prompt_tokens=len(ids),
            num_new_tokens=len(completion.ids),
            finish_reason=completion.finish_reason,
        )
        for item, prompt, ids, completion in answers
    ]


def _describe(
    predictions: Sequence[Prediction], made_from: PredictionsContext, *, decode_time_s: float, device: str
) -> PredictionsMeta:
    identity, model, items, config = made_from
    num_new_tokens = sum(prediction.num_new_tokens for prediction in predictions)
    return PredictionsMeta(
        run_id=identity.run_id(),
        evaluation_set=items.name,
        evaluation_set_digest=items.digest,
        dataset_digest=items.dataset_digest,
        model_digest=model.digest,
        template=identity.template,
        template_digest=template(identity.template).digest(),
        max_new_tokens=config.max_new_tokens,
        num_items=len(predictions),
        num_length_stops=sum(prediction.finish_reason == "length" for prediction in predictions),
        decode_time_s=decode_time_s,
        new_tokens_per_second=num_new_tokens / decode_time_s,
        device=device,
    )


def _publish(run: RunDirectory, meta: PredictionsMeta, predictions: Sequence[Prediction]) -> Snapshot:
    """Publish the answers; how long they took and where does not change their digest."""
    parents = {
        "model": meta.model_digest,
        "evaluation_set": meta.evaluation_set_digest,
        "dataset": meta.dataset_digest,
    }
    records = [msgspec.to_builtins(prediction) for prediction in predictions]
    decoding = {"decoding": meta.decoding, "max_new_tokens": meta.max_new_tokens, **parents}
    digest = record_digest([set_digest(map(record_digest, records)), meta.template_digest, decoding])
    slot = run.slot(f"predictions/{meta.evaluation_set}")
    with slot.publish(content_digest=digest, parents=parents, code_version=code_version()) as draft:
        lines = msgspec.json.Encoder().encode_lines(predictions)
        (draft.path / "predictions.jsonl").write_bytes(lines)
        table = pa.Table.from_pylist(records, schema=PREDICTIONS_SCHEMA)
        pq.write_table(table, draft.path / "predictions.parquet", write_page_checksum=True)
        (draft.path / "predictions_meta.json").write_bytes(meta.to_json())
    return draft.snapshot


def code_version() -> str:
    """Return the digest of the source code that decides what is predicted."""
    return source_digest("inference", "modeling", "exports", "contracts")
