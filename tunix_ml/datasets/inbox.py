"""The inbox: a JSONL file dropped there becomes a dataset version, or is set aside with a reason.

$TUNIX_HOME/inbox/<name>-v<n>.jsonl[.gz]       dropped here
$TUNIX_HOME/inbox/rejected/<file>              set aside, with <file>.reason.txt beside it
$TUNIX_HOME/sources/<name>-v<n>/<file>         accepted
$TUNIX_HOME/recipes/<name>-v<n>.yaml           the recipe made for it
"""

import os
from pathlib import Path
from typing import Literal, NamedTuple

import yaml

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import file_sha256
from tunix_ml.contracts.names import parse_dataset_version
from tunix_ml.contracts.recipe import DatasetRecipe, JsonlSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.datasets.build import name_rejects
from tunix_ml.datasets.catalog import dataset_versions
from tunix_ml.durable import write_atomically
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


def take_file(path: Path, home: Path) -> Accepted | SetAside:
    """Move one file out of the inbox: into the catalog if it is good, aside with a reason if it is not."""
    try:
        dataset_version = _version_of(path, home)
        recipe_source = _readable_source(path)
    except (TunixError, OSError) as error:
        return _set_aside(path, str(error))
    digest = file_sha256(path)
    target = home / "sources" / dataset_version / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, target)  # noqa: PTH105
    recipe = DatasetRecipe(
        description=f"Traces from {path.name}, dropped into the inbox.",
        license="NOASSERTION",
        source=recipe_source.model_copy(update={"path": f"../sources/{dataset_version}/{path.name}"}),
    )
    text = yaml.safe_dump(
        recipe.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True
    )
    recipes = home / "recipes"
    recipes.mkdir(parents=True, exist_ok=True)
    write_atomically(recipes / f"{dataset_version}.yaml", text.encode())
    return Accepted(path.name, dataset_version, digest)


def _version_of(path: Path, home: Path) -> str:
    suffix = next((suffix for suffix in _SUFFIXES if path.name.endswith(suffix)), None)
    if suffix is None:
        raise InboxRefused(f"{path.name} does not end in {' or '.join(_SUFFIXES)}")
    dataset_version = path.name.removesuffix(suffix)
    parse_dataset_version(dataset_version)
    if dataset_version in dataset_versions(home):
        raise InboxRefused(
            f"{dataset_version} is in the catalog already, and a version never changes its content:"
            " drop the file under the next version's name"
        )
    return dataset_version


def _readable_source(path: Path) -> JsonlSource:
    """Return the source whose format reads the file without a reject.

    Raises:
        InboxRefused: no format does; the message names the lines, for the format that read most.
    """
    fewest: list[Reject] | None = None
    for trace_format in INBOX_FORMATS:
        source = JsonlSource(kind="jsonl", path=path.name, format=trace_format)
        num_traces, rejects = _dry_run(source, path.parent)
        if num_traces and not rejects:
            return source
        if fewest is None or len(rejects) < len(fewest):
            fewest = rejects
    if not fewest:
        raise InboxRefused(f"{path.name} holds no trace")
    raise InboxRefused(f"{path.name} has {len(fewest)} lines that are no trace:\n{name_rejects(fewest)}")


def _dry_run(source: JsonlSource, folder: Path) -> tuple[int, list[Reject]]:
    num_traces, rejects = 0, []
    for record in ingest(source, base_dir=folder):
        if isinstance(record, Reject):
            rejects.append(record)
        else:
            num_traces += 1
    return num_traces, rejects


def _set_aside(path: Path, reason: str) -> SetAside:
    folder = path.parent / "rejected"
    folder.mkdir(exist_ok=True)
    write_atomically(folder / f"{path.name}.reason.txt", f"{reason}\n".encode())
    os.replace(path, folder / path.name)  # noqa: PTH105
    return SetAside(path.name, reason)
