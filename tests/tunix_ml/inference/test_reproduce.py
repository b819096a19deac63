import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asset_checks.outcome import Subject
from tunix_ml.contracts.prediction import PredictConfig, Prediction
from tunix_ml.contracts.reproduction import PredictionReproduction
from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.inference.predict import predict
from tunix_ml.inference.reproduce import PredictionReproduceJob, chosen_items, main, reproduce_predictions
from tunix_ml.slot import Slot
from tunix_ml.snapshot import CorruptArtifact, NotPublished, Snapshot
from tunix_ml.store import Store
from tunix_ml.training.loop import train

TEST_SET = "sums-v1.test"


@pytest.fixture
def sums(
    sums_home: Path,
    identify: Callable[..., RunIdentity],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Store:
    """A store of the test's own with a run of two steps, which is trained once in a session."""
    home = tmp_path_factory.getbasetemp() / "reproduced"
    if not home.exists():
        shutil.copytree(sums_home, tmp_path / "training")
        store = Store(tmp_path / "training")
        identity, execution = identify(store, num_train_steps=2), ExecutionConfig(device="cpu")
        train(store=store, identity=identity, execution=execution, report=lambda line: None)
        store.home.rename(home)
    shutil.copytree(home, tmp_path / "home")
    return Store(tmp_path / "home")


@pytest.fixture
def run_id(sums: Store) -> str:
    """The run."""
    (found,) = sums.run_ids()
    return found


@pytest.fixture
def ask(sums: Store, run_id: str) -> Callable[..., Snapshot]:
    """A function that has the run predict, and returns its predictions."""

    def predict_with(**config: Any) -> Snapshot:
        settings = PredictConfig.model_validate({"max_new_tokens": 8, "predict_device": "cpu", **config})
        return predict(store=sums, run_id=run_id, config=settings, report=lambda line: None)[TEST_SET]

    return predict_with


@pytest.fixture
def again(sums: Store, run_id: str) -> Callable[..., PredictionReproduction]:
    """A function that asks the run's model again about some predictions."""

    def reproduce(predictions: Snapshot, **job: Any) -> PredictionReproduction:
        fields = {"home": sums.home, "run_id": run_id, "evaluation_set": TEST_SET, "device": "cpu", **job}
        asked = PredictionReproduceJob.model_validate({**fields, "predictions_digest": predictions.digest})
        snapshot = reproduce_predictions(asked, report=lambda line: None)
        return PredictionReproduction.read(snapshot.file("reproduction.json"))

    return reproduce


Ask = Callable[..., Snapshot]
Again = Callable[..., PredictionReproduction]


@pytest.fixture
def predictions_slot(sums: Store, run_id: str) -> Slot:
    return sums.run(run_id).slot(f"predictions/{TEST_SET}")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"temperature": 1.0, "num_samples": 3, "seed": 5, "top_k": 40, "top_p": 0.9},
        {"stop": ["="]},
        {"decode_batch_size": 3},
    ],
    ids=["greedy", "drawn", "stopped", "in small batches"],
)
def test_a_model_writes_its_texts_again(ask: Ask, again: Again, config: dict[str, Any]) -> None:
    predictions = ask(**config)

    found = again(predictions, num_items=4)

    assert found.differing == []
    assert (len(found.item_ids), found.num_texts) == (4, 4 * config.get("num_samples", 1))
    assert (found.predictions_digest, found.device) == (predictions.digest, "cpu")


def test_no_more_items_are_asked_than_there_are(ask: Ask, again: Again) -> None:
    predictions = ask(max_items=2)

    assert len(again(predictions, num_items=100).item_ids) == 2


def test_texts_that_the_model_did_not_write_are_told(
    ask: Ask, again: Again, predictions_slot: Slot, tampered: Callable[..., Subject]
) -> None:
    ask(max_items=2)
    forged = tampered(predictions_slot, forge).snapshot

    found = again(forged)

    (text,) = found.differing
    assert (text.published, text.sample_index) == ("forged", 0)
    assert text.found != "forged"
    assert found.num_texts == 2


def forge(folder: Path) -> None:
    rows = msgspec.json.Decoder(Prediction).decode_lines((folder / "predictions.jsonl").read_bytes())
    rows[0] = msgspec.structs.replace(rows[0], text="forged")
    (folder / "predictions.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(rows))


def test_the_digest_chooses_the_items() -> None:
    rows = [prediction(item, sample) for item in "abcdef" for sample in (0, 1)]

    chosen = chosen_items(rows, num_items=3, digest="0" * 64)
    others = chosen_items(rows, num_items=3, digest="1" * 64)

    assert chosen == chosen_items(list(rows), num_items=3, digest="0" * 64)
    assert [item.item_id for item in chosen] != [item.item_id for item in others]
    assert all(item.texts == [f"{item.item_id}0", f"{item.item_id}1"] for item in chosen)


def prediction(item_id: str, sample: int) -> Prediction:
    return Prediction(item_id, sample, "ask", "digest", f"{item_id}{sample}", 1, 1, -1.0, "eos")


def test_a_damaged_model_is_not_asked(sums: Store, run_id: str, ask: Ask, again: Again) -> None:
    predictions = ask(max_items=1)
    weights = sums.run(run_id).slot("model").resolve().path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00\x00")

    with pytest.raises(CorruptArtifact, match=r"model\.safetensors has sha256"):
        again(predictions)
    assert not (sums.run(run_id).path / "reproduction").exists()


def test_predictions_that_are_none_are_named(
    ask: Ask, again: Again, predictions_slot: Slot, tampered: Callable[..., Subject]
) -> None:
    ask(max_items=1)
    broken = tampered(predictions_slot, lambda folder: (folder / "predictions.jsonl").write_text("{}"))

    with pytest.raises(ValueError, match=r"predictions\.jsonl of 'sums-v1\..*missing required field"):
        again(broken.snapshot)


def test_predictions_that_are_not_there_are_named(ask: Ask, again: Again, sums: Store) -> None:
    predictions = ask(max_items=1)

    with pytest.raises(NotPublished, match="has no content"):
        again(Snapshot(predictions.path, predictions.record.model_copy(update={"content_digest": "0" * 64})))


def test_the_process_publishes_its_result(sums: Store, run_id: str, ask: Ask) -> None:
    predictions, told = ask(max_items=2), list[str]()
    job = {
        "home": str(sums.home),
        "run_id": run_id,
        "evaluation_set": TEST_SET,
        "predictions_digest": predictions.digest,
        "device": "cpu",
    }

    main(json.dumps(job).encode(), told.append)

    assert told[0].startswith(f"asking {run_id} 2 items of {TEST_SET} again on cpu")
    assert told[-1] == "2 of 2 texts are the same"
    assert sums.run(run_id).slot(f"reproduction/{TEST_SET}").resolve().verify() == []


def test_the_process_fails_in_a_sentence(tmp_path: Path) -> None:
    job = {"home": str(tmp_path), "run_id": "r", "evaluation_set": "s", "predictions_digest": "0" * 64}
    (tmp_path / "job.json").write_text(json.dumps(job))

    command = [sys.executable, "-m", "tunix_ml.inference.reproduce", str(tmp_path / "job.json")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stderr) == (
        1,
        f"predictions/s of 'r' has no content {'0' * 64}, or no longer\n",
    )
