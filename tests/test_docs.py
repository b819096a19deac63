"""The documentation names only what exists, and the reference says what the code says."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import dagster as dg
import pytest
import yaml
from dagster._cli import create_dagster_cli

from tunix_assets.assets.checkpoint import CheckpointConfig
from tunix_assets.assets.predictions import PredictionsConfig
from tunix_assets.assets.sft_export import SftExportConfig
from tunix_assets.assets.sweep import SweepConfig
from tunix_assets.assets.throughput_benchmark import ThroughputBenchmarkConfig
from tunix_assets.assets.tokenized_examples import TokenizedExamplesConfig
from tunix_assets.cli.__main__ import main
from tunix_assets.cli.verbs import EXIT_WRONG
from tunix_assets.definitions import defs
from tunix_assets.partitions import catalog_keys

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
RUN_CONFIGS = sorted(ROOT.glob("configs/*.yaml"))
CONFIG_CLASSES: dict[str, type[dg.Config]] = {
    "sft_export": SftExportConfig,
    "tokenized_examples": TokenizedExamplesConfig,
    "checkpoint": CheckpointConfig,
    "predictions": PredictionsConfig,
    "sweep": SweepConfig,
    "throughput_benchmark": ThroughputBenchmarkConfig,
}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command in the page's bash blocks."""
    for block in re.findall(r"^ *```bash\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            for command in line.split("&&"):
                yield shlex.split(command)


def dagster_commands(page: Path) -> Iterator[list[str]]:
    return (words[words.index("dagster") + 1 :] for words in commands(page) if "dagster" in words)


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = ROOT / "docs" / "generate_reference.py"
    spec = importlib.util.spec_from_file_location("generate_reference", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["assets.md", "checks.md", "cli.md", "configs.md", "contracts.md"])
def test_a_reference_page_is_what_the_code_says(generator: ModuleType, name: str) -> None:
    committed = (ROOT / "docs" / "reference" / name).read_text()

    assert committed == generator.pages()[name], "run `make docs` and commit what it changes"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())

    files = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:", link)]

    assert [file for file in files if file and not (page.parent / file).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", page.read_text()))
    named |= {words[1] for words in commands(page) if words[:1] == ["make"]}

    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_named_configuration_exists(page: Path) -> None:
    named = set(re.findall(r"configs/[\w.-]+\.yaml", page.read_text()))

    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_flag_of_a_dagster_command_exists(page: Path) -> None:
    for words in dagster_commands(page):
        command: click.Command = create_dagster_cli()  # type: ignore[no-untyped-call]
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        flags = {flag for parameter in command.params for flag in parameter.opts}

        assert {word for word in words if word.startswith("-")} <= flags


def test_every_command_of_the_readme_selects_something_that_exists() -> None:
    graph = defs.resolve_asset_graph()
    found = list(dagster_commands(ROOT / "README.md"))

    assert len(found) >= 3
    for words in found:
        assert option(words, "-m") == "tunix_assets.definitions"
        assert option(words, "--partition") in catalog_keys()
        assert dg.AssetSelection.from_string(option(words, "--select")).resolve(graph)


def test_the_test_command_is_the_same_everywhere() -> None:
    command = "uv run pytest -q -n auto"

    assert command.split() in list(commands(ROOT / "README.md"))
    for name in ("Makefile", ".ci/run"):
        assert command in (ROOT / name).read_text()


@pytest.mark.parametrize("path", RUN_CONFIGS, ids=relative)
def test_a_run_configuration_has_only_keys_and_values_that_are_read(path: Path) -> None:
    run_config: dict[str, Any] = yaml.safe_load(path.read_text())

    ops = run_config.get("ops", {})
    jobs = {"throughput_benchmark": "benchmark", "sweep": "run_sweep"}
    job = next((job for op, job in jobs.items() if op in ops), "pipeline")
    dg.validate_run_config(defs.resolve_job_def(job), run_config)
    for op, entry in ops.items():
        CONFIG_CLASSES[op].model_validate(entry["config"])


@pytest.mark.parametrize("path", RUN_CONFIGS, ids=relative)
def test_a_run_configuration_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 20


def test_the_control_differs_in_template_and_length_alone() -> None:
    with_steps, control = (
        yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())["ops"]
        for name in ("arithmetic", "arithmetic_answer_only")
    )

    assert control["sft_export"]["config"] == {"template": "answer_only"}
    assert {**control["predictions"]["config"], "max_new_tokens": None} == {
        **with_steps["predictions"]["config"],
        "max_new_tokens": None,
    }
    for op in ("tokenized_examples", "checkpoint"):
        assert control[op] == with_steps[op]


def test_the_tutorial_on_own_data_previews_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "tutorials" / "your-own-data.md").read_text()
    script, recipe, shown = (
        re.findall(rf"^```{kind}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[0]
        for kind in ("python", "yaml", "text")
    )
    monkeypatch.chdir(tmp_path)
    exec(script, {})
    Path("shop-v1.yaml").write_text(recipe)

    code = main(["--home", str(tmp_path / "home"), "datasets", "preview", "./shop-v1.yaml", "--rows", "1"])

    assert code == EXIT_WRONG
    assert capsys.readouterr().out.endswith(shown)


def test_the_navigation_lists_every_page() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]

    def leaves(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        else:
            for child in entry.values() if isinstance(entry, dict) else entry:
                yield from leaves(child)

    pages = {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")}
    assert sorted(leaves(nav)) == sorted(pages)


def test_no_figure_is_still_to_come() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

    assert [page.name for page in pages if "<!-- figure" in page.read_text(encoding="utf-8")] == []
