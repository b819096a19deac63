"""Tables of verdicts, as they are published."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.judge import JUDGE_VERDICTS_SCHEMA, JudgeVerdict
from tunix_ml.parquet import read_table, write_table


def write_verdicts(verdicts: Sequence[JudgeVerdict], path: Path) -> None:
    """Write a table of verdicts, in their order."""
    write_table(JUDGE_VERDICTS_SCHEMA.table(map(msgspec.to_builtins, verdicts)), path)


def read_verdicts(path: Path) -> list[JudgeVerdict]:
    """Read a table of verdicts.

    Raises:
        ContractError: the table has other columns, or a row is no verdict.
    """
    table = read_table(path)
    if not table.schema.equals(JUDGE_VERDICTS_SCHEMA.arrow()):
        names = JUDGE_VERDICTS_SCHEMA.names
        raise ContractError(f"{path} has columns {table.schema.names}, expected {names}")
    try:
        return msgspec.convert(table.to_pylist(), list[JudgeVerdict])
    except msgspec.ValidationError as error:
        raise ContractError(f"{path} breaks its contract: {error}") from error
