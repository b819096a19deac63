"""Make the parity fixtures: tiny random models and the logits that transformers and torch give for them.

Run where torch and transformers 5 are installed; the folders it writes are part of the repository:

    python tests/tunix_ml/modeling/make_fixtures.py

Each folder holds `config.json`, the weights as safetensors, and `expected.safetensors` with `input_ids` of
shape (batch, length) and `logits` of shape (batch, length, vocab).
"""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

FOLDER = Path(__file__).parent / "fixtures"
LENGTH = 40
SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
SMALL_GPT2: dict[str, Any] = {
    "vocab_size": 40,
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 4,
    "n_inner": 24,
    "n_positions": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}


class Case(NamedTuple):
    """One model: its family and shape, and how its folder is written."""

    model_type: str
    shape: dict[str, Any]
    dtype: torch.dtype = torch.float32
    max_shard_size: str = "1GB"
    is_version_4: bool = False


def small(model_type: str, **changes: Any) -> Case:
    """Return a case of the small shape with some keys changed."""
    return Case(model_type, SMALL | changes)


CASES: dict[str, Case] = {
    "llama_theta": small("llama", rope_parameters={"rope_type": "default", "rope_theta": 500.0}),
    "llama_3_1": small(
        "llama", rope_parameters=LLAMA3, attention_bias=True, mlp_bias=True, tie_word_embeddings=False
    ),
    "llama_linear": small(
        "llama", rope_parameters={"rope_type": "linear", "rope_theta": 10_000.0, "factor": 3.0}
    )._replace(is_version_4=True),
    "smollm2": small(
        "llama",
        num_attention_heads=3,
        num_key_value_heads=1,
        hidden_size=12,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
    )._replace(is_version_4=True),
    "mistral": small("mistral", sliding_window=7)._replace(dtype=torch.bfloat16),
    "qwen2": small(
        "qwen2",
        num_hidden_layers=3,
        use_sliding_window=True,
        sliding_window=6,
        max_window_layers=1,
        tie_word_embeddings=True,
    )._replace(max_shard_size="12KB"),
    "qwen3": small("qwen3", head_dim=6, tie_word_embeddings=True),
    "gemma": small("gemma", head_dim=6, num_key_value_heads=1),
    "gemma2": small(
        "gemma2",
        head_dim=6,
        query_pre_attn_scalar=10,
        sliding_window=5,
        attn_logit_softcapping=1.5,
        final_logit_softcapping=8.0,
    ),
    "gemma3_text": small(
        "gemma3_text",
        num_hidden_layers=4,
        query_pre_attn_scalar=7,
        sliding_window=6,
        layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 50_000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 300.0},
        },
    ),
    "smollm3": small("smollm3", num_hidden_layers=4, no_rope_layer_interval=2, tie_word_embeddings=True),
    "olmo2": small("olmo2", num_key_value_heads=4, rms_norm_eps=1e-5),
    "gpt2": Case("gpt2", SMALL_GPT2, dtype=torch.float16),
}


def main() -> None:
    """Write the folder of every case anew."""
    for seed, (name, case) in enumerate(CASES.items()):
        folder = FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_case(folder, case, seed=seed)
    print(f"{sum(path.stat().st_size for path in FOLDER.rglob('*') if path.is_file()):,} bytes in {FOLDER}")


def write_case(folder: Path, case: Case, *, seed: int) -> None:
    """Write a model with random parameters, and what it gives for random tokens."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(case.model_type, **case.shape)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    draw_parameters(model)
    model.to(case.dtype).save_pretrained(folder, max_shard_size=case.max_shard_size)
    (folder / "generation_config.json").unlink(missing_ok=True)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    input_ids = torch.randint(0, config.vocab_size, (2, LENGTH))
    with torch.no_grad():
        logits = model.eval()(input_ids=input_ids).logits
    if case.is_version_4:
        write_as_version_4(folder / "config.json")
    save_file({"input_ids": input_ids.int(), "logits": logits}, folder / "expected.safetensors")
    for path in folder.iterdir():
        path.chmod(0o644)  # torch writes files that only their owner can read


def draw_parameters(model: torch.nn.Module) -> None:
    """Draw all parameters wide enough that each of them matters to the logits."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim == 1:
                centre = value.mean() if name.endswith("weight") else 0.0
                value.copy_(centre + 0.3 * torch.randn_like(value))
            else:
                value.copy_(torch.randn_like(value) * (1.5 / value.shape[1] ** 0.5))


def write_as_version_4(path: Path) -> None:
    """Put the rotary positions where transformers 4 has them."""
    values = json.loads(path.read_text())
    rope = values.pop("rope_parameters")
    values["rope_theta"] = rope.pop("rope_theta")
    values["rope_scaling"] = rope if rope["rope_type"] != "default" else None
    values["torch_dtype"] = values.pop("dtype")
    path.write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    main()
