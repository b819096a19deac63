from collections.abc import Callable

import pytest

from tunix_ml.contracts.bundle import PackageSource
from tunix_ml.registry.bundle import BUNDLE_FILE
from tunix_ml.registry.bundle_evidence import Evidence
from tunix_ml.registry.bundle_reader import verify_bundle
from tunix_ml.registry.bundle_readme import render_readme
from tunix_ml.slot import Slot


@pytest.fixture
def evidence(bundled: Callable[..., Slot]) -> Evidence:
    """The evidence of a finished run."""
    return verify_bundle(bundled(share_right=0.5).resolve().file(BUNDLE_FILE))


def test_the_score_stands_with_its_interval_and_its_number_of_items(evidence: Evidence) -> None:
    page = render_readme(evidence, ["model/config.json"])

    assert "| golden-v2.test | 0.5000 | 0.215 to 0.785 | 8 |" in page
    assert "20 of 20 steps in 12 s on cpu" in page
    assert f"commit `{'a' * 40}`" in page


def test_only_files_that_are_there_are_explained(evidence: Evidence) -> None:
    page = render_readme(evidence, ["model/config.json"])

    assert "| `model/` |" in page
    assert "| `eval/` |" not in page


def test_a_run_that_its_time_ended_says_so(evidence: Evidence) -> None:
    stopped = evidence.manifest.model_copy(update={"stopped_by": "time_budget"})

    assert "to the end of its time: 20 of 20 steps" in render_readme(evidence._replace(manifest=stopped), [])


def test_an_installed_package_is_named_by_its_version(evidence: Evidence) -> None:
    environment = evidence.environment.model_copy(update={"source": PackageSource(version="0.1.0")})

    assert "at version 0.1.0" in render_readme(evidence._replace(environment=environment), [])
