"""Write the reference pages that follow from the code: assets, checks, commands, contracts, configuration.

    python docs/generate_reference.py

Descriptions come from docstrings and from the fields of the contracts; nothing is spelled a second time here.
"""

import argparse
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import msgspec
from pydantic import BaseModel

from asset_checks.catalog import PARTITIONED_CHECKS, UNPARTITIONED_CHECKS
from asset_checks.outcome import Check
from tunix_assets.cli.command import build_parser
from tunix_assets.cli.verbs import EXIT_CODES
from tunix_assets.definitions import defs
from tunix_ml import contracts
from tunix_ml.contracts.table import Column, TableSchema

REFERENCE = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by docs/generate_reference.py; change the code, then run `make docs`. -->"
_CHECKS: tuple[Check, ...] = (*PARTITIONED_CHECKS, *UNPARTITIONED_CHECKS)
_BOUNDS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "below {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} entries"),
    ("maxItems", "at most {} entries"),
)


def main() -> None:
    """Write every page."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Return the text of each generated page, by file name."""
    writers: dict[str, Callable[[], Iterable[str]]] = {
        "assets.md": _assets,
        "checks.md": _checks,
        "cli.md": _commands,
        "configs.md": _configs,
        "contracts.md": _contracts,
    }
    return {name: "\n".join([_NOTE, "", *write()]).rstrip() + "\n" for name, write in writers.items()}


def _assets() -> Iterator[str]:
    yield from ("# Assets", "", "In the order in which they are made. A partition is a dataset version.", "")
    graph = defs.resolve_asset_graph()
    for key in graph.toposorted_asset_keys:
        node, name = graph.get(key), key.to_user_string()
        checks = [check for check in _CHECKS if check.asset == name]
        parents = sorted(parent.to_user_string() for parent in node.parent_keys)
        has_recipe = node.is_partitioned or not _op_fields(name)
        source = "its recipe in the catalog" if has_recipe else "its configuration alone"
        facts = {
            "Group": node.group_name,
            "Made from": _join(f"[{parent}](#{parent})" for parent in parents) or source,
            "Partitions": "one for each dataset version" if node.is_partitioned else "none",
            "Run configuration": f"[`ops.{name}.config`](configs.md#{name})" if _op_fields(name) else "none",
            "Pool": _join(f"`{pool}`" for pool in sorted(node.pools or ())) or "none",
            "Checks": _join(f"[{check.name}](checks.md#{check.name})" for check in checks),
        }
        yield from (f"## {name}", "", _escape(inspect.cleandoc(node.description or "")), "")
        yield from (f"* {label}: {value}" for label, value in facts.items())
        yield ""
        yield from _asset_columns(node.metadata)


def _asset_columns(metadata: Mapping[str, Any]) -> list[str]:
    schema = metadata.get("dagster/column_schema")
    if schema is None:
        return []
    columns: Sequence[dg.TableColumn] = schema.columns
    rows = [
        (
            f"`{column.name}`",
            _column_kind(column.type, nullable=column.constraints.nullable),
            column.description,
        )
        for column in columns
    ]
    return _table(("Column", "Type", "Meaning"), rows)


def _checks() -> Iterator[str]:
    yield from (
        "# Checks",
        "",
        "A blocking check that finds an error stops everything made from the asset: in the same run, and"
        " through the stored audit in any later one. A check may also find a warning, which stops nothing;"
        " those marked as warning never do more.",
        "",
    )
    for asset in dict.fromkeys(check.asset for check in _CHECKS):
        yield from (f"## Checks of {asset}", "")
        for check in (check for check in _CHECKS if check.asset == asset):
            effect = "Blocking." if check.blocking else "Warning."
            yield from (f"### {check.name}", "", f"{_escape(check.description)} {effect}", "")


def _commands() -> Iterator[str]:
    parser = build_parser()
    yield from ("# Command line", "", f"{_escape(parser.description or '')}", "")
    yield from ("## Exit codes", "")
    yield from _table(("Code", "Meaning"), [(str(code), meaning) for code, meaning in EXIT_CODES.items()])
    yield from ("## Options before the command", "", *_arguments(parser))
    for command in _verbs(parser):
        yield from (f"## {command.prog}", "", _escape((command.description or "").rstrip()), "")
        yield from _arguments(command)
        yield from ("```bash", *command.get_default("examples"), "```", "")


