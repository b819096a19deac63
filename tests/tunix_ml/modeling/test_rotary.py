import math

import jax
import jax.numpy as jnp
import numpy as np

from tunix_ml.modeling.config import LinearScaling, Llama3Scaling, Rope
from tunix_ml.modeling.rotary import rotary_angles, rotary_frequencies, rotate


def test_frequencies_fall_from_one_by_powers_of_the_base() -> None:
    np.testing.assert_allclose(rotary_frequencies(Rope(100.0), head_dim=4), [1.0, 0.1])


def test_a_linear_scaling_divides_all_frequencies() -> None:
    rope = Rope(100.0, LinearScaling(factor=4.0))

    np.testing.assert_allclose(rotary_frequencies(rope, head_dim=4), [0.25, 0.025])


def test_llama_3_keeps_fast_frequencies_stretches_slow_ones_and_mixes_between() -> None:
    scaling = Llama3Scaling(
        factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=100
    )
    turns = np.array([100 / math.tau, 10 / math.tau, 1 / math.tau])  # of 1, 0.1 and 0.01 in 100 positions

    found = rotary_frequencies(Rope(1000.0, scaling), head_dim=6)

    share = (turns[1] - 1) / 3
    np.testing.assert_allclose(found, [1.0, 0.1 * (share + (1 - share) / 8), 0.01 / 8], rtol=1e-6)


def test_a_rotation_turns_the_two_halves_by_the_angle() -> None:
    angles = rotary_angles(jnp.array([[0, 1]]), Rope(10_000.0), head_dim=2)

    turned = rotate(jnp.array([[[[3.0, 4.0], [3.0, 4.0]]]]), angles)

    cosine, sine = math.cos(1), math.sin(1)
    expected = [[3.0, 4.0], [3 * cosine - 4 * sine, 4 * cosine + 3 * sine]]
    np.testing.assert_allclose(turned[0, 0], expected, rtol=1e-6)


def test_a_rotation_keeps_the_type_of_the_states() -> None:
    angles = rotary_angles(jnp.array([[1]]), Rope(10_000.0), head_dim=2)

    assert rotate(jax.numpy.ones((1, 1, 1, 2), jnp.bfloat16), angles).dtype == jnp.bfloat16
