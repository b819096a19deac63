import numpy as np
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.tokens import TokensManifest
from tunix_ml.contracts.training import TrainConfig
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.lora import LoraConfig
from tunix_ml.training.data import indices_of_step
from tunix_ml.training.plan import network_of, plan_steps

BASE = ModelConfig(
    vocab_size=320,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=8,
    max_position_embeddings=64,
)
ROWS = np.arange(1, 11)  # ten rows that hold one to ten examples


def config_of(**fields: object) -> TrainConfig:
    return TrainConfig.model_validate({"num_train_steps": 20, "batch_size": 2, **fields})


def manifest_of(*, vocab_size: int = 300, seq_len: int = 32) -> TokensManifest:
    return TokensManifest(
        dataset_version="sums-v1",
        dataset_digest="d",
        export_digest="e",
        template="reasoning_tags",
        template_digest="t",
        tokenizer="some/base",
        tokenizer_digest="k",
        vocab_size=vocab_size,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        seq_len=seq_len,
        layout="packed",
        num_rows={},
        num_examples={},
        num_tokens={},
        num_truncated={},
        fill={},
    )


def num_examples_after(num_steps: int, config: TrainConfig) -> int:
    rows = [
        indices_of_step(step, num_rows=len(ROWS), batch_size=config.batch_size, seed=config.seed)
        for step in range(num_steps)
    ]
    return int(ROWS[np.concatenate(rows)].sum())


@pytest.mark.parametrize(
    ("limits", "num_steps"),
    [({}, 20), ({"max_steps": 7}, 7), ({"max_steps": 99}, 20), ({"smoke_steps": 3}, 3)],
)
def test_the_smallest_limit_counts(limits: dict[str, int], num_steps: int) -> None:
    assert plan_steps(config_of(**limits), ROWS) == num_steps


@pytest.mark.parametrize("limits", [{"max_steps": 2}, {"max_examples": 1}, {"num_train_steps": 1}])
def test_smoke_steps_replace_every_limit(limits: dict[str, int]) -> None:
    assert plan_steps(config_of(smoke_steps=5, **limits), ROWS) == 5


@pytest.mark.parametrize("max_examples", [30, 55, 100])  # an epoch has 55
def test_no_more_examples_are_read_than_allowed_and_no_step_is_given_away(max_examples: int) -> None:
    config = config_of(max_examples=max_examples)

    num_steps = plan_steps(config, ROWS)

    assert num_examples_after(num_steps, config) <= max_examples < num_examples_after(num_steps + 1, config)


def test_examples_that_allow_no_step_are_an_error() -> None:
    with pytest.raises(ContractError, match="max_examples 1 does not allow one step, whose 2 rows hold"):
        plan_steps(config_of(max_examples=1), ROWS)


def test_without_a_base_the_shape_is_the_configs() -> None:
    network = network_of(config_of(num_layers=3, num_heads=2, hidden_size=32), manifest_of())

    shape = network.config
    assert (shape.num_hidden_layers, shape.num_attention_heads, shape.head_dim) == (3, 2, 16)
    assert (shape.vocab_size, shape.max_position_embeddings) == (300, 32)
    assert (network.precision, network.lora, network.remat) == ("float32", None, False)


def test_heads_divide_the_width() -> None:
    with pytest.raises(ContractError, match="num_heads 3 does not divide hidden_size 64"):
        network_of(config_of(num_heads=3), manifest_of())


def test_with_a_base_the_shape_is_the_bases() -> None:
    network = network_of(config_of(base_model="some/base"), manifest_of(), base=BASE)

    assert network.config == BASE


def test_a_shape_beside_a_base_model_is_refused() -> None:
    config = config_of(base_model="some/base", num_layers=4, rope_theta=5e5)

    with pytest.raises(ContractError, match="a shape of its own: leave num_layers, rope_theta out"):
        network_of(config, manifest_of(), base=BASE)


@pytest.mark.parametrize(("base_model", "base"), [("", BASE), ("some/base", None)])
def test_base_model_and_its_shape_come_together(base_model: str, base: ModelConfig | None) -> None:
    with pytest.raises(ContractError, match=f"base_model is '{base_model}', but the shape given"):
        network_of(config_of(base_model=base_model), manifest_of(), base=base)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (manifest_of(seq_len=65), "seq_len 65 of the tokens is beyond the 64 positions"),
        (manifest_of(vocab_size=321), "'some/base' has 321 tokens, the base model only 320"),
    ],
)
def test_tokens_that_do_not_fit_the_base_are_refused(manifest: TokensManifest, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        network_of(config_of(base_model="some/base"), manifest, base=BASE)


def test_adapters_are_as_configured() -> None:
    config = config_of(base_model="some/base", lora_rank=4, lora_alpha=8, lora_targets="[qv]_proj")

    network = network_of(config, manifest_of(), base=BASE)

    assert network.lora == LoraConfig(rank=4, alpha=8, targets="[qv]_proj")


def test_targets_that_match_nothing_are_refused_with_what_there_is() -> None:
    config = config_of(base_model="some/base", lora_rank=4, lora_targets="c_attn")

    with pytest.raises(
        ContractError,
        match="'c_attn' matches no product; there are down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj",
    ):
        network_of(config, manifest_of(), base=BASE)


@pytest.mark.parametrize("field", [{"lora_alpha": 8}, {"lora_targets": "q_proj"}])
def test_settings_of_adapters_without_adapters_are_refused(field: dict[str, object]) -> None:
    with pytest.raises(ContractError, match=f"lora_rank is 0, so nothing reads {next(iter(field))}"):
        network_of(config_of(**field), manifest_of())


def test_adapters_need_a_base_model() -> None:
    with pytest.raises(ContractError, match="lora_rank 4 needs a base_model"):
        network_of(config_of(lora_rank=4), manifest_of())


@pytest.mark.parametrize(
    ("num_layers", "remat", "expected"),
    [(2, "auto", False), (8, "auto", True), (2, "on", True), (8, "off", False)],
)
def test_activations_of_deep_models_are_computed_again(num_layers: int, remat: str, expected: bool) -> None:
    network = network_of(config_of(num_layers=num_layers), manifest_of(), remat=remat)  # type: ignore[arg-type]

    assert network.remat is expected


@pytest.mark.parametrize(
    ("precision", "platform", "activations"),
    [("bfloat16", "cpu", "float32"), ("bfloat16", "gpu", "bfloat16"), ("float32", "gpu", "float32")],
)
def test_activations_are_halved_where_it_pays(precision: str, platform: str, activations: str) -> None:
    network = network_of(config_of(precision=precision), manifest_of(), platform=platform)

    assert (network.precision, network.activations) == (precision, activations)
