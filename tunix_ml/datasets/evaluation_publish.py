"""Publish the evaluation sets of the catalog: read, validate, keep for good."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import file_sha256, set_digest
from tunix_ml.contracts.evaluation_set import EvaluationItem, EvaluationSetManifest, to_table
from tunix_ml.datasets.code_version import code_version
from tunix_ml.datasets.evaluation_card import render_evaluation_card
from tunix_ml.datasets.evaluation_catalog import (
    EvaluationEntry,
    evaluation_recipes,
    load_evaluation_recipe,
)
from tunix_ml.datasets.evaluation_items import read_items
from tunix_ml.datasets.evaluation_set import ITEMS_FILE, evaluation_set_slot
from tunix_ml.parquet import write_table
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.traces.sources import VariableNotSet

MANIFEST_FILE = "manifest.json"
TABLE_FILE = "items.parquet"


@dataclass(frozen=True)
class PublishedCatalog:
    """What became of every recipe of the catalog, by the name of its set."""

    published: dict[str, Snapshot] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def publish_catalog(store: Store, *, report: Callable[[str], None]) -> PublishedCatalog:
    """Publish every evaluation set of the catalog whose source is there; none stops the others.

    A set is unavailable if the environment does not name its source's folder, and refused if anything else is
    wrong with it.
    """
    catalog = PublishedCatalog()
    for name in evaluation_recipes(store.home):
        try:
            entry = load_evaluation_recipe(name, store.home)
            catalog.published[name] = publish_evaluation_set(store, entry)
        except VariableNotSet as error:
            catalog.unavailable[name] = str(error)
            report(f"evaluation set {name} is not available: {error}")
        except (TunixError, OSError) as error:
            catalog.refused[name] = str(error)
        else:
            report(f"evaluation set {name} is published")
    return catalog


def publish_evaluation_set(store: Store, entry: EvaluationEntry) -> Snapshot:
    """Read the items of a recipe and publish them under its name.

    Raises:
        VariableNotSet: the source's folder is not named in the environment.
        SourceError: the source cannot be read.
        EvaluationSetRefused: it holds lines that are no items.
        VersionConflict: the set is published with other items.
    """
    items = read_items(entry.source(), entry.recipe)
    manifest = _manifest(entry, items)
    slot = evaluation_set_slot(store, entry.name)
    with slot.publish(
        content_digest=manifest.content_digest, code_version=code_version(), immutable=True
    ) as draft:
        (draft.path / ITEMS_FILE).write_bytes(msgspec.json.Encoder().encode_lines(items))
        write_table(to_table(items), draft.path / TABLE_FILE)
        (draft.path / MANIFEST_FILE).write_bytes(manifest.to_json())
        (draft.path / "README.md").write_text(render_evaluation_card(manifest, items), encoding="utf-8")
    return draft.snapshot


def read_manifest(snapshot: Snapshot) -> EvaluationSetManifest:
    """Return the manifest of a published evaluation set, verified."""
    return EvaluationSetManifest.read(snapshot.file(MANIFEST_FILE))


def items_digest(items: Sequence[EvaluationItem]) -> str:
    """Return the content digest of an evaluation set: every field counts, the order does not."""
    return set_digest(item.digest() for item in items)


def _manifest(entry: EvaluationEntry, items: Sequence[EvaluationItem]) -> EvaluationSetManifest:
    source = entry.source()
    return EvaluationSetManifest(
        name=entry.name,
        content_digest=items_digest(items),
        description=entry.recipe.description,
        license=entry.recipe.license,
        recipe_digest=entry.recipe.digest(),
        source=source.name,
        source_sha256=file_sha256(source),
        n_items=len(items),
        sections=count_values(items, "section"),
        categories=count_values(items, "category"),
        difficulties=count_values(items, "difficulty"),
        answer_types=count_values(items, "answer_type"),
        num_clusters=len({item.cluster for item in items}),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def count_values(items: Sequence[EvaluationItem], field: str) -> dict[str, int]:
    """Return how many items have each value of a field, by value."""
    return dict(sorted(Counter(getattr(item, field) for item in items).items()))
