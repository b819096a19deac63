"""`tunix-rt datasets add` and `remove`: what changes the catalog."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tunix_assets.cli.verbs import EXIT_DONE, EXIT_IMPOSSIBLE, Verbs, add_verb, is_agreed, tell

if TYPE_CHECKING:
    from tunix_ml.datasets.removal import Removal
    from tunix_ml.store import Store


def add_verbs(verbs: "Verbs[ArgumentParser]") -> None:
    """Declare the verbs of this module."""
    add = add_verb(
        verbs,
        "add",
        summary="put a recipe, or a JSONL file of traces, into your own catalog",
        run=_add,
        examples=[
            "tunix-rt datasets add ./my-questions-v1.yaml",
            "tunix-rt datasets add ./my-traces-v1.jsonl",
        ],
    )
    add.add_argument(
        "file", type=Path, help="<name>-v<number>.yaml, .jsonl or .jsonl.gz; it stays where it is"
    )
    remove = add_verb(
        verbs,
        "remove",
        summary="take a version away that nothing rests on; asks first",
        run=_remove,
        examples=[
            "tunix-rt datasets remove my-traces-v1",
            "tunix-rt datasets remove my-traces-v1 --yes --json",
        ],
    )
    remove.add_argument("version", help="a dataset version")
    remove.add_argument("--yes", action="store_true", help="do not ask")


def _add(options: Namespace, store: "Store") -> int:
    from tunix_ml.datasets.adding import add_to_catalog

    added = add_to_catalog(options.file, store.home)
    version = added.dataset_version
    record = {"dataset_version": version, "recipe": str(added.recipe), "is_new": added.is_new}
    text = (
        f"{version} is in the catalog{'' if added.is_new else ' already'}: {added.recipe}\n"
        "build it with: uv run dagster asset materialize -m tunix_assets.definitions --select key:dataset"
        f" --partition {version}"
    )
    tell(options, record=record, text=text)
    return EXIT_DONE


def _remove(options: Namespace, store: "Store") -> int:
    from tunix_ml.datasets.removal import StillUsed, plan_removal, remove_dataset

    plan = plan_removal(store, options.version)
    if plan.used_by:
        raise StillUsed(f"{options.version} is not removed: {', '.join(plan.used_by)} rest on it")
    if not is_agreed(options, f"{_told(plan)}\nRemove {options.version}?"):
        tell(
            options, record=_record(plan, is_removed=False), text=f"{_told(plan)}\nnothing is removed: --yes"
        )
        return EXIT_IMPOSSIBLE
    removed = remove_dataset(store, options.version)
    tell(options, record=_record(removed, is_removed=True), text=f"removed: {_told(removed)}")
    return EXIT_DONE


def _told(removal: "Removal") -> str:
    published = [f"{slot.table} of {slot.key}" for slot in removal.slots]
    return ", ".join([*published, *map(str, removal.files)])


def _record(removal: "Removal", *, is_removed: bool) -> dict[str, object]:
    return {
        "dataset_version": removal.dataset_version,
        "is_removed": is_removed,
        "artifacts": [f"{slot.table}/{slot.key}" for slot in removal.slots],
        "set_aside": [str(path) for path in removal.files],
    }
