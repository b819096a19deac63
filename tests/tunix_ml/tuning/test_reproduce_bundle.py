import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoTokenizer

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.prediction import PredictConfig
from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.evaluation.report import evaluate
from tunix_ml.exports.tokenizer import load_tokenizer
from tunix_ml.inference.predict import predict
from tunix_ml.modeling.huggingface import load_model
from tunix_ml.registry.bundle import BUNDLE_FILE, publish_bundle
from tunix_ml.registry.bundle_reader import extract_bundle
from tunix_ml.store import Store
from tunix_ml.training.loop import train
from tunix_ml.tuning.reproduce_bundle import Again, reproduce_bundle

TEST_SET = "sums-v1.test"


@pytest.fixture
def unpacked(
    sums: Store,
    identify: Callable[..., RunIdentity],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A copy of the unpacked bundle of a model that was really trained and asked, once in a session."""
    made = tmp_path_factory.getbasetemp() / "bundled"
    if not made.exists():
        extract_bundle(bundle_a_run(sums, identify(sums, num_train_steps=2)), made)
    shutil.copytree(made, tmp_path / "unpacked")
    return tmp_path / "unpacked"


def bundle_a_run(store: Store, identity: RunIdentity) -> Path:
    run_id = identity.run_id()
    train(store=store, identity=identity, execution=ExecutionConfig(device="cpu"), report=lambda line: None)
    config = PredictConfig(max_new_tokens=8, predict_device="cpu")
    predict(store=store, run_id=run_id, config=config, report=lambda line: None)
    report = evaluate(store, run_id, TEST_SET)
    return publish_bundle(store, run_id, {TEST_SET: report.digest}).file(BUNDLE_FILE)


def test_the_model_of_a_bundle_loads_and_writes_the_same_again(unpacked: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(unpacked / "model")
    config = AutoConfig.from_pretrained(unpacked / "model")
    loaded = load_model(unpacked / "model")
    (again,) = reproduce_bundle(unpacked, report=lambda line: None)

    prompt, ours = "What is 2 + 3?\n", load_tokenizer(unpacked / "model")
    assert tokenizer.encode(prompt, add_special_tokens=False) == ours.encode(prompt)
    assert config.num_hidden_layers == loaded.network.config.num_hidden_layers
    assert again.is_the_same
    assert again == Again(TEST_SET, 9, 9, again.stated_score, again.stated_score)


def test_a_text_or_a_score_that_differs_is_told(unpacked: Path) -> None:
    path = unpacked / "predictions" / TEST_SET / "predictions.jsonl"
    path.write_text(path.read_text().replace('"text":"', '"text":"not ', 1))

    (again,) = reproduce_bundle(unpacked, report=lambda line: None)

    assert not again.is_the_same
    assert again.sentence().startswith(f"{TEST_SET}: 8 of 9 texts are the same, score ")


def test_what_is_no_prediction_is_refused(unpacked: Path) -> None:
    (unpacked / "predictions" / TEST_SET / "predictions.jsonl").write_text("{}\n")

    with pytest.raises(ContractError, match=r"predictions\.jsonl"):
        reproduce_bundle(unpacked, report=lambda line: None)


@pytest.mark.parametrize("is_there", [True, False])
def test_the_command_says_what_it_found_and_leaves_with_a_code(unpacked: Path, is_there: bool) -> None:
    folder = unpacked if is_there else unpacked / "nowhere"
    command = [sys.executable, "-m", "tunix_ml.tuning.reproduce_bundle", str(folder)]

    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert result.returncode == (0 if is_there else 1), result.stderr
    assert "9 of 9 texts are the same" in result.stdout or not is_there
    assert "nowhere" in result.stderr or is_there
