"""Which dataset versions have another recipe, or read other files, than when they were looked at before.

A look is kept as text by whoever looks. A change is told once it has stayed the same for two looks, so that a
slow copy is told once. What is seen for the first time is no change.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from tunix_ml.contracts.base import Artifact, ContractError
from tunix_ml.contracts.canonical import file_sha256, record_digest
from tunix_ml.contracts.recipe import DatasetRecipe, FileSource, VersionsSource
from tunix_ml.datasets.catalog import dataset_recipes, read_recipe
from tunix_ml.traces.sources import expand

_UNFINISHED = (".part", ".tmp")


class SeenFile(Artifact):
    """A file as it was seen; its digest is taken again only where size or time are other ones."""

    num_bytes: int
    modified: str = Field(description="nanoseconds of its time; a text, as JSON has no such numbers")
    sha256: str


class SeenVersion(Artifact):
    """A dataset version as it was seen: its recipe and the files that it reads."""

    files: dict[str, SeenFile] = Field(description="by path; temporary and hidden ones are left out")
    told: str = Field(description="the content that was there at first, or was told last")
    num_told: int = Field(0, description="how many changes were told")

    def content(self) -> str:
        """Return one digest over names and bytes."""
        return record_digest({path: file.sha256 for path, file in self.files.items()})


class Look(Artifact):
    """What was seen of the catalog."""

    versions: dict[str, SeenVersion] = Field({}, description="by name")


class Change(NamedTuple):
    """A dataset version that is to be built again; the key differs for each change, also for one undone."""

    dataset_version: str
    key: str


def look_again(home: Path, before: Look) -> tuple[Look, list[Change]]:
    """Return what is there now, and what has changed since and come to rest."""
    recipes = dataset_recipes(home)
    versions = {name: _seen(path, before.versions.get(name)) for name, path in recipes.items()}
    changes = []
    for name, now in versions.items():
        earlier = before.versions.get(name)
        content = now.content()
        if earlier and content == earlier.content() != now.told:
            versions[name] = now.model_copy(update={"told": content, "num_told": now.num_told + 1})
            changes.append(Change(name, f"{name}:{now.num_told + 1}:{content}"))
    return Look(versions=versions), changes


def _seen(recipe: Path, earlier: SeenVersion | None) -> SeenVersion:
    known = earlier.files if earlier else {}
    paths = [recipe, *_read_by(recipe)]
    files = {str(path): file for path in paths if (file := _look_at(path, known.get(str(path))))}
    first = SeenVersion(files=files, told="")
    if earlier is None:
        return first.model_copy(update={"told": first.content()})
    return first.model_copy(update={"told": earlier.told, "num_told": earlier.num_told})


def _look_at(path: Path, known: SeenFile | None) -> SeenFile | None:
    """Return a file as it is now, None if it cannot be read: then it is missing from what is seen."""
    try:
        status = path.stat()
        modified = str(status.st_mtime_ns)
        if known and (known.num_bytes, known.modified) == (status.st_size, modified):
            return known
        return SeenFile(num_bytes=status.st_size, modified=modified, sha256=file_sha256(path))
    except OSError:
        return None


def _read_by(recipe: Path) -> Iterable[Path]:
    """Return the files that a recipe reads; of a broken one none, its own bytes say that it changed."""
    try:
        sources = list(_file_sources(read_recipe(recipe)))
        return sorted({path for source in sources for path in _files(source, base_dir=recipe.parent)})
    except (ContractError, OSError, ValueError):
        return ()


def _file_sources(recipe: DatasetRecipe) -> Iterator[FileSource]:
    source = recipe.source
    rows = [part.rows for part in source.parts] if isinstance(source, VersionsSource) else [source]
    yield from (found for found in rows if isinstance(found, FileSource))


def _files(source: FileSource, *, base_dir: Path) -> Iterator[Path]:
    target = base_dir / expand(source.path)
    if target.is_file():
        found: Iterable[Path] = (target,)
    elif target.is_dir():
        found = target.rglob("*")
    else:
        found = _matching(target)
    yield from (path for path in found if path.is_file() and not _is_unfinished(path))


def _matching(pattern: Path) -> Iterable[Path]:
    parts = pattern.parts
    first = next((i for i, part in enumerate(parts) if any(mark in part for mark in "*?[")), None)
    return Path(*parts[:first]).glob("/".join(parts[first:])) if first is not None else ()


def _is_unfinished(path: Path) -> bool:
    return path.name.startswith(".") or path.name.endswith(_UNFINISHED)
