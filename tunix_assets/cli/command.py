"""The parser of `tunix-rt`: every group and verb, and nothing that is slow to load."""

import argparse
from argparse import ArgumentParser
from pathlib import Path

from tunix_assets.cli import (
    bench,
    catalog,
    datasets,
    doctor,
    leaderboard,
    lineage,
    models,
    runs,
    serve,
    upkeep,
)
from tunix_assets.cli.verbs import EXIT_CODES, add_group

_GROUPS = {
    "datasets": ("what datasets there are, and what became of their rows", (datasets, catalog)),
    "runs": ("runs, their numbers, and what is behind them", (runs,)),
    "models": ("registered models and the decisions about them", (models,)),
}
_VERBS = (leaderboard, doctor, upkeep, bench, serve)


def build_parser() -> ArgumentParser:
    """Return the parser; what it parses has `run`, the function that does it."""
    codes = "\n".join(f"  {code}  {meaning}" for code, meaning in EXIT_CODES.items())
    parser = ArgumentParser(
        prog="tunix-rt",
        description="Look at, compare, promote, export, check and serve what the pipeline makes.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(parser=parser)
    parser.add_argument("--home", type=Path, help="folder of the store; default: $TUNIX_HOME or .tunix")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, (summary, modules) in _GROUPS.items():
        verbs = add_group(commands, name, summary=summary)
        for module in modules:
            module.add_verbs(verbs)
        if name != "models":
            lineage.add_verbs(verbs, group=name)
    for module in _VERBS:
        module.add_verbs(commands)
    return parser
