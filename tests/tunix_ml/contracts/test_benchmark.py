import pytest
from pydantic import ValidationError

from tunix_ml.contracts.benchmark import BenchmarkConfig, BenchmarkReport, Ceiling


@pytest.mark.parametrize(
    "changes", [{"shape": ""}, {"num_steps": 1}, {"layout": "ragged"}, {"peer": "maybe"}, {"unknown": 1}]
)
def test_a_setting_that_means_nothing_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BenchmarkConfig.model_validate(changes)


def test_a_ceiling_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError):
        Ceiling(rows=1, inner=1, columns=1, flops_per_second=0.0)


def test_nothing_in_a_report_may_be_null() -> None:
    schema = BenchmarkReport.model_json_schema()
    models = [schema, *schema["$defs"].values()]

    nullable = [field for model in models for field in model["properties"].values() if "anyOf" in field]

    assert nullable == []
