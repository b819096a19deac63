"""`tunix-rt GROUP VERB …`: read the command line, do what it says, and leave with a code that tells.

0 done · 1 not possible, stderr says why · 2 no such command · 3 a preview whose build would be refused
"""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from tunix_ml.cli import datasets
from tunix_ml.contracts.base import TunixError
from tunix_ml.store import Store

EXIT_DONE, EXIT_IMPOSSIBLE = 0, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    store = Store(options.home.resolve()) if options.home else Store.from_environment()
    try:
        code = int(options.run(options, store))
        sys.stdout.flush()
    except TunixError as error:
        sys.stderr.write(f"tunix-rt: {error}\n")
        return EXIT_IMPOSSIBLE
    except BrokenPipeError:
        # The reader has left, `| head`: it has what it wanted, and nothing is left to flush at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    return code


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="tunix-rt",
        description="Look at, compare and export what the pipeline makes.",
        epilog="Exit codes: 0 done; 1 not possible, the reason is on stderr; 2 no such command;"
        " 3 a preview whose build would be refused.",
    )
    parser.add_argument("--home", type=Path, help="folder of the store; default: $TUNIX_HOME or .tunix")
    groups = parser.add_subparsers(title="groups", required=True, metavar="GROUP")
    datasets.add_verbs(groups.add_parser("datasets", help="dataset versions"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
