import jax
import pytest

from tunix_ml.benchmark import ceiling
from tunix_ml.benchmark.ceiling import flops_per_token, measure_ceiling
from tunix_ml.modeling.config import ModelConfig

SHAPE = ModelConfig(
    vocab_size=10,
    hidden_size=8,
    intermediate_size=12,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=4,
    max_position_embeddings=32,
)


def test_the_operations_of_a_token_are_counted_by_hand() -> None:
    attention = 8 * 8 + 8 * 4 + 8 * 4 + 8 * 8  # queries, keys, values, output
    feed_forward = 3 * 8 * 12
    head = 8 * 10
    scores_and_mixture = 2 * (8 * 16 / 2)  # half of the 16 keys, twice 8 products for each

    found = flops_per_token(SHAPE, seq_len=16)

    assert found == 6 * (2 * (attention + feed_forward + scores_and_mixture) + head)


def test_a_head_of_its_own_costs_no_more_than_a_tied_one() -> None:
    untied = ModelConfig(**{**vars(SHAPE), "tie_word_embeddings": False})

    assert flops_per_token(untied, seq_len=16) == flops_per_token(SHAPE, seq_len=16)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_ceiling_is_of_one_of_the_products(
    precision: ceiling.Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceiling, "_SQUARE", {"cpu": 64})

    found = measure_ceiling(SHAPE, rows=32, precision=precision, device=jax.devices("cpu")[0])

    assert (found.rows, found.inner, found.columns) in {(64, 64, 64), (32, 8, 12), (32, 8, 10)}
    assert found.flops_per_second > 0
