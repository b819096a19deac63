"""Published GSM8K solutions of four systems, and what other software computed from them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

SYSTEMS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


def _gsm8k(name: str) -> Path:
    folder = os.environ.get("GSM8K_DIR")
    if not folder:
        pytest.skip(f"set GSM8K_DIR to the folder that holds {name}")
    path = Path(folder) / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


@pytest.fixture(scope="session")
def references() -> dict[str, Any]:
    """The reference values that were computed for published GSM8K solutions with other software."""
    found: dict[str, Any] = json.loads(_gsm8k("reference_values.json").read_bytes())
    return found


@pytest.fixture(scope="session")
def gsm8k_scores() -> dict[str, dict[str, float]]:
    """Whether each system solved each question: 1 or 0 by the question's place, by system."""
    lines = _gsm8k("example_model_solutions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return {
        system: {f"{place:04}": float(row[system]["is_correct"]) for place, row in enumerate(rows)}
        for system in SYSTEMS
    }
