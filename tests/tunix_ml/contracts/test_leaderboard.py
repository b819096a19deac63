import pyarrow as pa
import pytest

from tunix_ml.contracts.leaderboard import LEADERBOARD_SCHEMA


def test_a_row_names_everything_that_it_rests_on() -> None:
    digests = {"dataset", "evaluation_set", "model", "predictions", "eval", "scorer"}

    assert {f"{name}_digest" for name in digests} <= set(LEADERBOARD_SCHEMA.names)
    assert {"run_id", "evaluation_set", "scorer", "template", "recipe"} <= set(LEADERBOARD_SCHEMA.names)


def test_only_what_an_unranked_row_lacks_may_be_null() -> None:
    nullable = {field.name for field in LEADERBOARD_SCHEMA if field.nullable}

    assert {"rank", "primary_score", "ci95_low", "ci95_high", "stderr"} <= nullable
    assert not nullable & {"status", "run_id", "n_items", "coverage", "validation_loss"}
    assert not [name for name in nullable if name.endswith("_digest")]


def test_every_column_is_described_once() -> None:
    assert len(set(LEADERBOARD_SCHEMA.names)) == len(LEADERBOARD_SCHEMA)
    assert all(field.metadata[b"description"] for field in LEADERBOARD_SCHEMA)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_board_of_unranked_rows_can_be_written(rows: int) -> None:
    texts = {field.name: "" for field in LEADERBOARD_SCHEMA if field.type == pa.string()}
    numbers = {
        field.name: 0 for field in LEADERBOARD_SCHEMA if field.type != pa.string() and not field.nullable
    }

    board = pa.Table.from_pylist([texts | numbers] * rows, schema=LEADERBOARD_SCHEMA)

    board.validate(full=True)
    assert board.column("primary_score").null_count == rows
