import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHAPE = {"model_type": "gpt2", "vocab_size": 64, "n_positions": 64, "n_embd": 16, "n_layer": 1, "n_head": 2}
SMALL = "batch_size=2 seq_len=32 num_steps=4 num_prompts=2 prompt_len=4 max_new_tokens=4 device=cpu peer=off"


def test_a_benchmark_is_measured_and_shown(
    tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    (tmp_path / "config.json").write_text(json.dumps(SHAPE))

    answer = command("bench", f"shape={tmp_path}", *SMALL.split(), "--json")

    assert answer.code == 0
    assert answer.record["config"]["peer"] == "off"
    assert answer.record["train"]["tokens_per_second"] > 0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("batch_size", "'batch_size' is not of the form NAME=VALUE"),
        ("odd=1", "odd"),
        ("batch_size=0", "batch_size"),
    ],
)
def test_a_setting_that_there_is_not_is_refused(
    setting: str, message: str, command: Callable[..., Any]
) -> None:
    answer = command("bench", setting)

    assert answer.code == 1
    assert message in answer.err
