"""Which files a path means: a file, the files of a folder, or those that match a pattern."""

from pathlib import Path
from typing import NamedTuple

from tunix_ml.traces.lines import SourceError

_MAGIC = "*?["


class NamedFile(NamedTuple):
    """A file and the name by which rows refer to it: below the folder or pattern that it was found by."""

    name: str
    path: Path


def is_pattern(path: str) -> bool:
    """Say whether a path has `*`, `?` or `[` in it."""
    return any(character in path for character in _MAGIC)


def named_files(path: str, *, base_dir: Path, suffixes: tuple[str, ...]) -> tuple[NamedFile, ...]:
    """Return the files that a path means whose variables have their values, sorted by name.

    A path that exists is what it says, even with a bracket in its name: a file whatever it is called, or a
    folder for its files with these suffixes. Else it is a pattern, `**` for any depth, and matches files with
    these suffixes. Hidden files, and those in hidden folders, are never meant.

    Raises:
        SourceError: nothing is there, or it holds no such file.
    """
    target = base_dir / path
    if target.is_file():
        return (NamedFile(target.name, target),)
    if target.is_dir():
        if found := _matching(target, "*", suffixes):
            return found
        raise SourceError(f"source path {path!r} leads to {target}, a folder without {' or '.join(suffixes)}")
    if not is_pattern(target.as_posix()):
        raise SourceError(f"source path {path!r} leads to {target}, which does not exist")
    parts = target.parts
    first = next(index for index, part in enumerate(parts) if is_pattern(part))
    if found := _matching(Path(*parts[:first]), "/".join(parts[first:]), suffixes):
        return found
    raise SourceError(f"source path {path!r} matches no file ending in {' or '.join(suffixes)}")


def _matching(folder: Path, pattern: str, suffixes: tuple[str, ...]) -> tuple[NamedFile, ...]:
    return tuple(
        sorted(
            NamedFile(file.relative_to(folder).as_posix(), file)
            for file in set(folder.glob(pattern))
            if file.name.endswith(suffixes) and file.is_file() and not _is_hidden(file.relative_to(folder))
        )
    )


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
