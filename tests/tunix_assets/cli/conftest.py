"""A function that runs a command as the terminal would."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tunix_assets.cli.__main__ import main
from tunix_ml.store import Store


class Answer(NamedTuple):
    """What a command printed, and the code it left with."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        """The one object that `--json` prints."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def command(store: Store, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run `tunix-rt` on the test's store, or on another one."""

    def run(*words: str, on: Store | None = None) -> Answer:
        capsys.readouterr()
        code = main(["--home", str((on or store).home), *words])
        return Answer(code, *capsys.readouterr())

    return run
