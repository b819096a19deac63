"""Which files a source means."""

import os
import re
from pathlib import Path

from tunix_ml.contracts.recipe import JsonlSource
from tunix_ml.traces.lines import SourceError

_SUFFIXES = (".jsonl", ".jsonl.gz")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class VariableNotSet(SourceError):
    """A path needs an environment variable, by which the source is not available here."""


def source_files(source: JsonlSource, *, base_dir: Path) -> tuple[Path, ...]:
    """Return the files of a source, sorted by name.

    A path to a file is that file, whatever its name; a folder is its `.jsonl` and `.jsonl.gz` files, not
    those of its folders and not hidden ones.

    Raises:
        SourceError: a variable of the path is not set, nothing is there, or the folder has no such file.
    """
    path = base_dir / expand(source.path)
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise SourceError(f"source path {source.path!r} leads to {path}, which does not exist")
    files = tuple(sorted(file for file in path.iterdir() if _is_source(file)))
    if not files:
        raise SourceError(
            f"source path {source.path!r} leads to {path}, a folder without .jsonl or .jsonl.gz"
        )
    return files


def _is_source(file: Path) -> bool:
    return file.name.endswith(_SUFFIXES) and not file.name.startswith(".") and file.is_file()


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
