"""Which files a source means."""

import os
import re
from collections import Counter
from pathlib import Path

from tunix_ml.contracts.recipe import JsonlSource
from tunix_ml.traces.globs import named_files
from tunix_ml.traces.lines import SourceError

_SUFFIXES = (".jsonl", ".jsonl.gz")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class VariableNotSet(SourceError):
    """A path needs an environment variable, by which the source is not available here."""


def source_files(source: JsonlSource, *, base_dir: Path) -> tuple[Path, ...]:
    """Return the files of a source, sorted by name.

    A path to a file is that file, whatever its name; a folder is its `.jsonl` and `.jsonl.gz` files, not
    those of its folders and not hidden ones; a pattern is all it matches of these.

    Raises:
        SourceError: a variable of the path is not set, nothing is there or matches, or two files that match
            bear one name, by which their lines could not be told apart.
    """
    files = tuple(
        file.path for file in named_files(expand(source.path), base_dir=base_dir, suffixes=_SUFFIXES)
    )
    names = Counter(file.name for file in files)
    if repeated := [name for name, count in names.items() if count > 1]:
        raise SourceError(
            f"source path {source.path!r} matches several files named {repeated[0]!r}: rename them"
        )
    return files


def expand(path: str) -> str:
    """Return a recipe's path with the values of its variables, `${NAME}`.

    Raises:
        VariableNotSet: one of them is not set.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if not found:
            raise VariableNotSet(
                f"source path {path!r} needs the environment variable {match[1]}, which is not set"
            )
        return found

    return _VARIABLE.sub(value, path)
