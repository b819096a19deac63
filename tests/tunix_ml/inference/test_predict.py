import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.prediction import PREDICTIONS_SCHEMA, PredictConfig, Prediction, PredictionsMeta
from tunix_ml.contracts.training import CheckpointRecord, ExecutionConfig, RunIdentity
from tunix_ml.datasets.evaluation_catalog import UnknownEvaluationSet, load_evaluation_recipe
from tunix_ml.datasets.evaluation_publish import publish_evaluation_set
from tunix_ml.datasets.evaluation_set import load_evaluation_set
from tunix_ml.exports.tokenizer import load_tokenizer, train_bpe
from tunix_ml.inference import predict as predict_module
from tunix_ml.inference.predict import end_token_ids, predict
from tunix_ml.modeling.huggingface import LoadedModel, load_model
from tunix_ml.snapshot import CorruptArtifact, NotPublished, Snapshot
from tunix_ml.store import Store
from tunix_ml.training.loop import train

CONFIG = PredictConfig(max_new_tokens=12, predict_device="cpu")


@pytest.fixture
def record(sums: Store, identify: Callable[..., RunIdentity]) -> CheckpointRecord:
    identity = identify(sums, num_train_steps=2)
    execution = ExecutionConfig(device="cpu")
    return train(store=sums, identity=identity, execution=execution, report=lambda line: None)


def ask_all(store: Store, run_id: str, config: PredictConfig = CONFIG) -> dict[str, Snapshot]:
    return predict(store=store, run_id=run_id, config=config, report=lambda line: None)


def ask(store: Store, run_id: str, config: PredictConfig = CONFIG) -> Snapshot:
    (snapshot,) = ask_all(store, run_id, config).values()
    return snapshot


def read(snapshot: Snapshot) -> list[Prediction]:
    lines = snapshot.file("predictions.jsonl").read_bytes()
    return [msgspec.json.decode(line, type=Prediction) for line in lines.splitlines()]


def test_every_item_gets_one_prediction(sums: Store, record: CheckpointRecord) -> None:
    snapshot = ask(sums, record.run_id)

    items = load_evaluation_set(sums, "sums-v1.test").items
    predictions = read(snapshot)
    assert [prediction.item_id for prediction in predictions] == [item.item_id for item in items]
    assert [prediction.prompt for prediction in predictions] == [f"{item.prompt}\n" for item in items]
    assert all(
        prediction.prompt_digest == sha256_hex(prediction.prompt.encode()) for prediction in predictions
    )
    assert all(1 <= prediction.num_new_tokens <= 12 for prediction in predictions)


def test_the_table_holds_what_the_lines_hold(sums: Store, record: CheckpointRecord) -> None:
    snapshot = ask(sums, record.run_id)

    table = pq.read_table(snapshot.file("predictions.parquet"))
    assert table.schema.equals(PREDICTIONS_SCHEMA.arrow())
    assert table.to_pylist() == [msgspec.to_builtins(prediction) for prediction in read(snapshot)]


def test_the_predictions_say_what_they_rest_on(sums: Store, record: CheckpointRecord) -> None:
    snapshot = ask(sums, record.run_id)

    items = load_evaluation_set(sums, "sums-v1.test")
    meta = PredictionsMeta.read(snapshot.file("predictions_meta.json"))
    assert (meta.run_id, meta.model_digest) == (record.run_id, record.model_digest)
    assert (meta.evaluation_set, meta.source_digest) == ("sums-v1.test", items.source_digest)
    assert meta.dataset_digest == items.source_digest
    assert meta.num_items == len(items.items)
    assert meta.num_length_stops == sum(one.finish_reason == "length" for one in read(snapshot))
    assert meta.device == "cpu"
    assert snapshot.record.parents == {
        "model": record.model_digest,
        "evaluation_set": items.digest,
        "source": items.source_digest,
    }


