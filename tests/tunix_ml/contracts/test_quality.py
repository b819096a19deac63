import pytest
from pydantic import ValidationError

from tunix_ml.contracts.quality import FINDINGS_SCHEMA, Bin, Finding, QualityConfig, QualityReport
from tunix_ml.datasets.quality.examine import Subject, examine


@pytest.mark.parametrize("similarity", [0.5, 1.01, 0.0])
def test_a_similarity_that_means_nothing_is_refused(similarity: float) -> None:
    with pytest.raises(ValidationError):
        QualityConfig(near_duplicate_similarity=similarity)


def test_a_report_reads_back_as_it_was_written() -> None:
    report = examine(Subject("mine-v1", "0" * 64, ())).report
    statistics = report.statistics.model_copy(update={"num_steps": (Bin(1, 2, 3),)})
    report = report.model_copy(update={"statistics": statistics})

    assert QualityReport.parse(report.to_json(), subject="report") == report


def test_a_finding_is_a_row_of_its_table() -> None:
    assert list(Finding._fields) == FINDINGS_SCHEMA.names
