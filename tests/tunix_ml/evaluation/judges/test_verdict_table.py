from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.judge import JudgeVerdict
from tunix_ml.evaluation.judges.verdict_table import read_verdicts, write_verdicts

VERDICTS = [
    JudgeVerdict("q1", 0, "scored", "CORRECT", 1.0, "CORRECT", None, "a" * 64, "b" * 64),
    JudgeVerdict("q1", 1, "error", None, None, None, "HTTP status 500", "a" * 64, "c" * 64),
]


def test_verdicts_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_verdicts(VERDICTS, tmp_path / "verdicts.parquet")

    assert read_verdicts(tmp_path / "verdicts.parquet") == VERDICTS


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"item_id": ["q1"]}), tmp_path / "verdicts.parquet")

    with pytest.raises(ContractError, match=r"verdicts\.parquet has columns \['item_id'\], expected"):
        read_verdicts(tmp_path / "verdicts.parquet")


def test_a_row_that_is_no_verdict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.parquet"
    write_verdicts(VERDICTS, path)
    table = pq.read_table(path)
    rows = [{**table.to_pylist()[0], "status": "wrong"}]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)

    with pytest.raises(ContractError, match="breaks its contract: Invalid enum value 'wrong'"):
        read_verdicts(path)
