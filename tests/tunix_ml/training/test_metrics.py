from pathlib import Path

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.training import MetricsRow
from tunix_ml.training.metrics import append_metrics, progress_line, read_metrics, write_row


def row(step: int, **changes: float) -> MetricsRow:
    values = {"loss": 1.25, "learning_rate": 2.1e-3, "grad_norm": 0.5, "tokens_per_second": 8100.4}
    return MetricsRow.model_validate({"step": step, "step_time_s": 0.5, **values, **changes})


def write(path: Path, *steps: int, after_step: int = 0) -> None:
    with append_metrics(path, after_step=after_step) as file:
        for step in steps:
            write_row(file, row(step))


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    write(tmp_path / "metrics.jsonl", 1, 2)

    assert read_metrics(tmp_path / "metrics.jsonl") == [row(1), row(2)]


def test_no_file_means_no_rows(tmp_path: Path) -> None:
    assert read_metrics(tmp_path / "metrics.jsonl") == []


def test_rows_after_the_step_resumed_from_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, 10, 20, 30)

    write(path, 25, after_step=20)

    assert [found.step for found in read_metrics(path)] == [10, 20, 25]


def test_a_line_torn_by_a_kill_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, 10)
    with path.open("ab") as file:
        file.write(row(20).to_json()[:17])

    assert [found.step for found in read_metrics(path)] == [10]


def test_a_row_can_be_read_before_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with append_metrics(path, after_step=0) as file:
        write_row(file, row(1))

        assert read_metrics(path) == [row(1)]


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n')

    with pytest.raises(ContractError, match=r"metrics\.jsonl line 1 is not a MetricsRow: loss"):
        read_metrics(path)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (120, "step 120/600 20% loss 1.2500 lr 2.1e-03 8,100 tok/s, about 4 min left"),
        (500, "step 500/600 83% loss 1.2500 lr 2.1e-03 8,100 tok/s, about 50 s left"),
        (600, "step 600/600 100% loss 1.2500 lr 2.1e-03 8,100 tok/s, done"),
    ],
)
def test_progress_is_told_in_a_line(step: int, expected: str) -> None:
    assert progress_line(row(step), num_train_steps=600) == expected


def test_a_validation_loss_is_told_where_there_is_one() -> None:
    line = progress_line(row(600, validation_loss=1.5), num_train_steps=600)

    assert "loss 1.2500 validation 1.5000 lr" in line
