import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tunix_assets.cli.__main__ import main
from tunix_assets.cli.command import build_parser
from tunix_assets.cli.verbs import EXIT_CODES, EXIT_NO_COMMAND


def verbs(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for command in group.choices.values():
            yield from verbs(command)


VERBS = {verb.prog: verb for verb in verbs(build_parser())}


def test_these_are_the_verbs() -> None:
    assert [name.removeprefix("tunix-rt ") for name in VERBS] == [
        "datasets list",
        "datasets preview",
        "datasets show",
        "datasets diff",
        "datasets export",
        "datasets add",
        "datasets remove",
        "datasets lineage",
        "runs list",
        "runs show",
        "runs metrics",
        "runs compare",
        "runs lineage",
        "models list",
        "models promote",
        "models rollback",
        "models export",
        "leaderboard",
        "doctor",
        "verify",
        "gc",
        "bench",
        "serve",
    ]


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_answers_in_json_too_and_has_examples_that_parse(name: str) -> None:
    verb = VERBS[name]

    assert verb.get_default("examples")
    for example in verb.get_default("examples"):
        assert example.startswith(f"{name}")
        assert example in verb.format_help()
        options = build_parser().parse_args([*shlex.split(example)[1:], "--json"])
        assert options.json
        assert options.run is verb.get_default("run")


def test_the_help_has_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["--help"])

    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"  {code}  {meaning}" in shown for code, meaning in EXIT_CODES.items())


@pytest.mark.parametrize(
    "words",
    [["burn"], ["datasets", "burn"], ["datasets", "preview"], ["leaderboard", "--status", "odd"]],
)
def test_a_command_that_there_is_not_is_told_from_one_that_failed(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(words)

    assert caught.value.code == 2
    assert "usage: tunix-rt" in capsys.readouterr().err


def test_the_help_loads_nothing_that_is_slow() -> None:
    script = "import sys, tunix_assets.cli.command; print(*{name.partition('.')[0] for name in sys.modules})"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    slow = {"dagster", "pydantic", "pyarrow", "numpy", "jax", "starlette", "uvicorn", "httpx", "yaml"}
    assert slow & set(done.stdout.split()) == set()


@pytest.mark.parametrize("words", [[], ["datasets"], ["models"]])
def test_a_command_without_its_verb_shows_what_there_is(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == EXIT_NO_COMMAND
    told = capsys.readouterr().err
    assert told.startswith(" ".join(["usage: tunix-rt", *words]))
    assert "what datasets there are" in told or "  list " in told
