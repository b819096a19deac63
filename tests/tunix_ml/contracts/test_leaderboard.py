import pytest

from tunix_ml.contracts.leaderboard import LEADERBOARD_SCHEMA


def test_a_row_names_everything_that_it_rests_on() -> None:
    digests = {"dataset", "evaluation_set", "model", "predictions", "eval", "scorer"}

    assert {f"{name}_digest" for name in digests} <= set(LEADERBOARD_SCHEMA.names)
    assert {"run_id", "evaluation_set", "scorer", "template", "recipe"} <= set(LEADERBOARD_SCHEMA.names)


def test_only_what_an_unranked_row_lacks_may_be_null() -> None:
    nullable = {column.name for column in LEADERBOARD_SCHEMA if column.nullable}

    assert {"rank", "primary_score", "ci95_low", "ci95_high", "stderr"} <= nullable
    assert not nullable & {"status", "run_id", "n_items", "coverage", "validation_loss"}
    assert not [name for name in nullable if name.endswith("_digest")]


def test_every_column_is_described_once() -> None:
    assert len(set(LEADERBOARD_SCHEMA.names)) == len(LEADERBOARD_SCHEMA)
    assert all(column.description for column in LEADERBOARD_SCHEMA)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_board_of_unranked_rows_can_be_written(rows: int) -> None:
    required = [column for column in LEADERBOARD_SCHEMA if not column.nullable]
    row = {column.name: "" if column.type == "string" else 0 for column in required}

    board = LEADERBOARD_SCHEMA.table([row] * rows)

    board.validate(full=True)
    assert board.column("primary_score").null_count == rows
