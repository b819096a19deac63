"""The shape of the repository: what every module, asset and check has, and what none may do."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from pydantic import BaseModel

from asset_checks.catalog import PARTITIONED_CHECKS, UNPARTITIONED_CHECKS
from tunix_assets.definitions import defs
from tunix_ml.contracts.table import TableSchema

ROOT = Path(__file__).parents[1]
PACKAGES = ("tunix_ml", "asset_checks", "tunix_assets")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = {"jax", "flax", "orbax", "transformers", "tokenizers", "torch", "ray"}
HEAVY |= {"great_expectations", "pandas", "pyarrow", "numpy", "duckdb"}
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_module_has_a_test_of_its_name() -> None:
    modules = [path.relative_to(ROOT) for path in MODULES if path.stem not in {"__init__", "__main__"}]

    missing = [
        module.as_posix()
        for module in modules
        if not (ROOT / "tests" / module.parent / f"test_{module.name}").is_file()
    ]

    assert missing == []


def test_every_asset_is_described_grouped_and_checked() -> None:
    graph = defs.resolve_asset_graph()
    checked = {key.asset_key for key in graph.asset_check_keys}

    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description
        assert node.group_name not in {None, "default"}
        assert key in checked


def test_every_check_is_described_and_targets_an_asset() -> None:
    graph = defs.resolve_asset_graph()

    for key in graph.asset_check_keys:
        assert graph.get_check_spec(key).description
        assert graph.has(key.asset_key)
    assert len(graph.asset_check_keys) == len([*PARTITIONED_CHECKS, *UNPARTITIONED_CHECKS])


def test_loading_the_definitions_loads_no_heavy_library() -> None:
    script = "import sys, tunix_assets.definitions; print(*{name.partition('.')[0] for name in sys.modules})"

    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)

    assert HEAVY & set(result.stdout.decode().split()) == set()


def test_every_asset_check_and_contract_has_its_heading_in_the_reference() -> None:
    assets = [key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()]
    checks = [check.name for check in (*PARTITIONED_CHECKS, *UNPARTITIONED_CHECKS)]

    assert set(assets) <= headings("assets.md")
    assert set(checks) <= headings("checks.md")
    assert set(contract_names()) <= headings("contracts.md")


def headings(page: str) -> set[str]:
    text = (ROOT / "docs" / "reference" / page).read_text()
    return set(re.findall(r"^#+ (\S+)$", text, re.MULTILINE))


def contract_names() -> Iterator[str]:
    for path in sorted((ROOT / "tunix_ml" / "contracts").glob("*.py")):
        module = importlib.import_module(f"tunix_ml.contracts.{path.stem}")
        yield from (name for name, value in vars(module).items() if is_contract(value, module.__name__))


def is_contract(value: object, module: str) -> bool:
    if isinstance(value, TableSchema):
        return True
    if not isinstance(value, type) or value.__module__ != module:
        return False
    return issubclass(value, msgspec.Struct) or (issubclass(value, BaseModel) and bool(value.model_fields))


def test_the_contracts_are_found() -> None:
    assert {"Trace", "TRACES_SCHEMA", "DatasetManifest", "LEADERBOARD_SCHEMA"} <= set(contract_names())


def test_a_package_file_is_one_docstring_line() -> None:
    for path in MODULES:
        if path.name == "__init__.py":
            assert re.fullmatch(r'"""[^"\n]+"""\n', path.read_text()), relative(path)


def test_imports_go_one_way() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]

    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout


def test_nothing_imports_pickle() -> None:
    found = [relative(path) for path in MODULES if PICKLES & set(imported(path))]

    assert found == []


def imported(path: Path) -> Iterator[str]:
    """Yield the top-level name of everything that a file imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