def test_the_same_question_twice_is_one_content(sums: Store, record: CheckpointRecord) -> None:
    first, again = ask(sums, record.run_id), ask(sums, record.run_id)
    in_small_batches = ask(sums, record.run_id, CONFIG.model_copy(update={"decode_batch_size": 3}))
    shorter = ask(sums, record.run_id, CONFIG.model_copy(update={"max_new_tokens": 11}))

    assert first.digest == again.digest == in_small_batches.digest
    assert shorter.digest != first.digest


def test_drawn_samples_follow_from_item_and_seed_alone(sums: Store, record: CheckpointRecord) -> None:
    drawn = {**CONFIG.model_dump(), "temperature": 1.0, "num_samples": 2, "seed": 3}
    snapshot = ask(sums, record.run_id, PredictConfig(**drawn))
    of_three = ask(sums, record.run_id, PredictConfig(**{**drawn, "max_items": 3, "decode_batch_size": 2}))
    other_seed = ask(sums, record.run_id, PredictConfig(**{**drawn, "seed": 4}))

    rows = read(snapshot)
    assert [row.sample_index for row in rows] == [0, 1] * (len(rows) // 2)
    assert [row.text for row in read(of_three)] == [row.text for row in rows[:6]]
    assert len({row.text for row in rows}) > len(rows) // 2
    assert other_seed.digest != snapshot.digest
    assert all(math.isfinite(row.logprob) and row.logprob < 0 for row in rows)


def test_every_setting_of_decoding_is_recorded(sums: Store, record: CheckpointRecord) -> None:
    config = CONFIG.model_copy(update={"stop": ["="], "precision": "bfloat16"})
    snapshot = ask(sums, record.run_id, config)

    meta = PredictionsMeta.read(snapshot.file("predictions_meta.json"))
    assert meta.decoding == config.decoding()
    assert meta.end_token_ids == [
        load_tokenizer(sums.run(record.run_id).slot("model").resolve().path).eos_token_id
    ]
    assert all(row.text.endswith("=") for row in read(snapshot) if row.finish_reason == "stop")


@pytest.mark.parametrize(
    ("settings", "found"),
    [({"eos_token_id": [9, 2, 4]}, [2, 4, 9]), ({"eos_token_id": 5}, [2, 5]), ({}, [2]), (None, [2])],
)
def test_a_text_may_end_with_any_end_token_of_tokenizer_and_model(
    tmp_path: Path, settings: dict[str, Any] | None, found: list[int]
) -> None:
    tokenizer = train_bpe(["2 + 2 = 4"], vocab_size=300)
    if settings is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(settings))

    assert tokenizer.eos_token_id == 2
    assert end_token_ids(tmp_path, tokenizer) == found


def test_fewer_items_are_the_first_by_id_and_another_evaluation_set(
    sums: Store, record: CheckpointRecord
) -> None:
    snapshot = ask(sums, record.run_id, CONFIG.model_copy(update={"max_items": 2}))

    items = load_evaluation_set(sums, "sums-v1.test")
    meta = PredictionsMeta.read(snapshot.file("predictions_meta.json"))
    assert [one.item_id for one in read(snapshot)] == [item.item_id for item in items.items[:2]]
    assert meta.evaluation_set_digest == items.first(2).digest != items.digest


