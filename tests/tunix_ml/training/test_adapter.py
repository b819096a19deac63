import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest
from safetensors.numpy import load_file, save_file

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.training import RunIdentity
from tunix_ml.modeling.decoder import Network
from tunix_ml.modeling.huggingface import load_config, save_model
from tunix_ml.snapshot import CorruptArtifact
from tunix_ml.store import RunDirectory
from tunix_ml.training.adapter import AdapterComparison, AdapterJob, compare_adapter, main

WEIGHTS = "adapter/adapter_model.safetensors"


def scale_one(folder: Path) -> None:
    """Scale one matrix of an adapter by a hundredth."""
    tensors = load_file(folder / WEIGHTS)
    name = min(name for name in tensors if name.endswith(".lora_B.weight"))
    tensors[name] *= 1.01
    save_file(tensors, folder / WEIGHTS)


def test_a_published_adapter_makes_the_published_model_of_its_base(
    trained: Any, adapted: RunDirectory
) -> None:
    found = compare_adapter(trained.store, adapted.run_id)

    assert found.is_readable
    assert found.num_params > 4
    assert found.differing == []


def test_an_adapter_that_is_not_the_merged_one_is_found(
    trained: Any, adapted: RunDirectory, tampered: Callable[..., object]
) -> None:
    tampered(adapted.slot("model"), scale_one, keep_digest=True)

    found = compare_adapter(trained.store, adapted.run_id)

    assert found.differing == ["model.layers.0.self_attn.q_proj.kernel"]


def test_an_adapter_that_was_damaged_is_named(trained: Any, adapted: RunDirectory) -> None:
    scale_one(adapted.slot("model").resolve().path)

    with pytest.raises(CorruptArtifact, match=r"adapter_model\.safetensors has sha256"):
        compare_adapter(trained.store, adapted.run_id)


def test_a_run_that_trained_from_nothing_has_no_base(trained: Any) -> None:
    with pytest.raises(ContractError, match="has no base model that an adapter could be merged into"):
        compare_adapter(trained.store, trained.run.run_id)


def test_the_fused_adapters_of_gpt2_are_not_compared(
    trained: Any, adapt: Callable[..., RunIdentity], tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(trained.run.slot("model").resolve().path, base)
    (base / "model.safetensors").unlink()
    config = dataclasses.replace(load_config(base), model_type="gpt2", attention_bias=True, mlp_bias=True)
    params = Network(config).init(jax.random.key(0))
    special = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    save_model(base, config=config, params=params, special_token_ids=special)

    record = trained.train(adapt(trained, folder=base))

    assert not compare_adapter(trained.store, record.run_id).is_readable


def test_the_process_writes_its_result_where_it_is_asked_to(
    trained: Any, adapted: RunDirectory, tmp_path: Path
) -> None:
    job = AdapterJob(home=trained.store.home, run_id=adapted.run_id, result_path=tmp_path / "result.json")

    main(job.to_json(), print)

    assert AdapterComparison.read(job.result_path).differing == []
