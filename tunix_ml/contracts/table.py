"""The columns of a table as plain data: a contract can be read and shown without loading Arrow."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

Kind: TypeAlias = "str | list[Kind] | dict[str, Kind]"


class Column(NamedTuple):
    """One column: its kind is Arrow's name of a type, `[kind]` for a list or `{name: kind}` for a struct."""

    name: str
    kind: Kind
    description: str
    nullable: bool = False

    @property
    def type(self) -> str:
        """The type as Arrow spells it."""
        return _spelled(self.kind)


class TableSchema(tuple[Column, ...]):
    """The columns of a table, in order."""

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self]

    def arrow(self) -> "pa.Schema":
        """Return the schema for Arrow, with the descriptions in it."""
        import pyarrow as pa  # noqa: PLC0415 - not at the load of the definitions

        return pa.schema(
            pa.field(
                column.name, _arrow_type(column.kind), column.nullable, {"description": column.description}
            )
            for column in self
        )

    def table(self, rows: Iterable[Mapping[str, Any]]) -> "pa.Table":
        """Return rows as an Arrow table, in the order given."""
        import pyarrow as pa  # noqa: PLC0415 - not at the load of the definitions

        return pa.Table.from_pylist(list(rows), schema=self.arrow())


def _spelled(kind: Kind) -> str:
    if isinstance(kind, list):
        return f"list<item: {_spelled(kind[0])}>"
    if isinstance(kind, dict):
        return f"struct<{', '.join(f'{name}: {_spelled(inner)} not null' for name, inner in kind.items())}>"
    return kind


def _arrow_type(kind: Kind) -> "pa.DataType":
    import pyarrow as pa  # noqa: PLC0415 - not at the load of the definitions

    if isinstance(kind, list):
        return pa.list_(_arrow_type(kind[0]))
    if isinstance(kind, dict):
        return pa.struct([pa.field(name, _arrow_type(inner), False) for name, inner in kind.items()])
    return pa.type_for_alias(kind)
