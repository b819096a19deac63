import numpy as np
import pytest

from tunix_ml.modeling.families import FAMILIES
from tunix_ml.modeling.tensors import Place, assemble, full_names, is_buffer, place_of, places

LLAMA, GPT2 = FAMILIES["llama"], FAMILIES["gpt2"]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("model.embed_tokens.embedding", Place("model.embed_tokens.weight")),
        ("model.norm.scale", Place("model.norm.weight")),
        ("model.layers.1.mlp.up_proj.kernel", Place("model.layers.1.mlp.up_proj.weight", is_transposed=True)),
        ("model.layers.1.self_attn.q_proj.bias", Place("model.layers.1.self_attn.q_proj.bias")),
    ],
)
def test_kernels_stand_output_first_in_a_file(name: str, place: Place) -> None:
    assert place_of(name, LLAMA) == place


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("model.embed_positions.embedding", Place("transformer.wpe.weight")),
        ("model.norm.bias", Place("transformer.ln_f.bias")),
        ("model.layers.1.mlp.up_proj.kernel", Place("transformer.h.1.mlp.c_fc.weight")),
        (
            "model.layers.1.self_attn.k_proj.kernel",
            Place("transformer.h.1.attn.c_attn.weight", part=1, num_parts=3),
        ),
        ("lm_head.kernel", Place("lm_head.weight", is_transposed=True)),
    ],
)
def test_a_gpt2_has_names_of_its_own_and_stands_input_first(name: str, place: Place) -> None:
    assert place_of(name, GPT2) == place


def test_parts_are_put_together_as_they_were_taken() -> None:
    fused = np.arange(24, dtype=np.float32).reshape(2, 12)
    names = [f"model.layers.0.self_attn.{name}_proj.kernel" for name in "vqk"]

    (ordered,) = places(names, GPT2).values()
    parts = [place_of(name, GPT2).take(fused) for name in ordered]

    np.testing.assert_array_equal(parts[0], fused[:, :4])
    np.testing.assert_array_equal(assemble(parts, place_of(ordered[0], GPT2)), fused)


def test_a_tensor_that_cannot_be_divided_is_left_whole() -> None:
    assert Place("c_attn", num_parts=3).take(np.zeros((2, 8))).shape == (2, 8)


def test_a_model_saved_without_its_head_is_read_under_its_full_names() -> None:
    expected = {"transformer.wte.weight", "lm_head.weight"}

    found = full_names(["wte.weight", "lm_head.weight", "else"], expected, GPT2)

    assert found == {
        "wte.weight": "transformer.wte.weight",
        "lm_head.weight": "lm_head.weight",
        "else": "else",
    }


def test_constants_of_older_files_are_known() -> None:
    assert is_buffer("model.layers.3.self_attn.rotary_emb.inv_freq")
    assert is_buffer("h.0.attn.bias")
    assert is_buffer("transformer.h.11.attn.masked_bias")
    assert not is_buffer("transformer.h.0.attn.c_attn.bias")
