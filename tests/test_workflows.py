"""The workflows are well-formed and safe, name only what exists, and can fail in every step."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunix_assets.definitions import defs

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
Step = dict[str, Any]


def name_of(path: Path) -> str:
    return path.name


def read(path: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text())
    return workflow


def steps(path: Path) -> Iterator[Step]:
    for job in read(path)["jobs"].values():
        yield from job["steps"]


def targets(path: Path) -> set[str]:
    """Return the make targets that a workflow runs, those of its matrix included."""
    found: set[str] = set()
    for job in read(path)["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        found |= set(matrix.get("target", ())) | {row["target"] for row in matrix.get("include", ())}
        for step in job["steps"]:
            found |= set(re.findall(r"^make ([a-z-]+)$", step.get("run", ""), re.MULTILINE))
    return found


def tool(name: str) -> str:
    program = shutil.which(name, path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip(f"{name} is not installed: uv sync --group supply-chain")
    return program


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_there_are_four_workflows() -> None:
    assert list(map(name_of, WORKFLOWS)) == ["ci.yml", "nightly.yml", "release.yml", "security.yml"]


def test_each_is_a_workflow_by_the_schema() -> None:
    result = run(
        tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)
    )

    assert result.returncode == 0, result.stdout


def test_zizmor_finds_nothing_even_when_pedantic() -> None:
    result = run(tool("zizmor"), "--offline", "--pedantic", "--no-progress", ".github/workflows")

    assert result.returncode == 0, result.stdout


def test_zizmor_would_find_something(tmp_path: Path) -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    (tmp_path / "bad.yml").write_text(re.sub(r"@[0-9a-f]{40}", "@main", text))

    result = run(tool("zizmor"), "--offline", "--no-progress", str(tmp_path / "bad.yml"))

    assert result.returncode != 0
    assert "unpinned-uses" in result.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_every_action_is_pinned_by_a_commit_and_says_its_version(path: Path) -> None:
    used = re.findall(r"uses: *(.+)", path.read_text())

    assert used
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_an_action_has_one_version_everywhere() -> None:
    used = {line for path in WORKFLOWS for line in re.findall(r"uses: *(.+)", path.read_text())}

    assert len(used) == len({line.partition("@")[0] for line in used})


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_nothing_is_granted_but_to_a_job_and_each_job_ends(path: Path) -> None:
    workflow = read(path)

    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    for job in workflow["jobs"].values():
        assert job["permissions"]
        assert 0 < job["timeout-minutes"] <= 120


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_every_step_can_fail(path: Path) -> None:
    for step in steps(path):
        assert "continue-on-error" not in step
        assert "if" not in step
        assert not re.search(r"\|\||set \+e|;|--exit-zero|--no-exit-codes", step.get("run", "")), step
        assert step.get("with", {}).get("if-no-files-found", "error") == "error"


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_every_target_exists_and_names_only_what_exists(path: Path) -> None:
    for target in sorted(targets(path)):
        result = run("make", "--dry-run", "--always-make", target)

        assert result.returncode == 0, result.stderr
        named = re.findall(r"(?:tests|configs|deploy|docs|\.ci|\.github)/[\w./*-]+", result.stdout)
        assert [name for name in named if not list(ROOT.glob(name))] == [], target
        jobs = set(re.findall(r"dagster job execute .*?-j (\w+)", result.stdout))
        assert jobs <= {job.name for job in defs.resolve_all_job_defs()}, target


def test_the_workflows_and_their_tests_use_one_version_of_uv() -> None:
    versions = {
        step["with"]["version"]
        for path in WORKFLOWS
        for step in steps(path)
        if "setup-uv" in step.get("uses", "")
    }
    (version,) = versions

    assert f"uv=={version}" in (ROOT / "deploy" / "Dockerfile").read_text()
