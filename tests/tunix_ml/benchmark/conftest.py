import json
from pathlib import Path
from typing import NamedTuple

import pytest

from tunix_ml.benchmark.measure import measure
from tunix_ml.contracts.benchmark import BenchmarkConfig, BenchmarkReport


class Measured(NamedTuple):
    """A benchmark, and what it said on its way."""

    report: BenchmarkReport
    lines: list[str]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkConfig:
    """A benchmark of a model with 5,000 parameters, without a peer."""
    path: Path = tmp_path_factory.mktemp("shape") / "config.json"
    shape = {
        "model_type": "llama",
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
    }
    path.write_text(json.dumps(shape))
    return BenchmarkConfig(
        shape=str(path),
        batch_size=4,
        seq_len=32,
        num_steps=4,
        prompt_len=4,
        max_new_tokens=4,
        num_prompts=2,
        device="cpu",
        peer="off",
    )


@pytest.fixture(scope="session")
def measured(tiny: BenchmarkConfig) -> Measured:
    """It, run."""
    lines: list[str] = []
    return Measured(measure(tiny, lines.append), lines)
