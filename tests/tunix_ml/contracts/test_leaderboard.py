import pytest

from tunix_ml.contracts.leaderboard import LEADERBOARD_SCHEMA, PAIRS_SCHEMA
from tunix_ml.contracts.table import TableSchema


def test_a_row_names_everything_that_it_rests_on() -> None:
    digests = {"fingerprint", "inputs", "evaluation_set_digest", "eval_digest"}

    assert digests <= set(LEADERBOARD_SCHEMA.names)
    assert {"run_id", "evaluation_set", "scorer", "answer_rule", "recipe"} <= set(LEADERBOARD_SCHEMA.names)


def test_only_what_an_unranked_row_or_a_foreign_system_lacks_may_be_null() -> None:
    nullable = {column.name for column in LEADERBOARD_SCHEMA if column.nullable}

    assert {"rank", "tie_group", "primary_score", "ci95_low", "ci95_high", "stderr"} <= nullable
    assert {"dataset_version", "validation_loss", "device_seconds"} <= nullable
    assert not nullable & {"status", "reason", "run_id", "n_items", "coverage", "fingerprint", "inputs"}


@pytest.mark.parametrize("schema", [LEADERBOARD_SCHEMA, PAIRS_SCHEMA])
def test_every_column_is_described_once(schema: TableSchema) -> None:
    assert len(set(schema.names)) == len(schema)
    assert all(column.description for column in schema)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_board_of_unranked_rows_can_be_written(rows: int) -> None:
    required = [column for column in LEADERBOARD_SCHEMA if not column.nullable]
    row = {column.name: "" if column.type == "string" else 0 for column in required}

    board = LEADERBOARD_SCHEMA.table([row] * rows)

    board.validate(full=True)
    assert board.column("primary_score").null_count == rows
