"""The asset `throughput_benchmark`."""

import json
from pathlib import Path

import dagster as dg
import pytest

from tunix_assets.definitions import defs

SHAPE = {
    "model_type": "gpt2",
    "vocab_size": 64,
    "n_positions": 64,
    "n_embd": 16,
    "n_layer": 1,
    "n_head": 2,
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dg.ExecuteInProcessResult:
    """The job `benchmark` with a tiny model."""
    folder: Path = tmp_path_factory.mktemp("benchmark")
    (folder / "config.json").write_text(json.dumps(SHAPE))
    config = {
        "shape": str(folder),
        "batch_size": 2,
        "seq_len": 32,
        "num_steps": 4,
        "num_prompts": 2,
        "prompt_len": 4,
        "max_new_tokens": 4,
        "device": "cpu",
        "peer": "off",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNIX_HOME", str(folder / "home"))
        return defs.resolve_job_def("benchmark").execute_in_process(
            run_config={"ops": {"throughput_benchmark": {"config": config}}}
        )


def test_it_shows_numbers_a_table_and_a_curve(result: dg.ExecuteInProcessResult) -> None:
    (event,) = result.asset_materializations_for_node("throughput_benchmark")
    metadata = {name: value.value for name, value in event.metadata.items()}

    assert 0 < float(str(metadata["utilisation"])) < 1
    assert float(str(metadata["tokens_per_second"])) > float(str(metadata["real_tokens_per_second"])) > 0
    assert "| steps per second |" in str(metadata["benchmark"])
    assert str(metadata["step_times"]).startswith("![ms of each step]")
    assert Path(str(metadata["plot"])).read_text().startswith("<svg")


def test_its_text_fits_inline(result: dg.ExecuteInProcessResult) -> None:
    (event,) = result.asset_materializations_for_node("throughput_benchmark")

    for name in ("benchmark", "step_times"):
        text = str(event.metadata[name].value)
        assert len(text) < 1_000
        assert "more" not in text


def test_every_check_holds(result: dg.ExecuteInProcessResult) -> None:
    checks = result.get_asset_check_evaluations()

    assert len(checks) == 4
    assert all(check.passed for check in checks)


def test_an_unknown_shape_fails_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNIX_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    config = {"shape": "nobody/nothing", "device": "cpu"}

    result = defs.resolve_job_def("benchmark").execute_in_process(
        run_config={"ops": {"throughput_benchmark": {"config": config}}}, raise_on_error=False
    )

    failure = result.failure_data_for_node("throughput_benchmark")
    assert failure
    assert failure.user_failure_data
    assert str(failure.user_failure_data.description).startswith(
        "shape 'nobody/nothing' is none of small, a, b"
    )
