"""Predictions: a run's model asked every question of its dataset's evaluation set."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import msgspec

from tunix_ml.contracts.canonical import record_digest, set_digest, sha256_hex
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.prediction import PREDICTIONS_SCHEMA, PredictConfig, Prediction, PredictionsMeta
from tunix_ml.contracts.training import CheckpointRecord, RunIdentity
from tunix_ml.datasets.evaluation_set import EvaluationSet, load_evaluation_set
from tunix_ml.exports.templates import template
from tunix_ml.exports.tokenize import encode_prompt
from tunix_ml.exports.tokenizer import Tokenizer, load_tokenizer
from tunix_ml.inference.decode import Completion, Request, decode
from tunix_ml.inference.programs import Weights, prepare
from tunix_ml.inference.stops import cut_after_stop
from tunix_ml.modeling.decoder import Network
from tunix_ml.modeling.huggingface import GENERATION_CONFIG_FILE, load_model
from tunix_ml.parquet import write_table
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
        DecodingError: the model's scores are not numbers.
    """
    device = find_device(config.predict_device, index=config.predict_device_index)
    run = store.run(run_id)
    identity = _read_identity(run)
    model = _resolve_model(run)
    items = load_evaluation_set(
        store, identity.dataset_version, dataset_digest=identity.dataset_digest
    ).first(config.max_items)
    report(f"asking {run_id} the {len(items.items)} items of {items.name} on {describe_device(device)}")
    start = time.perf_counter()
    with jax.default_device(device):
        answers = _ask(model.path, items, identity, config, report)
    meta = _describe(
        answers,
        PredictionsContext(identity=identity, model=model, items=items, config=config),
        decode_time_s=time.perf_counter() - start,
        device=describe_device(device),
    )
    return _publish(run, meta, answers.predictions)


class Answers(NamedTuple):
    """The predictions by item and sample, and the tokens that could end them."""

    predictions: list[Prediction]
    end_token_ids: list[int]


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


def end_token_ids(folder: Path, tokenizer: Tokenizer) -> list[int]:
    """Return the tokens that end a text: the tokenizer's, and those of a model folder's generation settings.

    Models that were taught to chat name several there, of which the tokenizer knows one.
    """
    path = folder / GENERATION_CONFIG_FILE
    named = json.loads(path.read_bytes()).get("eos_token_id") if path.exists() else None
    if named is None:
        named = []
    return sorted({tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])})


def _ask(
    folder: Path, items: EvaluationSet, identity: RunIdentity, config: PredictConfig, report: Report
) -> Answers:
    tokenizer = load_tokenizer(folder)
    network, weights = _load(folder, config)
    ends = end_token_ids(folder, tokenizer)
    prompts = [template(identity.template).prompt_text(item.prompt) for item in items.items]
    requests = [
        Request(encode_prompt(tokenizer, prompt), _item_number(item.item_id))
        for item, prompt in zip(items.items, prompts, strict=True)
    ]
    texts = decode(
        network,
        weights,
        requests,
        config=config,
        end_token_ids=ends,
        batch_size=config.decode_batch_size,
        decode_text=tokenizer.decode,
        report=report,
    )
    predictions = [
        _prediction(item, prompt, request, sample, completion, config.stop, tokenizer)
        for item, prompt, request, samples in zip(items.items, prompts, requests, texts, strict=True)
        for sample, completion in enumerate(samples)
    ]
    return Answers(predictions, ends)


def _load(folder: Path, config: PredictConfig) -> tuple[Network, Weights]:
    """Return a model made ready for decoding; what was read is let go."""
    loaded = load_model(folder)
    network = replace(loaded.network, precision=config.precision)
    return network, prepare(loaded.params, network=network)


def _item_number(item_id: str) -> int:
    """Return the number by which an item's samples are drawn, wherever it stands among others."""
    return int(sha256_hex(item_id.encode())[:16], 16)


def _prediction(
    item: EvaluationItem,
    prompt: str,
    request: Request,
    sample: int,
    completion: Completion,
    stop: Sequence[str],
    tokenizer: Tokenizer,
) -> Prediction:
    return Prediction(
        item_id=item.item_id,
        sample_index=sample,
        prompt=prompt,
        prompt_digest=sha256_hex(prompt.encode()),
        text=cut_after_stop(tokenizer.decode(completion.ids), stop),
        num_prompt_tokens=len(request.ids),
        num_new_tokens=len(completion.ids),
        logprob=math.fsum(completion.logprobs),
        finish_reason=completion.finish_reason,
    )


def _describe(
    answers: Answers, made_from: PredictionsContext, *, decode_time_s: float, device: str
) -> PredictionsMeta:
    identity, model, items, config = made_from
    predictions = answers.predictions
    num_new_tokens = sum(prediction.num_new_tokens for prediction in predictions)
    return PredictionsMeta(
        run_id=identity.run_id(),
        evaluation_set=items.name,
        evaluation_set_digest=items.digest,
        dataset_digest=items.dataset_digest,
        model_digest=model.digest,
        template=identity.template,
        template_digest=template(identity.template).digest(),
        decoding=config.decoding(),
        end_token_ids=answers.end_token_ids,
        num_items=len(items.items),
        num_length_stops=sum(prediction.finish_reason == "length" for prediction in predictions),
        decode_time_s=decode_time_s,
        new_tokens_per_second=num_new_tokens / decode_time_s,
        device=device,
    )


def _publish(run: RunDirectory, meta: PredictionsMeta, predictions: Sequence[Prediction]) -> Snapshot:
    """Publish the answers.

    How long they took and where does not change their digest, nor do the log-probabilities: their last bits
    depend on the order in which a device adds.
    """
    parents = {
        "model": meta.model_digest,
        "evaluation_set": meta.evaluation_set_digest,
        "dataset": meta.dataset_digest,
    }
    records = [msgspec.to_builtins(prediction) for prediction in predictions]
    written = [{name: record[name] for name in record if name != "logprob"} for record in records]
    made_with = {**meta.decoding.model_dump(mode="json"), "end_token_ids": meta.end_token_ids, **parents}
    digest = record_digest([set_digest(map(record_digest, written)), meta.template_digest, made_with])
    slot = run.slot(f"predictions/{meta.evaluation_set}")
    with slot.publish(content_digest=digest, parents=parents, code_version=code_version()) as draft:
        lines = msgspec.json.Encoder().encode_lines(predictions)
        (draft.path / "predictions.jsonl").write_bytes(lines)
        write_table(PREDICTIONS_SCHEMA.table(records), draft.path / "predictions.parquet")
        (draft.path / "predictions_meta.json").write_bytes(meta.to_json())
    return draft.snapshot


def code_version() -> str:
    """Return the digest of the source code that decides what is predicted."""
    return source_digest("inference", "modeling", "exports", "contracts")
