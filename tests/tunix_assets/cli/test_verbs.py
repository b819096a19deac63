import io
import sys
from argparse import Namespace

import pytest

from tunix_assets.cli.verbs import is_agreed, plain, progress, table, watched


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_columns_are_aligned_and_no_text_reaches_the_terminal_as_a_command() -> None:
    text = table(("NAME", "N"), [("a\x1b[2J", 1), ("longer", None)])

    assert text.splitlines() == ["NAME      N", "a\\x1b[2J  1", "longer    -"]
    assert plain("a\nb") == "a\\nb"


def test_progress_is_shown_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(watched([1, 2], "things")) == [1, 2]
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    list(watched([1, 2], "things"))
    progress("end")

    assert "[############            ] 1 of 2 things" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[2Kend")


@pytest.mark.parametrize(
    ("answer", "agreed"), [("y\n", True), ("YES\n", True), ("\n", False), ("no\n", False)]
)
def test_who_sits_at_a_terminal_is_asked(
    answer: str, agreed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))

    assert is_agreed(Namespace(yes=False), "Sure?") is agreed
    assert capsys.readouterr().err == "Sure? [y/N] "


def test_a_script_has_to_say_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    assert not is_agreed(Namespace(yes=False), "Sure?")
    assert is_agreed(Namespace(yes=True), "Sure?")
