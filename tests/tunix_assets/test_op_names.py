"""Names below `ops` in a run configuration."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tunix_assets.definitions import defs
from tunix_assets.op_names import unknown_ops


@pytest.mark.parametrize("config", [{}, {"ops": None}, {"ops": {"checkpoint": {"config": {}}}}])
def test_what_can_be_run_can_be_configured(config: dict[str, Any]) -> None:
    assert unknown_ops(config) == ""


def test_a_misspelt_asset_is_told_with_the_one_that_was_meant() -> None:
    assert unknown_ops({"ops": {"prediction": {}}}) == (
        "the run configuration has 'prediction' below `ops`, where no asset has this name,"
        " did you mean 'predictions'?"
    )


def test_a_run_with_a_misspelt_asset_says_so_and_does_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = dg.AssetKey("dataset")
    chosen = defs.get_repository_def().get_implicit_job_def_for_assets([key])
    assert chosen is not None

    result = chosen.get_subset(asset_selection={key}).execute_in_process(
        partition_key="golden-v1",
        run_config={"loggers": {"console": {}}, "ops": {"prediction": {}}},
        raise_on_error=False,
    )

    assert not result.success
    assert "run: FAILED: the run configuration has 'prediction'" in capsys.readouterr().out
    assert not (home / "lake").exists()
