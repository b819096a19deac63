"""The notebook: the same in both of its forms, and executed from its first cell to its last."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from tunix_ml.registry.bundle_reader import verify_bundle

ROOT = Path(__file__).parents[2]
SCRIPT, NOTEBOOK = ROOT / "notebooks" / "single_session.py", ROOT / "notebooks" / "single_session.ipynb"


def cells(notebook: Any) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def printed(notebook: Any) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.get("text", "") for output in outputs)


def test_both_forms_have_the_same_cells() -> None:
    script, notebook = jupytext.read(SCRIPT), nbformat.read(NOTEBOOK, as_version=4)

    assert cells(notebook) == cells(script), "run `make notebook` and commit what it changes"


def test_the_notebook_is_committed_without_outputs() -> None:
    nbformat.validate(notebook := nbformat.read(NOTEBOOK, as_version=4))

    assert [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []


@pytest.mark.slow
def test_in_fast_mode_it_ends_with_a_score_and_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = tmp_path / "jupyter"
    command = [sys.executable, "-m", "ipykernel", "install", "--prefix", str(kernels), "--name", "here"]
    subprocess.run(command, check=True, capture_output=True)
    monkeypatch.setenv("JUPYTER_PATH", str(kernels / "share" / "jupyter"))
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("TUNIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TUNIX_SESSION", "fast")
    monkeypatch.setenv("TUNIX_SESSION_OUTPUT", str(tmp_path / "output"))
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    NotebookClient(
        notebook, timeout=900, kernel_name="here", resources={"metadata": {"path": str(SCRIPT.parent)}}
    ).execute(env=dict(os.environ))

    text = printed(notebook)
    score = re.search(r"^score: ([0-9.]+)$", text, re.MULTILINE)
    evidence = verify_bundle(tmp_path / "output" / "submission_bundle.tar.gz")
    assert score, text
    assert float(score[1]) == evidence.summary.score
    assert re.search(r"95 % interval [0-9.]+ to [0-9.]+, n \d+", text)
    assert evidence.manifest.step == 10
    assert "minutes used" in text
    (unpacked,) = (path for path in (tmp_path / "output").iterdir() if path.is_dir())
    assert {path.name for path in unpacked.iterdir()} == {
        "README.md", "SHA256SUMS", "evidence", "model", "predictions", "eval", "items", "run"
    }  # fmt: skip