def _verbs(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of each verb, in the order of the help."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for command in group.choices.values():
            yield from _verbs(command)


def _arguments(parser: argparse.ArgumentParser) -> list[str]:
    shown = [
        action
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    ]
    rows = [(f"`{_spelled(action)}`", action.help or _choices(action)) for action in shown]
    return _table(("Argument", "Meaning"), rows) if rows else []


def _spelled(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest)
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return f"{', '.join(action.option_strings)}{value}"


def _choices(action: argparse.Action) -> str:
    names = _join(f"`{choice}`" for choice in action.choices or ())
    return f"{names}; default `{action.default}`" if action.default else names


def _configs() -> Iterator[str]:
    yield from (
        "# Run configuration",
        "",
        "What stands below `ops:` in the files of `configs/`. Every key has a default; an unknown key is an"
        " error. Ready-made files: " + _join(f"`{path.name}`" for path in _config_files()) + ".",
        "",
    )
    models = [kind for module in _contract_modules() for _, kind in _members(module) if _is_config(kind)]
    for key in defs.resolve_asset_graph().toposorted_asset_keys:
        name = key.to_user_string()
        mine = [model for model in models if set(model.model_fields) <= _op_fields(name)]
        if mine:
            yield from (f"## {name}", "")
        for model in mine:
            yield from (_description(model), "", *_fields(model.model_json_schema()))


def _contracts() -> Iterator[str]:
    yield from (
        "# Contracts",
        "",
        "What crosses the border of an asset: JSON files, lines of JSONL, and tables in Parquet.",
        "",
    )
    for module in _contract_modules():
        members = _members(module)
        if members:
            title = module.__name__.rpartition(".")[2]
            yield from (f"## {title}", "", _description(module), "")
        columns = {column.name: column.description for _, kind in members for column in _columns(kind)}
        for name, kind in members:
            yield from (f"### {name}", "", *_contract(kind, columns))


def _contract(kind: Any, columns: Mapping[str, str]) -> list[str]:
    if isinstance(kind, TableSchema):
        rows = [
            (f"`{column.name}`", _column_kind(column.type, nullable=column.nullable), column.description)
            for column in kind
        ]
        return _table(("Column", "Type", "Meaning"), rows)
    if issubclass(kind, BaseModel):
        return [_description(kind), "", *_fields(kind.model_json_schema())]
    return [_description(kind), "", *_fields(_struct_schema(kind), meanings=columns)]


def _columns(kind: Any) -> Sequence[Column]:
    return kind if isinstance(kind, TableSchema) else ()


def _contract_modules() -> list[ModuleType]:
    names = sorted(info.name for info in pkgutil.iter_modules(contracts.__path__))
    return [importlib.import_module(f"{contracts.__name__}.{name}") for name in names]


def _members(module: ModuleType) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in vars(module).items() if _is_contract(value, module)]


def _is_contract(value: Any, module: ModuleType) -> bool:
    if isinstance(value, TableSchema):
        return True
    if not inspect.isclass(value) or value.__module__ != module.__name__:
        return False
    if issubclass(value, BaseModel):
        return bool(value.model_fields)
    return issubclass(value, msgspec.Struct)


def _is_config(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, BaseModel) and kind.__name__.endswith("Config")


def _op_fields(asset: str) -> set[str]:
    """Return the names of the fields of an asset's run configuration."""
    definition = defs.resolve_assets_def(dg.AssetKey(asset))
    kind: Any = definition.op.config_field.config_type if definition.op.config_field else None
    return set(getattr(kind, "fields", {}))


def _config_files() -> list[Path]:
    return sorted((REFERENCE.parents[1] / "configs").glob("*.yaml"))


def _struct_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.json.schema(kind)["$defs"][kind.__name__]
    return schema


def _fields(schema: Mapping[str, Any], *, meanings: Mapping[str, str] | None = None) -> list[str]:
    """Return the table of a JSON Schema's fields; `meanings` serve where a field has no description."""
    required = set(schema.get("required", ()))
    rows = []
    for name, field in schema["properties"].items():
        default = "required" if name in required else f"`{json.dumps(field.get('default'))}`"
        meaning = _field_meaning({"description": (meanings or {}).get(name), **field})
        rows.append((f"`{name}`", _kind(field), default, meaning))
    return _table(("Field", "Type", "Default", "Meaning"), rows)


def _kind(field: Mapping[str, Any]) -> str:
    """Return the type of a JSON Schema in words."""
    options = field.get("anyOf") or field.get("oneOf")
    if options:
        return " or ".join(_kind(option) for option in options)
    if "$ref" in field:
        return f"`{field['$ref'].rpartition('/')[2]}`"
    if "enum" in field or "const" in field:
        return " or ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {_kind(field.get('items', {}))}"
    if isinstance(field.get("additionalProperties"), Mapping):
        return f"object of {_kind(field['additionalProperties'])}"
    return str(field.get("format") or field.get("type") or "any")


def _field_meaning(field: Mapping[str, Any]) -> str:
    bounds = [text.format(f"{field[key]:,}") for key, text in _BOUNDS if key in field]
    return "; ".join([text for text in (field.get("description"), ", ".join(bounds)) if text])


def _column_kind(kind: str, *, nullable: bool) -> str:
    return f"{kind}, may be null" if nullable else kind


def _table(columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> list[str]:
    cells = [[_escape(cell or "").replace("|", "\\|") for cell in row] for row in rows]
    lines = [columns, ["---"] * len(columns), *cells]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def _description(subject: Any) -> str:
    return _escape(inspect.cleandoc(subject.__doc__ or ""))


def _escape(text: str) -> str:
    """Return Markdown in which a `<` outside of code is no tag."""
    pieces = text.split("`")
    return "`".join(piece if i % 2 else piece.replace("<", "&lt;") for i, piece in enumerate(pieces))


def _join(texts: Iterable[str]) -> str:
    return ", ".join(texts)


if __name__ == "__main__":
    main()