@pytest.fixture
def capitals(sums: Store) -> Snapshot:
    """The set `capitals-v1` of three questions, published."""
    folder = sums.home / "recipes" / "evaluation"
    folder.mkdir(parents=True)
    recipe = "{description: Capitals., license: CC0-1.0, path: capitals.jsonl}"
    (folder / "capitals-v1.yaml").write_text(recipe)
    items = [{"item_id": name, "prompt": f"Spell {name}.", "final_answer": name} for name in ("a", "b", "c")]
    (folder / "capitals.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(items))
    return publish_evaluation_set(sums, load_evaluation_recipe("capitals-v1", sums.home))


BOTH = CONFIG.model_copy(update={"evaluation_sets": ["test", "capitals-v1"]})


def test_every_set_has_predictions_of_its_own(
    sums: Store, record: CheckpointRecord, capitals: Snapshot
) -> None:
    alone = ask(sums, record.run_id)
    found = ask_all(sums, record.run_id, BOTH)

    metas = [PredictionsMeta.read(one.file("predictions_meta.json")) for one in found.values()]
    assert list(found) == [meta.evaluation_set for meta in metas] == ["sums-v1.test", "capitals-v1"]
    assert found["sums-v1.test"].digest == alone.digest
    assert [row.item_id for row in read(found["capitals-v1"])] == ["a", "b", "c"]
    assert metas[1].source_digest == found["capitals-v1"].record.parents["source"] == capitals.digest
    assert metas[1].dataset_digest == metas[0].dataset_digest


def test_the_limit_on_items_is_that_of_each_set(
    sums: Store, record: CheckpointRecord, capitals: Snapshot
) -> None:
    found = ask_all(sums, record.run_id, BOTH.model_copy(update={"max_items": 2}))

    assert [len(read(snapshot)) for snapshot in found.values()] == [2, 2]


def test_the_model_is_loaded_once_for_all_sets(
    sums: Store, record: CheckpointRecord, capitals: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path] = []

    def load_and_count(folder: Path) -> LoadedModel:
        loaded.append(folder)
        return load_model(folder)

    monkeypatch.setattr(predict_module, "load_model", load_and_count)
    ask_all(sums, record.run_id, BOTH)

    assert len(loaded) == 1


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("capital-v1", UnknownEvaluationSet, "no evaluation set 'capital-v1', there are: test, .*eval-v1"),
        ("eval-v1", NotPublished, "'eval-v1' has not been published yet: materialize evaluation_sets"),
    ],
)
def test_a_set_that_cannot_be_asked_is_refused_before_the_model_is_loaded(
    sums: Store,
    record: CheckpointRecord,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.setattr(predict_module, "load_model", None)

    with pytest.raises(error, match=message):
        ask(sums, record.run_id, CONFIG.model_copy(update={"evaluation_sets": ["test", name]}))
    assert not (sums.run(record.run_id).path / "predictions").exists()


def test_progress_is_reported(sums: Store, record: CheckpointRecord) -> None:
    reports: list[str] = []

    predict(store=sums, run_id=record.run_id, config=CONFIG, report=reports.append)

    assert reports[0].startswith(f"asking {record.run_id} the ")
    assert reports[-1].startswith("decoded ")


def test_a_run_that_does_not_exist_is_named(sums: Store) -> None:
    with pytest.raises(NotPublished, match=r"run 'sums-v1\.tiny\.0' does not exist"):
        ask(sums, "sums-v1.tiny.0")


def test_an_unfinished_run_has_no_predictions(sums: Store, record: CheckpointRecord) -> None:
    (sums.run(record.run_id).path / "checkpoint.json").unlink()

    with pytest.raises(NotPublished, match="is not finished"):
        ask(sums, record.run_id)


def test_a_model_other_than_the_recorded_one_is_refused(sums: Store, record: CheckpointRecord) -> None:
    path = sums.run(record.run_id).path / "checkpoint.json"
    path.write_bytes(record.model_copy(update={"model_digest": "0" * 64}).to_json())

    with pytest.raises(CorruptArtifact, match=r"checkpoint\.json has 0000"):
        ask(sums, record.run_id)


def test_a_damaged_model_leaves_no_predictions(sums: Store, record: CheckpointRecord) -> None:
    run = sums.run(record.run_id)
    path: Path = run.slot("model").resolve().path / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)

    with pytest.raises(CorruptArtifact, match=r"model\.safetensors has sha256"):
        ask(sums, record.run_id)
    assert not (run.path / "predictions").exists()


def test_a_limit_that_does_not_fit_leaves_no_predictions(sums: Store, record: CheckpointRecord) -> None:
    with pytest.raises(ContractError, match="more than the 256 positions of the model"):
        ask(sums, record.run_id, CONFIG.model_copy(update={"max_new_tokens": 250}))
    assert not (sums.run(record.run_id).path / "predictions").exists()
