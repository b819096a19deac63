"""The tutorial, done: every command of it and of the README's quick start, in a home of their own.

The commands are those of the pages, word by word; only the trainings are cut to a few steps.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorials" / "first-run.md"
FEW_STEPS = {"num_train_steps": 12, "warmup_steps": 2, "save_every_steps": 6, "eval_every_steps": 6}
PLAIN = ROOT / "configs" / "plain.yaml"
# `make dev` serves pages and never ends; what it starts is tried in tests/deploy. `export` is for a shell.
NOT_RUN = ("make dev", "export ")


def blocks(language: str, page: Path = TUTORIAL) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    lines = [line for block in blocks("bash") for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if not line.startswith(NOT_RUN)]


class Reader:
    """Someone who follows the page in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.few = folder / "few.yaml"
        plain = yaml.safe_load(PLAIN.read_text())
        self.few.write_text(yaml.safe_dump({**plain, "ops": {"checkpoint": {"config": FEW_STEPS}}}))
        (block,) = [found for found in blocks("yaml") if "checkpoint" in found]
        mine = yaml.safe_load(block)
        mine["ops"]["checkpoint"]["config"].update({**FEW_STEPS, "num_train_steps": 16})
        (folder / "mine.yaml").write_text(yaml.safe_dump(mine))

    def run(self, command: str) -> str:
        words = shlex.split(command)
        assert words[:2] == ["uv", "run"], command
        words = words[2:]
        words = [str(self.few) if word == "configs/plain.yaml" else word for word in words]
        if "materialize" in words and "-c" not in words:
            words += ["-c", str(self.few)]
        environment = {name: value for name, value in os.environ.items() if name != "TUNIX_HOME"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        done = subprocess.run(
            words, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr[-3_000:] + done.stdout[-3_000:]
        return done.stdout + done.stderr

    def leaderboard(self) -> list[tuple[str, int]]:
        with duckdb.connect(str(self.folder / ".tunix" / "catalog.duckdb"), read_only=True) as catalog:
            return catalog.execute("SELECT recipe, n_items FROM leaderboard ORDER BY recipe").fetchall()


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def test_the_readme_starts_with_the_tutorials_first_command() -> None:
    (first, *_) = commands()
    readme = (ROOT / "README.md").read_text().replace("\\\n", " ")

    assert first in readme


@pytest.mark.slow
@pytest.mark.nightly
def test_every_command_does_what_the_page_says(reader: Reader) -> None:
    make, look, change = commands()

    page = re.findall(r"results: (\S+index\.html)", reader.run(make))[-1]
    assert Path(page).is_file()
    assert list((reader.folder / ".tunix" / "runs").glob("*/eval/golden-v2.test/*/README.md"))

    assert "prompt" in reader.run(look)

    again = reader.run(make)
    assert re.search(r"is finished already, .*: adopting it", again)

    reader.run(change)
    assert len(reader.leaderboard()) == 2
    assert "longer" in {recipe for recipe, _ in reader.leaderboard()}
