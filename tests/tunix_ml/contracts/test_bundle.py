import pytest
from pydantic import ValidationError

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.bundle import Environment, EvaluationSummary, GitSource, PackageSource, RunManifest


@pytest.mark.parametrize("contract", [RunManifest, EvaluationSummary, Environment])
def test_nothing_in_the_evidence_may_be_null(contract: type[Artifact]) -> None:
    assert "'null'" not in str(contract.model_json_schema())


@pytest.mark.parametrize("source", [{"kind": "git", "commit": "", "is_changed": False}, {"kind": "git"}])
def test_a_work_tree_without_its_commit_is_no_source(source: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GitSource.model_validate(source)


def test_an_installed_package_is_named_by_its_version() -> None:
    assert PackageSource(version="0.1.0").model_dump() == {"kind": "package", "version": "0.1.0"}
