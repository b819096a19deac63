"""What every verb shares: how it is declared, the codes it leaves with, and how it speaks."""

import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter, _SubParsersAction
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tunix_ml.store import Store

EXIT_DONE, EXIT_IMPOSSIBLE, EXIT_NO_COMMAND, EXIT_WRONG = range(4)
EXIT_CODES = {
    EXIT_DONE: "done",
    EXIT_IMPOSSIBLE: "not possible, or refused; one sentence on stderr says why",
    EXIT_NO_COMMAND: "no such command, option or value",
    EXIT_WRONG: "looked, and something is wrong: a preview whose build would be refused, damage that `verify`"
    " found, a problem that `doctor` found and did not mend",
}

Run = Callable[[Namespace, "Store"], int]
Verbs = _SubParsersAction  # of argparse: what `add_subparsers` returns
Item = TypeVar("Item")
_BAR_WIDTH = 24


def add_group(groups: "Verbs[ArgumentParser]", name: str, *, summary: str) -> "Verbs[ArgumentParser]":
    """Declare a group of verbs, and return where to add them."""
    parser = groups.add_parser(name, help=summary, description=_sentence(summary))
    parser.set_defaults(parser=parser)
    return parser.add_subparsers(title="verbs", metavar="VERB")


def add_verb(
    verbs: "Verbs[ArgumentParser]", name: str, *, summary: str, run: Run, examples: Sequence[str]
) -> ArgumentParser:
    """Declare a verb with its examples and `--json`, and return its parser."""
    parser = verbs.add_parser(
        name,
        help=summary,
        description=_sentence(summary),
        epilog="\n".join(["examples:", *(f"  {example}" for example in examples)]),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.set_defaults(run=run, examples=tuple(examples))
    return parser


def tell(options: Namespace, *, record: dict[str, Any], text: str) -> None:
    """Print the answer: an object, or text for a person."""
    answer = json.dumps(record, ensure_ascii=False, allow_nan=False) if options.json else text
    sys.stdout.write(answer + "\n")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return aligned columns; what no terminal should see as a command is escaped."""
    lines = [[plain(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def plain(value: object) -> str:
    """Return a value on one line without control characters; what is not known is a dash."""
    text = "-" if value is None else str(value)
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def watched(items: Sequence[Item], label: str) -> Iterator[Item]:
    """Yield the items; where stderr is a terminal, a bar there says how far it has come."""
    for done, item in enumerate(items):
        progress(f"{_bar(done, len(items))} {done:,} of {len(items):,} {label}")
        yield item
    progress("")


def progress(line: str) -> None:
    """Replace the line of progress, where stderr is a terminal; an empty one leaves none."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[2K{plain(line)}")
        sys.stderr.flush()


def is_agreed(options: Namespace, question: str) -> bool:
    """Say whether somebody agrees: by `--yes`, or by an answer where there is a terminal to ask at."""
    if options.yes or not sys.stdin.isatty():
        return bool(options.yes)
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _bar(done: int, total: int) -> str:
    filled = _BAR_WIDTH * done // max(total, 1)
    return f"[{'#' * filled}{' ' * (_BAR_WIDTH - filled)}]"


def _sentence(summary: str) -> str:
    return f"{summary[:1].upper()}{summary[1:]}."
