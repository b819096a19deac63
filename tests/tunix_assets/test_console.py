"""What a run prints in the terminal."""

from pathlib import Path

import dagster as dg
import pytest

from tunix_assets.definitions import defs


def printed(capsys: pytest.CaptureFixture[str], **config: object) -> list[str]:
    defs.resolve_job_def("build_dataset").execute_in_process(
        partition_key="golden-v1",
        run_config={"loggers": {"console": {"config": config}}},
        raise_on_error=False,
    )
    return [line.split("  ", 1)[-1] for line in capsys.readouterr().out.splitlines()]


def test_a_run_reads_as_what_was_made_and_checked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys)

    assert "dataset: materialized" in lines
    assert "dataset: check counts_agree passed: counts: no problem found" in lines
    assert lines[-1] == "run: succeeded"
    assert not [line for line in lines if "STEP" in line or "RESOURCE" in line]


def test_debug_shows_every_event(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, log_level="DEBUG")

    assert [line for line in lines if "Started execution of step" in line]


def test_a_foreseen_failure_is_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNIX_CATALOG", str(home))
    with dg.DagsterInstance.ephemeral():
        (home / "recipes").mkdir(parents=True)
        (home / "recipes" / "golden-v1.yaml").write_text("{description: no source, license: MIT}")

        lines = printed(capsys)

    (failure,) = [line for line in lines if "FAILED:" in line]
    assert "golden-v1.yaml is not a dataset recipe: source: this field is required" in failure
    assert lines[-1] == "run: FAILED, see the first failure above"
