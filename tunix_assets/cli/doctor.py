"""`tunix-rt doctor`: whether everything can go on, and what is mended by itself."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tunix_assets.cli.verbs import EXIT_DONE, EXIT_WRONG, Verbs, add_verb, progress, table, tell

if TYPE_CHECKING:
    from tunix_assets.doctor.finding import Finding
    from tunix_ml.store import Store


def add_verbs(verbs: "Verbs[ArgumentParser]") -> None:
    """Declare the verb of this module."""
    parser = add_verb(
        verbs,
        "doctor",
        summary="look at installation, devices, disk, store, runs and pools, and mend what is safe to mend",
        run=_doctor,
        examples=["tunix-rt doctor", "tunix-rt doctor --fix", "tunix-rt doctor --json"],
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="fail the runs whose process is gone, free the slots of ended runs, delete unfinished drafts",
    )


def _doctor(options: Namespace, store: "Store") -> int:
    findings = []
    for finding in _findings(store, fix=options.fix):
        findings.append(finding)
        progress(f"{finding.subject}: {finding.health}")
    progress("")
    is_well = all(finding.health != "wrong" for finding in findings)
    rows = [(finding.health, finding.subject, finding.sentence) for finding in findings]
    record = {"is_well": is_well, "findings": [finding._asdict() for finding in findings]}
    tell(options, record=record, text=table(("HEALTH", "SUBJECT", "FOUND"), rows))
    return EXIT_DONE if is_well else EXIT_WRONG


def _findings(store: "Store", *, fix: bool) -> "Iterator[Finding]":
    from tunix_assets.cli.launch import open_instance
    from tunix_assets.doctor import machine, orchestration, storage

    yield machine.examine_installation()
    yield machine.examine_devices()
    yield machine.examine_disk(store.home)
    yield storage.examine_permissions(store.home)
    yield storage.examine_leases(store)
    yield storage.examine_drafts(store, fix=fix)
    with open_instance(store.home, or_ephemeral=False) as instance:
        # Runs first: a run that is reported as failed has ended, and its slots are then leaked.
        yield orchestration.examine_runs(instance, fix=fix)
        yield orchestration.examine_slots(instance, fix=fix)
