"""`tunix-rt datasets …`: look at versions, compare two, export one."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunix_assets.cli.verbs import EXIT_DONE, EXIT_WRONG, Verbs, add_verb, table, tell

if TYPE_CHECKING:
    from tunix_ml.datasets.card_facts import CardFacts
    from tunix_ml.datasets.catalog import CatalogEntry
    from tunix_ml.snapshot import Snapshot
    from tunix_ml.store import Store

_RECIPE_SUFFIXES = (".yaml", ".yml")
_SHORT = 16


def add_verbs(verbs: "Verbs[ArgumentParser]") -> None:
    """Declare the verbs of this module."""
    add_verb(
        verbs,
        "list",
        summary="the versions of the catalog and what is published of them",
        run=_list,
        examples=["tunix-rt datasets list", "tunix-rt datasets list --json"],
    )
    _add_preview(verbs)
    show = add_verb(
        verbs,
        "show",
        summary="the card of a published version: counts, sources, checks, quality",
        run=_show,
        examples=["tunix-rt datasets show golden-v2", "tunix-rt datasets show golden-v2 --json"],
    )
    show.add_argument("version", help="a published dataset version")
    show.add_argument("--content", metavar="SHA256", help="an earlier content instead of the current one")
    _add_diff(verbs)
    _add_export(verbs)


def _add_preview(verbs: "Verbs[ArgumentParser]") -> None:
    parser = add_verb(
        verbs,
        "preview",
        summary="a dry run of a recipe: mapped rows and rejects",
        run=_preview,
        examples=[
            "tunix-rt datasets preview golden-v2",
            "tunix-rt datasets preview ./my-questions-v1.yaml --records 1000",
        ],
    )
    parser.add_argument("recipe", help="a dataset version of the catalog, or a recipe's YAML file")
    parser.add_argument("--rows", type=int, default=10, metavar="N", help="show N mapped rows; default 10")
    parser.add_argument("--rejects", type=int, default=20, metavar="N", help="show N rejects; default 20")
    parser.add_argument("--records", type=int, metavar="N", help="stop after N records; default: read all")


def _add_diff(verbs: "Verbs[ArgumentParser]") -> None:
    parser = add_verb(
        verbs,
        "diff",
        summary="what changed from one version to another",
        run=_diff,
        examples=["tunix-rt datasets diff golden-v1 golden-v2", "tunix-rt datasets diff a-v1 a-v2 --save"],
    )
    parser.add_argument("before", help="the earlier dataset version")
    parser.add_argument("after", help="the later dataset version")
    parser.add_argument("--save", action="store_true", help="publish it in the store, with every changed row")


def _add_export(verbs: "Verbs[ArgumentParser]") -> None:
    parser = add_verb(
        verbs,
        "export",
        summary="write a version as files for others",
        run=_export,
        examples=[
            "tunix-rt datasets export golden-v2 out/golden",
            "tunix-rt datasets export golden-v2 out/sheet --format csv",
        ],
    )
    parser.add_argument("version", help="a published dataset version")
    parser.add_argument("folder", type=Path, help="folder to make; it must not exist")
    parser.add_argument("--format", choices=("huggingface", "jsonl", "csv"), default="huggingface")
    parser.add_argument("--content", metavar="SHA256", help="an earlier content instead of the current one")


def _list(options: Namespace, store: "Store") -> int:
    from tunix_ml.datasets.catalog import catalog_directories, dataset_versions

    published = {slot.key: slot for slot in store.slots() if slot.table == "dataset" and slot.pointer()}
    digests = {name: slot.resolve().digest for name, slot in published.items()}
    catalog = dataset_versions(store.home)
    own = catalog_directories(store.home)[1]
    found = {
        name: {
            "digest": digests.get(name),
            "recipe": ("own" if (own / f"{name}.yaml").is_file() else "shipped") if name in catalog else None,
        }
        for name in sorted({*catalog, *published})
    }
    lines = [
        (name, (entry["digest"] or "not built")[:_SHORT], entry["recipe"]) for name, entry in found.items()
    ]
    tell(options, record={"datasets": found}, text=table(("VERSION", "CONTENT", "RECIPE"), lines))
    return EXIT_DONE


def _preview(options: Namespace, store: "Store") -> int:
    from tunix_ml.datasets.preview import describe_preview, preview_recipe

    preview = preview_recipe(
        _entry(options.recipe, store),
        store,
        num_rows=options.rows,
        num_rejects=options.rejects,
        max_records=options.records,
    )
    tell(options, record=preview.record(), text=describe_preview(preview))
    return EXIT_WRONG if preview.is_refused else EXIT_DONE


def _entry(recipe: str, store: "Store") -> "CatalogEntry":
    from tunix_ml.contracts.base import ContractError
    from tunix_ml.contracts.names import parse_dataset_version
    from tunix_ml.datasets.catalog import CatalogEntry, load_recipe, read_recipe

    path = Path(recipe)
    if path.suffix in _RECIPE_SUFFIXES:
        parse_dataset_version(path.stem)
        return CatalogEntry(path.stem, read_recipe(path), path)
    if path.is_file():
        raise ContractError(f"{recipe} does not end in .yaml: `datasets add` takes a file of traces")
    return load_recipe(recipe, store.home)


def _show(options: Namespace, store: "Store") -> int:
    from tunix_ml.datasets.card_facts import collect_facts, render_full_card
    from tunix_ml.datasets.catalog import require_known

    require_known(store, options.version)
    snapshot = store.slot("dataset", options.version).resolve(options.content)
    facts = collect_facts(store, snapshot)
    tell(options, record=_shown(facts, snapshot), text=render_full_card(facts).rstrip())
    return EXIT_DONE


def _shown(facts: "CardFacts", snapshot: "Snapshot") -> dict[str, Any]:
    return {
        "manifest": facts.manifest.model_dump(mode="json", exclude={"trace_ids"}),
        "sources": [source._asdict() for source in facts.sources],
        "checks": {name: audit.model_dump(mode="json") for name, audit in sorted(facts.checks.items())},
        "quality": facts.quality.model_dump(mode="json") if facts.quality else None,
        "path": str(snapshot.path),
    }


def _diff(options: Namespace, store: "Store") -> int:
    from tunix_ml.contracts.difference import DatasetDifference
    from tunix_ml.datasets.catalog import require_known
    from tunix_ml.datasets.difference import compare_versions, describe_difference, publish_difference

    require_known(store, options.before, options.after)
    if options.save:
        snapshot = publish_difference(store, before=options.before, after=options.after)
        found = DatasetDifference.read(snapshot.file("difference.json"))
    else:
        pair = [store.slot("dataset", name).resolve() for name in (options.before, options.after)]
        found = compare_versions(*pair).summary
    tell(options, record=found.model_dump(mode="json"), text=describe_difference(found))
    return EXIT_DONE


def _export(options: Namespace, store: "Store") -> int:
    from tunix_ml.datasets.catalog import require_known
    from tunix_ml.datasets.publish_folder import export_dataset

    require_known(store, options.version)
    files = export_dataset(
        store,
        options.version,
        options.folder,
        export_format=options.format,
        digest=options.content,
    )
    text = "\n".join(f"{name}  {num_bytes:,} bytes" for name, num_bytes in files.items())
    tell(options, record={"folder": str(options.folder), "files": files}, text=text)
    return EXIT_DONE
