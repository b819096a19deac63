"""`tunix-rt models …`: registered models, and decisions about them, by `registered_model`."""

import getpass
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunix_assets.cli.verbs import EXIT_DONE, Verbs, add_verb, table, tell

if TYPE_CHECKING:
    from tunix_ml.contracts.registry import PromotionOutcome
    from tunix_ml.store import Store

_RUN = "golden-v2.tiny.0123456789"


def add_verbs(verbs: "Verbs[ArgumentParser]") -> None:
    """Declare the verbs of this module."""
    add_verb(
        verbs,
        "list",
        summary="registered models, their versions and aliases",
        run=_list,
        examples=["tunix-rt models list", "tunix-rt models list --json"],
    )
    promote = add_verb(
        verbs,
        "promote",
        summary="make the best run, or one that is named, the champion, if everything demanded holds",
        run=_promote,
        examples=[
            "tunix-rt models promote --set golden-v2.test",
            f"tunix-rt models promote {_RUN} --set golden-v2.test --reason 'half the size, as good'",
        ],
    )
    promote.add_argument("run_id", nargs="?", default="", metavar="RUN", help="default: the best run")
    promote.add_argument("--allow-inconclusive", action="store_true", help="although the items are too few")
    rollback = add_verb(
        verbs,
        "rollback",
        summary="bring the former champion back, and reject the present one",
        run=_roll_back,
        examples=[
            "tunix-rt models rollback --set golden-v2.test --reason 'wrong on long sums'",
            f"tunix-rt models rollback {_RUN} --set golden-v2.test --reason 'the one before last was best'",
        ],
    )
    rollback.add_argument("run_id", nargs="?", default="", metavar="RUN", help="default: the former champion")
    for parser in (promote, rollback):
        _add_decision(parser)
    export = add_verb(
        verbs,
        "export",
        summary="write a version with all that proves it as one archive",
        run=_export,
        examples=["tunix-rt models export golden-v2.test champion.tar"],
    )
    export.add_argument("model", metavar="MODEL", help="name of the registered model")
    export.add_argument("file", type=Path, help="the file to write")
    export.add_argument(
        "--version", metavar="SHA256", help="content digest of a version; default: the champion"
    )


def _add_decision(parser: ArgumentParser) -> None:
    parser.add_argument("--set", default="", metavar="NAME", help="evaluation set that runs are compared on")
    parser.add_argument("--scorer", default="answers", help="`answers`, or `judge:<name>`")
    parser.add_argument("--model", default="", metavar="NAME", help="default: the evaluation set's name")
    parser.add_argument("--reason", default="", help="why; needed where a run is named, and for a roll-back")
    parser.add_argument("--actor", default="", help="who decides; default: the name you are logged in as")


def _list(options: Namespace, store: "Store") -> int:
    from tunix_ml.registry.events import registered_names
    from tunix_ml.registry.models import read_registered

    records = {name: read_registered(store, name).record() for name in registered_names(store)}
    rows = [
        (name, version.status, version.run_id, version.version[:16], version.decided_at, version.reason)
        for name, record in records.items()
        for version in (record.versions if record else [])
    ]
    plain = {name: record.model_dump(mode="json") for name, record in records.items() if record}
    head = ("MODEL", "STATUS", "RUN", "VERSION", "SINCE", "REASON")
    tell(options, record={"models": plain}, text=table(head, rows))
    return EXIT_DONE


def _promote(options: Namespace, store: "Store") -> int:
    action = "promote" if options.run_id else "promote_best"
    return _decide(options, store, action=action, allow_inconclusive=options.allow_inconclusive)


def _roll_back(options: Namespace, store: "Store") -> int:
    return _decide(options, store, action="roll_back")


def _decide(options: Namespace, store: "Store", **asked: Any) -> int:
    """Run the job `registry`, so that its asset decides and its checks look at what was decided."""
    from pydantic import ValidationError

    from tunix_assets.cli.launch import run_job
    from tunix_ml.contracts.base import ContractError
    from tunix_ml.contracts.explain import describe
    from tunix_ml.contracts.registry import RegistryConfig
    from tunix_ml.registry.record import read_record, registry_slot

    fields = {
        **asked,
        "run_id": options.run_id,
        "evaluation_set": options.set,
        "scorer": options.scorer,
        "model": options.model,
        "reason": options.reason,
        "actor": options.actor or getpass.getuser(),
    }
    try:
        config = RegistryConfig.model_validate(fields)
    except ValidationError as error:
        raise ContractError(describe(error, RegistryConfig)) from error
    run_job(store, "registry", {"registered_model": config.model_dump(mode="json")})
    outcome = read_record(registry_slot(store).resolve()).outcome
    tell(options, record=outcome.model_dump(mode="json"), text=_told(outcome))
    return EXIT_DONE


def _told(outcome: "PromotionOutcome") -> str:
    head = f"{outcome.model}: {outcome.result} {outcome.run_id or 'nothing'}"
    return "\n".join([head, *(f"  {reason}" for reason in outcome.reasons)])


def _export(options: Namespace, store: "Store") -> int:
    from tunix_ml.registry.archive import export_archive

    manifest = export_archive(store, options.model, options.file, version=options.version)
    record = {"file": str(options.file), **manifest.model_dump(mode="json")}
    text = f"{options.file}: {manifest.model}, version {manifest.version} of {manifest.run_id}"
    tell(options, record=record, text=text)
    return EXIT_DONE
