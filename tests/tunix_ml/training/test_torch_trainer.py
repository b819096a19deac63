import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network
from tunix_ml.modeling.huggingface import save_model
from tunix_ml.training import torch_trainer
from tunix_ml.training.torch_trainer import Rows, TorchNotInstalled, TorchSettings, TorchTrainer, import_torch

SHAPE = ModelConfig(
    vocab_size=20,
    hidden_size=8,
    intermediate_size=12,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
    head_dim=4,
    max_position_embeddings=16,
)
has_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ids = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    params = Network(SHAPE).init(jax.random.key(0))
    save_model(tmp_path, config=SHAPE, params=params, special_token_ids=ids)
    return tmp_path


def rows_of(*lengths: int) -> Rows:
    """Return one row that holds examples of these lengths, all of it supervised."""
    size = sum(lengths)
    ids = np.arange(1, size + 2)[None] % SHAPE.vocab_size
    positions = np.concatenate([np.arange(length) for length in lengths])[None]
    return Rows(ids[:, :-1], ids[:, 1:], np.ones((1, size), np.float32), positions)


@has_torch
def test_steps_lower_the_loss(folder: Path) -> None:
    trainer = TorchTrainer(folder, TorchSettings())

    losses = [trainer.train(rows_of(8), learning_rate=1e-2).loss for _ in range(5)]

    assert losses == sorted(losses, reverse=True)


@has_torch
def test_examples_of_a_row_do_not_see_each_other(folder: Path) -> None:
    trainer = TorchTrainer(folder, TorchSettings())
    together, rows = rows_of(4, 4), rows_of(8)

    parts = [Rows(*(array[:, cells] for array in together)) for cells in (slice(0, 4), slice(4, 8))]

    apart = sum(trainer.evaluate(part).nats for part in parts)
    assert trainer.evaluate(together).nats == pytest.approx(apart, rel=1e-6)
    assert trainer.evaluate(rows).nats != pytest.approx(apart, rel=1e-4)


@has_torch
def test_the_gradient_is_clipped_to_the_largest_norm(folder: Path) -> None:
    settings = TorchSettings(grad_clip_norm=1e-3, adam_b1=0.0)
    trainer = TorchTrainer(folder, settings)

    found = trainer.train(rows_of(8), learning_rate=0.0)

    clipped = sum(float(np.square(moment).sum()) for moment in trainer.moments().first.values()) ** 0.5
    assert found.grad_norm > 0.1
    assert clipped == pytest.approx(1e-3, rel=1e-4)


@has_torch
def test_norms_do_not_decay(folder: Path) -> None:
    trainer = TorchTrainer(folder, TorchSettings(weight_decay=0.5))

    groups = trainer.optimizer.param_groups

    decays = {name: groups[0]["weight_decay"] for name, value in trainer.parameters.items() if value.ndim > 1}
    assert set(decays.values()) == {0.5}
    assert groups[1]["weight_decay"] == 0.0
    assert {value.ndim for value in groups[1]["params"]} == {1}


@has_torch
def test_dropout_is_off_even_where_a_family_has_it(tmp_path: Path) -> None:
    shape = {"model_type": "gpt2", "vocab_size": 20, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}
    import transformers

    transformers.GPT2LMHeadModel(transformers.GPT2Config(**shape)).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_bytes())["attn_pdrop"] == 0.1

    config = torch_trainer.load_model(tmp_path, device="cpu").config

    assert (config.attn_pdrop, config.resid_pdrop, config.embd_pdrop) == (0.0, 0.0, 0.0)


def test_without_torch_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(TorchNotInstalled, match="install it with `uv sync --extra torch`"):
        import_torch()


def test_it_is_imported_without_jax_and_without_torch() -> None:
    script = "import sys, tunix_ml.training.torch_trainer; print(*sys.modules)"

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)

    assert not {"jax", "torch", "pydantic", "transformers"} & set(result.stdout.split())
