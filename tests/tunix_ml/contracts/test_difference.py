import msgspec

from tunix_ml.contracts.difference import CHANGES, DIFFERENCE_SCHEMA, ChangedRow, DatasetDifference


def test_a_changed_row_is_a_row_of_the_table() -> None:
    row = ChangedRow("added", "ab", None, "train", None, "new.jsonl", 3, "1 + 1?")

    assert DIFFERENCE_SCHEMA.table([msgspec.to_builtins(row)]).to_pylist() == [msgspec.to_builtins(row)]


def test_a_difference_reads_back_from_its_json() -> None:
    counts = dict.fromkeys(CHANGES, 1)
    difference = DatasetDifference(
        before="a-v1",
        before_digest="0" * 64,
        after="a-v2",
        after_digest="1" * 64,
        num_before=3,
        num_after=3,
        num_unchanged=0,
        counts=counts,
        by_source={"a.jsonl": counts},
    )

    assert DatasetDifference.parse(difference.to_json(), subject="difference.json") == difference
