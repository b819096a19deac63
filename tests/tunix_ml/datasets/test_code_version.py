from tunix_ml.datasets.code_version import code_version
from tunix_ml.provenance import source_digest


def test_what_reads_generates_and_splits_makes_a_dataset_and_what_comes_after_does_not() -> None:
    assert code_version() == source_digest("contracts", "traces", "datasets")
