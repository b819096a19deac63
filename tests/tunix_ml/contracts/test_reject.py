from typing import get_args

import msgspec
import pytest

from tunix_ml.contracts.reject import REJECTS_SCHEMA, Reject, RejectCode, to_table

REJECT = Reject("traces.jsonl", 3, 120, "invalid_json", "JSON ends early", "a" * 64, '{"prompt": ')


def test_the_table_has_the_rejects_in_their_order() -> None:
    rejects = [REJECT, msgspec.structs.replace(REJECT, line=1, code="contract")]

    table = to_table(rejects)

    assert table.schema.equals(REJECTS_SCHEMA.arrow())
    assert msgspec.convert(table.to_pylist(), list[Reject]) == rejects


def test_a_table_without_rejects_has_its_columns() -> None:
    assert to_table([]).schema.equals(REJECTS_SCHEMA.arrow())
    assert to_table(iter([])).num_rows == 0


@pytest.mark.parametrize("code", get_args(RejectCode))
def test_every_code_is_accepted(code: RejectCode) -> None:
    values = msgspec.to_builtins(REJECT) | {"code": code}

    assert msgspec.convert(values, Reject).code == code


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"Invalid enum value 'odd' - at `\$\.code`"):
        msgspec.convert(msgspec.to_builtins(REJECT) | {"code": "odd"}, Reject)


def test_columns_are_the_fields_and_are_described() -> None:
    assert REJECTS_SCHEMA.names == list(Reject.__struct_fields__)
    assert all(column.description for column in REJECTS_SCHEMA)
