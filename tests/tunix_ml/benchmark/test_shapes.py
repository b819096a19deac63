import json
from pathlib import Path

import pytest

from tunix_ml.benchmark.shapes import model_shape, network_of
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.benchmark import BenchmarkConfig


@pytest.mark.parametrize(
    ("name", "num_params"), [("small", 557_696), ("a", 4_470_272), ("b", 81_912_576)], ids=["small", "a", "b"]
)
def test_the_shapes_of_a_name_have_so_many_parameters(name: str, num_params: int) -> None:
    network = network_of(model_shape(name), BenchmarkConfig())

    assert sum(value.size for value in network.abstract_params().values()) == num_params


def test_a_folder_gives_the_shape_of_its_config(tmp_path: Path) -> None:
    values = {
        "model_type": "gpt2",
        "vocab_size": 40,
        "n_positions": 8,
        "n_embd": 8,
        "n_layer": 1,
        "n_head": 2,
    }
    (tmp_path / "config.json").write_text(json.dumps(values))

    assert model_shape(str(tmp_path)) == model_shape(str(tmp_path / "config.json"))
    assert model_shape(str(tmp_path)).vocab_size == 40


def test_a_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")

    with pytest.raises(ContractError, match=r"config.json is not JSON"):
        model_shape(str(tmp_path))


def test_a_name_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(ContractError, match="shape 'nobody/nothing' is none of small, a, b"):
        model_shape("nobody/nothing")


@pytest.mark.parametrize(("remat", "expected"), [("auto", False), ("on", True), ("off", False)])
def test_remat_is_as_in_training(remat: str, expected: bool) -> None:
    config = BenchmarkConfig.model_validate({"remat": remat, "precision": "bfloat16"})

    network = network_of(model_shape("small"), config)

    assert (network.remat, network.precision) == (expected, "bfloat16")
