from pathlib import Path

import pytest

from asset_checks.outside import run_outside
from tunix_ml.contracts.base import TunixError


def test_a_worker_that_fails_is_told_by_its_last_word(tmp_path: Path) -> None:
    job = {"home": str(tmp_path), "run_id": "nobody.tiny.0123456789", "device": "cpu"}

    with pytest.raises(TunixError, match="the job is not a"):
        run_outside("tunix_ml.training.reproduce", job)


def test_a_worker_that_is_no_module_is_told(tmp_path: Path) -> None:
    with pytest.raises(TunixError, match="No module named"):
        run_outside("tunix_ml.nothing", {})
