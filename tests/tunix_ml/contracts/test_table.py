import subprocess
import sys

import pyarrow as pa
import pytest

from tunix_ml.contracts.table import Column, Kind, TableSchema

SCHEMA = TableSchema([Column("id", "string", "who"), Column("score", "double", "how good", nullable=True)])


def test_the_arrow_schema_has_names_types_nulls_and_descriptions() -> None:
    schema = SCHEMA.arrow()

    assert schema.equals(pa.schema([pa.field("id", pa.string(), False), pa.field("score", pa.float64())]))
    assert schema.names == SCHEMA.names
    assert [field.metadata[b"description"] for field in schema] == [b"who", b"how good"]


@pytest.mark.parametrize(
    ("kind", "arrow"),
    [
        ("string", pa.string()),
        ("int64", pa.int64()),
        ("double", pa.float64()),
        (["int8"], pa.list_(pa.int8())),
        ([{"i": "int64"}], pa.list_(pa.struct([pa.field("i", pa.int64(), False)]))),
        ({"a": ["string"], "b": "int32"}, pa.struct({"a": pa.list_(pa.string()), "b": pa.int32()})),
    ],
    ids=str,
)
def test_a_kind_is_the_type_of_arrow_and_spelled_like_it(kind: Kind, arrow: pa.DataType) -> None:
    schema = TableSchema([Column("a", kind, "")])

    found = schema.arrow().field("a").type

    assert str(found) == schema[0].type
    assert str(found).replace(" not null", "") == str(arrow).replace(" not null", "")


def test_a_table_has_the_rows_in_their_order() -> None:
    rows = [{"id": "b", "score": 0.5}, {"id": "a", "score": None}]

    table = SCHEMA.table(iter(rows))

    assert table.schema.equals(SCHEMA.arrow())
    assert table.to_pylist() == rows


def test_a_table_without_rows_has_its_columns() -> None:
    assert SCHEMA.table([]).schema.equals(SCHEMA.arrow())


def test_a_contract_is_read_without_arrow() -> None:
    script = "import sys, tunix_ml.contracts.trace; print('pyarrow' in sys.modules)"

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)

    assert result.stdout == b"False\n"
