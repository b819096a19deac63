import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.modeling.norms import LayerNorm, RMSNorm

STATES = jnp.array([[3.0, 4.0, 0.0, 5.0]])


def test_states_are_divided_by_their_root_mean_square() -> None:
    np.testing.assert_allclose(RMSNorm(4, eps=1e-9)(STATES), STATES / np.sqrt(12.5), rtol=1e-6)


def test_a_scale_that_is_added_to_one_begins_at_zero() -> None:
    norm = RMSNorm(4, eps=1e-9, offset=1.0)

    np.testing.assert_array_equal(norm.scale[...], np.zeros(4))
    np.testing.assert_allclose(norm(STATES), RMSNorm(4, eps=1e-9)(STATES))


def test_a_layer_norm_gives_mean_zero_and_deviation_one() -> None:
    normed = np.asarray(LayerNorm(4, eps=1e-9)(STATES))

    assert normed.mean() == pytest.approx(0, abs=1e-6)
    assert normed.std() == pytest.approx(1, rel=1e-6)


def test_sums_over_half_precision_states_are_in_float32() -> None:
    wide = jnp.full((1, 4096), 0.01, jnp.bfloat16)

    normed = RMSNorm(4096, eps=1e-9)(wide)

    assert normed.dtype == jnp.bfloat16
    np.testing.assert_allclose(normed.astype(jnp.float32), 1.0, rtol=1e-2)  # the last bit of bfloat16
