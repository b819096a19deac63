"""Predictions: a run's model asked every question of some evaluation sets."""

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
from tunix_ml.contracts.prediction import (
    PREDICTIONS_SCHEMA,
    GoldLikelihood,
    PredictConfig,
    Prediction,
    PredictionsMeta,
)
from tunix_ml.contracts.training import CheckpointRecord, RunIdentity
from tunix_ml.datasets.evaluation_set import EvaluationSet, load_asked_sets
from tunix_ml.exports.templates import Template, template
from tunix_ml.exports.tokenize import encode_prompt
from tunix_ml.exports.tokenizer import Tokenizer, load_tokenizer
from tunix_ml.inference.decode import Completion, Request, check_lengths, decode
from tunix_ml.inference.likelihood import Scored, completion_likelihoods
from tunix_ml.inference.programs import Weights, prepare
from tunix_ml.inference.stops import cut_after_stop
from tunix_ml.modeling.decoder import Network
from tunix_ml.modeling.huggingface import GENERATION_CONFIG_FILE, load_model
from tunix_ml.parquet import write_table
from tunix_ml.provenance import source_digest
from tunix_ml.snapshot import CorruptArtifact, NotPublished, Snapshot
from tunix_ml.store import RunDirectory, Store
from tunix_ml.training.devices import describe_device, find_device
from tunix_ml.training.loop import RECORD_FILE

Report = Callable[[str], None]


def predict(*, store: Store, run_id: str, config: PredictConfig, report: Report) -> dict[str, Snapshot]:
    """Ask a finished run's model every item of its evaluation sets; publish the answers once all are there.

    The model is loaded once. Returned are the predictions of each set, by its name.

    Raises:
        NotPublished: the run has not been trained to its end, or an evaluation set is not published.
        UnknownEvaluationSet: there is no evaluation set of a name.
        CorruptArtifact: the model is not the one that the run recorded.
        DeviceNotFound: the device asked for is not on this machine.
        ContractError: a prompt does not fit the model together with max_new_tokens.
        DecodingError: the model's scores are not numbers.
    """
    device = find_device(config.predict_device, index=config.predict_device_index)
    run = store.run(run_id)
    identity = _read_identity(run)
    model = _resolve_model(run)
    asked = _asked_sets(store, identity, config)
    with jax.default_device(device):
        loaded = _load(model.path, config)
        questions = [_questions(items, identity, loaded.tokenizer) for items in asked]
        requests = [request for one in questions for request in one.requests]
        check_lengths(requests, config.max_new_tokens, loaded.network.config.max_position_embeddings)
        answers = []
        for one in questions:
            num_items, name = len(one.items.items), one.items.name
            report(f"asking {run_id} the {num_items} items of {name} on {describe_device(device)}")
            gold = _gold(loaded, one, template(identity.template), batch_size=config.decode_batch_size)
            answers.append(Answers(one.items, *_ask(loaded, one, config, report), gold))
    made_from = PredictionsContext(identity, model, config, loaded.end_token_ids, describe_device(device))
    return {answer.items.name: _publish(run, _describe(answer, made_from), answer) for answer in answers}


class Loaded(NamedTuple):
    """A model made ready for decoding, its tokenizer, and the tokens that end a text."""

    network: Network
    weights: Weights
    tokenizer: Tokenizer
    end_token_ids: list[int]


class Questions(NamedTuple):
    """The items of an evaluation set as the model reads them."""

    items: EvaluationSet
    prompts: list[str]
    requests: list[Request]


class Answers(NamedTuple):
    """The predictions for an evaluation set by item and sample, their time, and what the truth costs."""

    items: EvaluationSet
    predictions: list[Prediction]
    decode_time_s: float
    gold: list[GoldLikelihood]


class PredictionsContext(NamedTuple):
    """What predictions were made from, and where."""

    identity: RunIdentity
    model: Snapshot
    config: PredictConfig
    end_token_ids: list[int]
    device: str


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


def _asked_sets(store: Store, identity: RunIdentity, config: PredictConfig) -> list[EvaluationSet]:
    found = load_asked_sets(
        store,
        config.evaluation_sets,
        dataset_version=identity.dataset_version,
        dataset_digest=identity.dataset_digest,
    )
    return [items.first(config.max_items) for items in found]


def _load(folder: Path, config: PredictConfig) -> Loaded:
    """Return a model made ready for decoding; what was read is let go."""
    loaded = load_model(folder)
    network = replace(loaded.network, precision=config.precision)
    tokenizer = load_tokenizer(folder)
    return Loaded(
        network, prepare(loaded.params, network=network), tokenizer, end_token_ids(folder, tokenizer)
    )


