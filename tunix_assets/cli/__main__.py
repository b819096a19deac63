"""`tunix-rt COMMAND …`: read the command line, do what it says, and leave with a code that tells."""

import os
import sys
from collections.abc import Sequence

from tunix_assets.cli.command import build_parser
from tunix_assets.cli.verbs import EXIT_DONE, EXIT_IMPOSSIBLE, EXIT_NO_COMMAND, progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = build_parser().parse_args(arguments)
    if "run" not in options:
        options.parser.print_help(sys.stderr)
        return EXIT_NO_COMMAND
    from tunix_ml.contracts.base import TunixError
    from tunix_ml.store import Store

    store = Store(options.home.resolve()) if options.home else Store.from_environment()
    try:
        code = int(options.run(options, store))
        sys.stdout.flush()
    except (TunixError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            return _reader_has_left()
        progress("")
        sys.stderr.write(f"tunix-rt: {' '.join(str(error).split())}\n")
        return EXIT_IMPOSSIBLE
    except KeyboardInterrupt:
        progress("")
        sys.stderr.write("tunix-rt: interrupted\n")
        return EXIT_IMPOSSIBLE
    return code


def _reader_has_left() -> int:
    """Leave quietly after `| head`: it has what it wanted, and nothing is left to flush at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
