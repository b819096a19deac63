import json
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file

from tunix_ml.exports.tokenizer import load_tokenizer
from tunix_ml.modeling.base_model import fetch_base_model
from tunix_ml.modeling.huggingface import load_model
from tunix_ml.modeling.lora import load_adapter
from tunix_ml.store import RunDirectory


def test_the_model_loads_with_its_tokenizer_and_names_what_it_was_trained_on(trained: Any) -> None:
    model = trained.run.slot("model").resolve()

    tokenizer = load_tokenizer(model.path)
    assert load_model(model.path).network.config.max_position_embeddings == 256
    assert tokenizer.decode(tokenizer.encode("1 + 1")) == "1 + 1"
    assert model.record.parents == {"tokenized_examples": trained.identity.tokens_digest}
    assert not (model.path / "adapter").exists()


def test_adapters_are_merged_and_lie_beside_the_model_as_well(trained: Any, adapted: RunDirectory) -> None:
    base = load_model(trained.run.slot("model").resolve().path)
    folder = adapted.slot("model").resolve().path

    merged, adapter = load_model(folder).params, load_adapter(folder / "adapter", base=base.network)

    assert set(merged) == set(base.params)
    for name, value in merged.items():
        module = name.removesuffix(".kernel")
        if f"{module}.lora_a" not in adapter.params:
            np.testing.assert_array_equal(value, base.params[name])
            continue
        low_rank = jnp.matmul(
            adapter.params[f"{module}.lora_a"], adapter.params[f"{module}.lora_b"], precision="highest"
        )
        assert np.abs(low_rank).max() > 0
        np.testing.assert_allclose(value, base.params[name] + 8.0 * low_rank, rtol=1e-6, atol=1e-7)


def test_the_adapter_is_in_the_layout_of_peft(trained: Any, adapted: RunDirectory) -> None:
    folder = adapted.slot("model").resolve().path / "adapter"

    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 2, 16.0)
    assert config["target_modules"] == ["q_proj", "v_proj"]
    names = load_file(folder / "adapter_model.safetensors")
    assert all(name.startswith("base_model.model.model.layers.0.self_attn.") for name in names)


def test_a_checkpoint_of_adapters_holds_nothing_else(adapted: RunDirectory) -> None:
    names = json.loads((adapted.path / "checkpoints/2/params/_METADATA").read_text())["tree_metadata"]

    assert len(names) == 4
    assert all("lora" in name for name in names)


def test_the_adapted_model_is_better_than_its_base(trained: Any, adapted: RunDirectory) -> None:
    record = json.loads((adapted.path / "checkpoint.json").read_text())

    assert record["validation_loss"] < trained.record.validation_loss
    assert fetch_base_model(str(trained.run.slot("model").resolve().path)).digest