def _questions(items: EvaluationSet, identity: RunIdentity, tokenizer: Tokenizer) -> Questions:
    prompts = [template(identity.template).prompt_text(item.prompt) for item in items.items]
    requests = [
        Request(encode_prompt(tokenizer, prompt), item_number(item.item_id))
        for item, prompt in zip(items.items, prompts, strict=True)
    ]
    return Questions(items, prompts, requests)


def _gold(loaded: Loaded, questions: Questions, chosen: Template, *, batch_size: int) -> list[GoldLikelihood]:
    """Return what the true completions cost, of the items whose true reasoning is known."""
    known = [
        (item, request, chosen.completion_text(item.steps, item.final_answer))
        for item, request in zip(questions.items.items, questions.requests, strict=True)
        if item.steps
    ]
    tokenizer = loaded.tokenizer
    completions = tokenizer.encode_batch([text for _, _, text in known])
    texts = [
        Scored(list(request.ids), [*completion, tokenizer.eos_token_id])
        for (_, request, _), completion in zip(known, completions, strict=True)
    ]
    costs = completion_likelihoods(loaded.network, loaded.weights, texts, batch_size=batch_size)
    return [
        GoldLikelihood(item.item_id, nats, len(one.completion_ids), len(text.encode()))
        for (item, _, text), one, nats in zip(known, texts, costs, strict=True)
    ]


def _ask(
    loaded: Loaded, questions: Questions, config: PredictConfig, report: Report
) -> tuple[list[Prediction], float]:
    """Return the predictions, and the seconds they took."""
    start = time.perf_counter()
    texts = decode(
        loaded.network,
        loaded.weights,
        questions.requests,
        config=config,
        end_token_ids=loaded.end_token_ids,
        batch_size=config.decode_batch_size,
        decode_text=loaded.tokenizer.decode,
        report=report,
    )
    decode_time_s = time.perf_counter() - start
    asked = zip(questions.items.items, questions.prompts, questions.requests, texts, strict=True)
    predictions = [
        _prediction(item, prompt, request, sample, completion, config.stop, loaded.tokenizer)
        for item, prompt, request, samples in asked
        for sample, completion in enumerate(samples)
    ]
    return predictions, decode_time_s


def item_number(item_id: str) -> int:
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


def _describe(answers: Answers, made_from: PredictionsContext) -> PredictionsMeta:
    items, predictions, decode_time_s, _ = answers
    identity, config = made_from.identity, made_from.config
    num_new_tokens = sum(prediction.num_new_tokens for prediction in predictions)
    return PredictionsMeta(
        run_id=identity.run_id(),
        evaluation_set=items.name,
        evaluation_set_digest=items.digest,
        source_digest=items.source_digest,
        dataset_digest=identity.dataset_digest,
        model_digest=made_from.model.digest,
        template=identity.template,
        template_digest=template(identity.template).digest(),
        decoding=config.decoding(),
        end_token_ids=made_from.end_token_ids,
        num_items=len(items.items),
        num_length_stops=sum(prediction.finish_reason == "length" for prediction in predictions),
        decode_time_s=decode_time_s,
        new_tokens_per_second=num_new_tokens / decode_time_s,
        device=made_from.device,
    )


def _publish(run: RunDirectory, meta: PredictionsMeta, answers: Answers) -> Snapshot:
    """Publish the answers.

    How long they took and where does not change their digest, nor do likelihoods: their last bits depend on
    the order in which a device adds.
    """
    parents = {
        "model": meta.model_digest,
        "evaluation_set": meta.evaluation_set_digest,
        "source": meta.source_digest,
    }
    records = [msgspec.to_builtins(prediction) for prediction in answers.predictions]
    written = [{name: record[name] for name in record if name != "logprob"} for record in records]
    made_with = {**meta.decoding.model_dump(mode="json"), "end_token_ids": meta.end_token_ids, **parents}
    digest = record_digest([set_digest(map(record_digest, written)), meta.template_digest, made_with])
    slot = run.slot(f"predictions/{meta.evaluation_set}")
    with slot.publish(content_digest=digest, parents=parents, code_version=code_version()) as draft:
        lines = msgspec.json.Encoder().encode_lines(answers.predictions)
        (draft.path / "predictions.jsonl").write_bytes(lines)
        (draft.path / "gold.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(answers.gold))
        write_table(PREDICTIONS_SCHEMA.table(records), draft.path / "predictions.parquet")
        (draft.path / "predictions_meta.json").write_bytes(meta.to_json())
    return draft.snapshot


def code_version() -> str:
    """Return the digest of the source code that decides what is predicted."""
    return source_digest("inference", "modeling", "exports", "contracts")
