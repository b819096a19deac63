"""The inbox: a file or a recipe dropped there becomes a dataset version, or is set aside with a reason.

$TUNIX_HOME/inbox/<name>-v<n>.jsonl[.gz]       dropped here
$TUNIX_HOME/inbox/<name>-v<n>.yaml             a recipe, alone or with the file that it reads beside it
$TUNIX_HOME/inbox/rejected/<file>              set aside, with <file>.reason.txt beside it
$TUNIX_HOME/sources/<name>-v<n>/<file>         accepted
$TUNIX_HOME/recipes/<name>-v<n>.yaml           the recipe that was dropped, or made for the file
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Literal, NamedTuple

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import file_sha256
from tunix_ml.contracts.names import parse_dataset_version
from tunix_ml.contracts.recipe import DatasetRecipe, JsonlSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.trace import SPLITS, Split
from tunix_ml.datasets.build import name_rejects
from tunix_ml.datasets.catalog import dataset_versions
from tunix_ml.datasets.inbox_recipe import (
    RECIPE_SUFFIX,
    DroppedRecipe,
    claimed_files,
    read_dropped,
    write_recipe,
)
from tunix_ml.datasets.splits import assign_split
from tunix_ml.durable import copy_atomically, make_directory, write_atomically
from tunix_ml.store import Store
from tunix_ml.traces.ingest import ingest

_SUFFIXES = (".jsonl", ".jsonl.gz")
INBOX_FORMATS: tuple[Literal["trace", "tunix_sft"], ...] = ("trace", "tunix_sft")


class InboxRefused(TunixError):
    """A dropped file cannot become a dataset version."""


class Accepted(NamedTuple):
    """A file that became a dataset version; the digest is of its bytes."""

    file_name: str
    dataset_version: str
    sha256: str


class SetAside(NamedTuple):
    """A file that was moved to `inbox/rejected`, and why."""

    file_name: str
    reason: str


class Waits(NamedTuple):
    """A file that stays in the inbox for now, and why."""

    file_name: str
    reason: str


class _Readable(NamedTuple):
    source: JsonlSource
    splits: dict[Split, float]


def waiting_files(home: Path) -> list[Path]:
    """Return the files in the inbox by name; hidden ones and those still being copied are left out."""
    inbox = home / "inbox"
    if not inbox.is_dir():
        return []
    return sorted(
        path
        for path in inbox.iterdir()
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith((".part", ".tmp"))
    )


def take_file(
    path: Path, home: Path, *, settled: Collection[Path] | None = None
) -> Accepted | SetAside | Waits:
    """Move one file out of the inbox: into the catalog if it is good, aside with a reason if it is not.

    A recipe takes the file that it reads along, once that is there and, where settled files are named, among
    them. What is moved leaves the inbox last, so that a kill on the way is made good by the next look.
    """
    if not path.exists():
        return Waits(path.name, "it is gone")
    if recipe := claimed_files(waiting_files(home)).get(path):
        return Waits(path.name, f"it belongs to {recipe.name}")
    try:
        if path.suffix != RECIPE_SUFFIX:
            return _take_data(path, home)
        dropped = read_dropped(path)
        if dropped.data and (reason := _not_ready(dropped.data, path, home, settled)):
            return Waits(path.name, reason)
        return _take_recipe(path, dropped, home)
    except (TunixError, OSError) as error:
        return _set_aside(path, str(error))


def _take_data(path: Path, home: Path) -> Accepted:
    dataset_version = _version_of(path, _SUFFIXES)
    target = home / "sources" / dataset_version / path.name
    digest = file_sha256(path)
    if not (target.is_file() and file_sha256(target) == digest):
        _refuse_known(dataset_version, home)
    readable = _readable_source(path)
    make_directory(target.parent)
    copy_atomically(path, target)
    recipe = home / "recipes" / f"{dataset_version}{RECIPE_SUFFIX}"
    if not recipe.exists():
        write_recipe(recipe, _recipe_for(path, readable), data=path)
    path.unlink()
    return Accepted(path.name, dataset_version, digest)


def _take_recipe(path: Path, dropped: DroppedRecipe, home: Path) -> Accepted:
    dataset_version = _version_of(path, (RECIPE_SUFFIX,))
    target = home / "sources" / dataset_version / path.name
    digest = file_sha256(path)
    if not (target.is_file() and file_sha256(target) == digest):
        _refuse_known(dataset_version, home)
    make_directory(target.parent)
    copy_atomically(path, target)
    data = dropped.data
    if data and data.exists():
        copy_atomically(data, target.with_name(data.name))
    recipe = home / "recipes" / path.name
    if not recipe.exists():
        write_recipe(recipe, dropped.recipe, data=data)
    if data:
        data.unlink(missing_ok=True)
    path.unlink()
    return Accepted(path.name, dataset_version, digest)


def _not_ready(data: Path, path: Path, home: Path, settled: Collection[Path] | None) -> str | None:
    """Return why the file of a recipe cannot be taken yet; a kill may have left it where it belongs."""
    if not data.exists():
        taken = home / "sources" / path.stem / data.name
        return None if taken.is_file() else f"{data.name} is not there yet"
    return None if settled is None or data in settled else f"{data.name} is still being written"


def _recipe_for(path: Path, readable: _Readable) -> DatasetRecipe:
    return DatasetRecipe(
        description=f"Traces from {path.name}, dropped into the inbox.",
        license="NOASSERTION",
        source=readable.source,
        splits=readable.splits,
    )


def _shares(prompts: list[str]) -> dict[Split, float]:
    """Return shares that give validation and test about ten traces each, and at least a twentieth.

    Raises:
        InboxRefused: the hashes of so few prompts leave a split empty.
    """
    held_out = round(min(0.25, max(0.05, 10 / len(prompts))), 3)
    shares: dict[Split, float] = {"train": 1 - 2 * held_out, "validation": held_out, "test": held_out}
    empty = set(SPLITS) - {assign_split(prompt, shares) for prompt in prompts}
    if empty:
        raise InboxRefused(
            f"its {len(prompts)} traces leave the split {sorted(empty)[0]} empty: give it more traces,"
            " or write a recipe with other shares"
        )
    return shares


def _version_of(path: Path, suffixes: tuple[str, ...]) -> str:
    suffix = next((suffix for suffix in suffixes if path.name.endswith(suffix)), None)
    if suffix is None:
        raise InboxRefused(f"{path.name} does not end in {' or '.join(suffixes)}")
    dataset_version = path.name.removesuffix(suffix)
    parse_dataset_version(dataset_version)
    return dataset_version


def _refuse_known(dataset_version: str, home: Path) -> None:
    if dataset_version in dataset_versions(home):
        raise InboxRefused(
            f"{dataset_version} is in the catalog already, and a version never changes its content:"
            " drop the file under the next version's name"
        )


def _readable_source(path: Path) -> _Readable:
    """Return the source whose format reads the file without a reject.

    Raises:
        InboxRefused: no format does; the message names the lines, for the format that read most.
    """
    fewest: list[Reject] | None = None
    num_read = 0
    for trace_format in INBOX_FORMATS:
        source = JsonlSource(kind="jsonl", path=path.name, format=trace_format)
        prompts, rejects = _dry_run(source, path.parent)
        if prompts and not rejects:
            return _Readable(source, _shares(prompts))
        num_read = max(num_read, len(prompts))
        if fewest is None or len(rejects) < len(fewest):
            fewest = rejects
    if not fewest:
        raise InboxRefused(f"{path.name} holds no trace")
    first = fewest[0]
    if not num_read and first.code == "contract":
        raise InboxRefused(
            f"none of the {len(fewest):,} lines of {path.name} is a trace; line {first.line}:"
            f" {first.message};"
            " records of another form need a recipe with `format: mapped`"
        )
    raise InboxRefused(f"{path.name} has {len(fewest)} lines that are no trace:\n{name_rejects(fewest)}")


def _dry_run(source: JsonlSource, folder: Path) -> tuple[list[str], list[Reject]]:
    prompts: list[str] = []
    rejects: list[Reject] = []
    for record in ingest(source, base_dir=folder):
        if isinstance(record, Reject):
            rejects.append(record)
        else:
            prompts.append(record.trace.prompt)
    return prompts, rejects


def unbuilt_versions(store: Store) -> list[Accepted]:
    """Return what was accepted and is not published: also after a kill between the two."""
    found = []
    for folder in sorted((store.home / "sources").glob("*/")):
        version = folder.name
        names = (f"{version}{suffix}" for suffix in (RECIPE_SUFFIX, *_SUFFIXES))
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path and store.slot("dataset", version).pointer() is None:
            found.append(Accepted(path.name, version, file_sha256(path)))
    return found


def _set_aside(path: Path, reason: str) -> SetAside:
    """Move a file to the rejected ones; an earlier one of its name is kept under a number."""
    folder = path.parent / "rejected"
    folder.mkdir(exist_ok=True)
    taken = sum(1 for other in folder.iterdir() if other.name.endswith(path.name))
    name = f"{taken}.{path.name}" if taken else path.name
    write_atomically(folder / f"{name}.reason.txt", f"{reason}\n".encode())
    os.replace(path, folder / name)  # noqa: PTH105
    return SetAside(path.name, reason)
