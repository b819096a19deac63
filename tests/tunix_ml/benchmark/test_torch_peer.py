import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from tunix_ml.benchmark import torch_peer
from tunix_ml.benchmark.torch_peer import answers, read_batches
from tunix_ml.training.torch_trainer import Rows


def test_batches_are_read_as_they_were_written(tmp_path: Path) -> None:
    arrays = {name: np.arange(12).reshape(3, 2, 2) + i for i, name in enumerate(Rows._fields)}
    np.savez(tmp_path / "batches.npz", **arrays)  # type: ignore[arg-type]

    batches = read_batches(tmp_path / "batches.npz")

    assert len(batches) == 3
    np.testing.assert_array_equal(batches[1].positions, [[7, 8], [9, 10]])


def test_each_line_is_answered_by_what_it_asks_for() -> None:
    side = SimpleNamespace(train=lambda num_steps: {"losses": [0.0] * num_steps}, decode=lambda: {"s": 1.0})
    lines = iter(['{"do": "train", "num_steps": 2}', '{"do": "decode"}'])

    assert list(answers(lines, cast("Any", side))) == [{"losses": [0.0, 0.0]}, {"s": 1.0}]


def test_where_torch_is_missing_the_command_that_installs_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps({"model": str(tmp_path), "settings": {}}))
    hidden = (
        "import sys, runpy; sys.modules['torch'] = None; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    )

    result = subprocess.run(
        [sys.executable, "-c", hidden, torch_peer.__file__, str(tmp_path / "job.json")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 1
    assert "torch is not installed: install it with `uv sync --extra torch`" in result.stderr
