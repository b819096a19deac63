"""Predictions: a run's model asked every question of its dataset's evaluation set."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import record_digest, set_digest, sha256_hex
from tunix_ml.contracts.prediction import PREDICTIONS_SCHEMA, PredictConfig, Prediction, PredictionsMeta
from tunix_ml.contracts.training import CheckpointRecord, RunIdentity
from tunix_ml.datasets.evaluation_set import EvaluationSet, load_evaluation_set
from tunix_ml.exports.templates import template
from tunix_ml.exports.tokenize import encode_prompt
from tunix_ml.exports.tokenizer import Tokenizer, load_tokenizer
from tunix_ml.inference.decode import Completion, decode_greedily
from tunix_ml.modeling.huggingface import load_model
from tunix_ml.provenance import source_digest
from tunix_ml.store import CorruptArtifact, NotPublished, RunDirectory, Snapshot, Store
from tunix_ml.training.devices import describe_device, find_device

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
    decode_time_s = time.perf_counter() - start
    _check_complete(items, predictions)
    meta = _describe(identity, model, items, config, predictions, decode_time_s, describe_device(device))
    return _publish(run, identity, meta, predictions)
