"""`tunix-rt verify` and `tunix-rt gc`: whether the store is whole, and what of it nobody needs any more."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tunix_assets.cli.verbs import EXIT_DONE, EXIT_WRONG, Verbs, add_verb, is_agreed, plain, tell, watched

if TYPE_CHECKING:
    from tunix_ml.slot import Slot
    from tunix_ml.store import Store

_HOUR_S = 3_600
_GRACE_HOURS = 24.0


def add_verbs(verbs: "Verbs[ArgumentParser]") -> None:
    """Declare the verbs of this module."""
    verify = add_verb(
        verbs,
        "verify",
        summary="hold the digest of every published file against what was published",
        run=_verify,
        examples=[
            "tunix-rt verify",
            "tunix-rt verify dataset golden-v2",
            "tunix-rt verify model --run golden-v2.tiny.0123456789",
        ],
    )
    verify.add_argument("table", nargs="?", help="only this table, as in lake/<table>, or a run's slot")
    verify.add_argument("key", nargs="?", help="only this key, a dataset version or `all`")
    verify.add_argument("--run", dest="run_id", metavar="RUN", help="only the artifacts of this run")
    collect = add_verb(
        verbs,
        "gc",
        summary="name what nothing refers to any more, and delete it with --yes",
        run=_gc,
        examples=["tunix-rt gc", "tunix-rt gc --grace-hours 168 --yes"],
    )
    collect.add_argument("--yes", action="store_true", help="delete; without it nothing is")
    collect.add_argument(
        "--grace-hours",
        type=float,
        default=_GRACE_HOURS,
        metavar="H",
        help="spare what was needed so lately; longer than any run takes; default 24",
    )


def _verify(options: Namespace, store: "Store") -> int:
    slots = _asked(options, store)
    problems = [problem for slot in watched(slots, "artifacts") for problem in slot.verify()]
    if not (options.table or options.run_id):
        problems += _log_problems(store)
    text = "\n".join(
        [*map(plain, problems), f"{len(slots):,} artifacts looked at, {len(problems):,} problems"]
    )
    tell(options, record={"num_artifacts": len(slots), "problems": problems}, text=text)
    return EXIT_WRONG if problems else EXIT_DONE


def _asked(options: Namespace, store: "Store") -> "list[Slot]":
    from tunix_ml.snapshot import NotPublished

    key = options.run_id or options.key
    found = [
        slot
        for slot in store.slots()
        if options.table in {None, slot.table, slot.table.partition("/")[0]} and key in {None, slot.key}
    ]
    if not found and (options.table or key):
        raise NotPublished(f"nothing is published as {' of '.join(filter(None, (options.table, key)))}")
    return found


def _log_problems(store: "Store") -> list[str]:
    from tunix_ml.registry.events import CorruptLog
    from tunix_ml.registry.record import log_problems, published_heads

    try:
        return log_problems(store, heads=published_heads(store))
    except CorruptLog as error:
        return [str(error)]


def _gc(options: Namespace, store: "Store") -> int:
    from tunix_ml.contracts.base import ContractError

    if options.grace_hours <= 0:
        raise ContractError(f"--grace-hours {options.grace_hours:g} is not above 0")
    grace_s = options.grace_hours * _HOUR_S
    found = store.gc(grace_s=grace_s, is_trial=True)
    num_bytes = sum(file.lstat().st_size for path in found for file in [path, *path.rglob("*")])
    is_deleted = bool(found) and is_agreed(options, f"Delete {len(found):,} entries, {num_bytes:,} bytes?")
    deleted = store.gc(grace_s=grace_s) if is_deleted else []
    names = [str(path) for path in deleted or found]
    verb = "deleted" if is_deleted else "would be deleted; nothing is without --yes"
    text = "\n".join([*map(plain, names), f"{len(names):,} entries, {num_bytes:,} bytes {verb}"])
    tell(options, record={"entries": names, "num_bytes": num_bytes, "is_deleted": is_deleted}, text=text)
    return EXIT_DONE
