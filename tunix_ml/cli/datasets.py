"""`tunix-rt datasets …`: preview a recipe, compare two versions, export one."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from tunix_ml.datasets.catalog import CatalogEntry, dataset_versions, load_recipe, read_recipe
from tunix_ml.store import Store

EXIT_REFUSED = 3
_RECIPE_SUFFIXES = (".yaml", ".yml")


def add_verbs(parser: ArgumentParser) -> None:
    """Declare the verbs of this group."""
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    _add_list(verbs.add_parser("list", help="the versions of the catalog and what is published of them"))
    _add_preview(verbs.add_parser("preview", help="a dry run of a recipe: mapped rows and rejects"))
    _add_difference(verbs.add_parser("difference", help="what changed from one version to another"))
    _add_export(verbs.add_parser("export", help="write a version as files for others"))


def _add_list(parser: ArgumentParser) -> None:
    _add_json(parser)
    parser.set_defaults(run=_list)


def _add_preview(parser: ArgumentParser) -> None:
    parser.add_argument("recipe", help="a dataset version of the catalog, or a recipe's YAML file")
    parser.add_argument("--rows", type=int, default=10, metavar="N", help="show N mapped rows; default 10")
    parser.add_argument("--rejects", type=int, default=20, metavar="N", help="show N rejects; default 20")
    parser.add_argument("--records", type=int, metavar="N", help="stop after N records; default: read all")
    _add_json(parser)
    parser.set_defaults(run=_preview)


def _add_difference(parser: ArgumentParser) -> None:
    parser.add_argument("before", help="the earlier dataset version")
    parser.add_argument("after", help="the later dataset version")
    parser.add_argument("--save", action="store_true", help="publish it in the store, with every changed row")
    _add_json(parser)
    parser.set_defaults(run=_difference)


def _add_export(parser: ArgumentParser) -> None:
    parser.add_argument("version", help="a published dataset version")
    parser.add_argument("folder", type=Path, help="folder to make; it must not exist")
    parser.add_argument("--format", choices=("huggingface", "jsonl", "csv"), default="huggingface")
    parser.add_argument("--content", metavar="SHA256", help="an earlier content instead of the current one")
    _add_json(parser)
    parser.set_defaults(run=_export)


def _add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def _list(options: Namespace, store: Store) -> int:
    published = {slot.key: slot for slot in store.slots() if slot.table == "dataset" and slot.pointer()}
    names = sorted({*dataset_versions(store.home), *published})
    rows = {name: published[name].resolve().digest if name in published else None for name in names}
    lines = [f"{name}  {digest[:16] if digest else 'not built'}" for name, digest in rows.items()]
    _tell(options, record={"datasets": rows}, text="\n".join(lines))
    return 0


def _preview(options: Namespace, store: Store) -> int:
    from tunix_ml.datasets.preview import describe_preview, preview_recipe  # noqa: PLC0415 - loads Arrow

    preview = preview_recipe(
        _entry(options.recipe, store),
        store,
        num_rows=options.rows,
        num_rejects=options.rejects,
        max_records=options.records,
    )
    _tell(options, record=preview.record(), text=describe_preview(preview))
    return EXIT_REFUSED if preview.is_refused else 0


def _entry(recipe: str, store: Store) -> CatalogEntry:
    path = Path(recipe)
    if path.suffix in _RECIPE_SUFFIXES:
        return CatalogEntry(path.stem, read_recipe(path), path)
    return load_recipe(recipe, store.home)


def _difference(options: Namespace, store: Store) -> int:
    from tunix_ml.contracts.difference import DatasetDifference  # noqa: PLC0415 - loads Arrow
    from tunix_ml.datasets.difference import (  # noqa: PLC0415
        compare_versions,
        describe_difference,
        publish_difference,
    )

    if options.save:
        snapshot = publish_difference(store, before=options.before, after=options.after)
        found = DatasetDifference.read(snapshot.file("difference.json"))
    else:
        pair = [store.slot("dataset", name).resolve() for name in (options.before, options.after)]
        found = compare_versions(*pair).summary
    _tell(options, record=found.model_dump(mode="json"), text=describe_difference(found))
    return 0


def _export(options: Namespace, store: Store) -> int:
    from tunix_ml.datasets.publish_folder import export_dataset  # noqa: PLC0415 - loads Arrow

    files = export_dataset(
        store,
        options.version,
        options.folder,
        export_format=options.format,
        digest=options.content,
    )
    text = "\n".join(f"{name}  {num_bytes:,} bytes" for name, num_bytes in files.items())
    _tell(options, record={"folder": str(options.folder), "files": files}, text=text)
    return 0


def _tell(options: Namespace, *, record: dict[str, Any], text: str) -> None:
    sys.stdout.write((json.dumps(record, ensure_ascii=False) if options.json else text) + "\n")
