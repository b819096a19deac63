"""`tunix-rt datasets lineage` and `tunix-rt runs lineage`: back to the files that it all came from."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tunix_assets.cli.verbs import EXIT_DONE, Verbs, add_verb, plain, tell

if TYPE_CHECKING:
    from tunix_ml.datasets.lineage import ItemOrigin, TraceOrigin
    from tunix_ml.store import Store


def add_verbs(verbs: "Verbs[ArgumentParser]", *, group: str) -> None:
    """Declare the verb of a group."""
    if group == "datasets":
        _add_rows(verbs)
    else:
        _add_numbers(verbs)


def _add_rows(verbs: "Verbs[ArgumentParser]") -> None:
    parser = add_verb(
        verbs,
        "lineage",
        summary="where a row came from, or what became of a line of a file",
        run=_rows,
        examples=[
            "tunix-rt datasets lineage --trace 0f3c…",
            "tunix-rt datasets lineage --run golden-v2.tiny.0123456789 --example 0f3c…",
            "tunix-rt datasets lineage --run golden-v2.tiny.0123456789 --set golden-v2.test --item 0f3c…",
            "tunix-rt datasets lineage --source golden-v1.jsonl --line 3",
        ],
    )
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument("--trace", metavar="ID", help="a trace, in all current dataset versions")
    start.add_argument("--example", metavar="ID", help="an example that --run was trained on")
    start.add_argument(
        "--item", metavar="ID", help="an item of --set, as --run was asked it if that is named"
    )
    start.add_argument("--source", metavar="NAME", help="a file that was read: what became of its --line")
    parser.add_argument("--version", metavar="VERSION", help="look for --trace in this dataset version alone")
    parser.add_argument("--run", dest="run_id", metavar="RUN", help="a run's id")
    parser.add_argument("--set", metavar="NAME", help="an evaluation set")
    parser.add_argument("--line", type=int, metavar="N", help="line or index in --source, from 1")


def _add_numbers(verbs: "Verbs[ArgumentParser]") -> None:
    parser = add_verb(
        verbs,
        "lineage",
        summary="what exactly is behind a run's score, every digest back to the source files",
        run=_numbers,
        examples=[
            "tunix-rt runs lineage golden-v2.tiny.0123456789",
            "tunix-rt runs lineage golden-v2.tiny.0123456789 --set eval-v1 --json",
        ],
    )
    parser.add_argument("run_id", metavar="RUN", help="a run's id, as the leaderboard has it")
    parser.add_argument(
        "--set", default="", metavar="NAME", help="evaluation set; needed where it has several"
    )
    parser.add_argument("--scorer", default="answers", help="`answers`, or `judge:<name>`")


def _rows(options: Namespace, store: "Store") -> int:
    missing = _missing(options)
    if missing:
        from tunix_ml.contracts.base import ContractError

        raise ContractError(f"{missing[0]} needs {missing[1]}")
    if options.source:
        from tunix_ml.datasets.fate import fates_of_line

        fates = fates_of_line(store, options.source, options.line)
        record: dict[str, Any] = {"source": options.source, "line": options.line}
        record["fates"] = [asdict(fate) for fate in fates]
        tell(options, record=record, text="\n".join(plain(fate.sentence()) for fate in fates))
        return EXIT_DONE
    origins = _origins(options, store)
    record = {"origins": [_origin_record(origin) for origin in origins]}
    tell(options, record=record, text="\n".join(plain(origin.sentence()) for origin in origins))
    return EXIT_DONE


def _missing(options: Namespace) -> tuple[str, str] | None:
    if options.example and not options.run_id:
        return "--example", "--run"
    if options.item and not options.set:
        return "--item", "--set"
    return ("--source", "--line") if options.source and options.line is None else None


def _origins(options: Namespace, store: "Store") -> "list[TraceOrigin | ItemOrigin]":
    from tunix_ml.datasets import lineage
    from tunix_ml.datasets.catalog import require_known

    if options.example:
        return [lineage.origin_of_example(store, options.run_id, options.example)]
    if options.item and options.run_id:
        return [lineage.origin_of_prediction(store, options.run_id, options.set, options.item)]
    if options.item:
        return [lineage.origin_of_item(store, options.set, options.item)]
    if options.version:
        require_known(store, options.version)
        return [lineage.origin_of_trace(store, options.version, options.trace)]
    return [*lineage.origins_of_trace(store, options.trace)]


def _origin_record(origin: "TraceOrigin | ItemOrigin") -> dict[str, Any]:
    import msgspec

    from tunix_ml.datasets.lineage import TraceOrigin

    if not isinstance(origin, TraceOrigin):
        return asdict(origin)
    return {
        "dataset_version": origin.dataset_version,
        "dataset_digest": origin.dataset_digest,
        "source": origin.source,
        "source_line": origin.source_line,
        "source_sha256": origin.source_sha256,
        "row": msgspec.to_builtins(origin.row),
    }


def _numbers(options: Namespace, store: "Store") -> int:
    from asset_checks.catalog import blocking_checks
    from tunix_ml.registry.ancestry import ancestry, find_row
    from tunix_ml.registry.leaderboard import collect_leaderboard

    rows = collect_leaderboard(store, required_checks=blocking_checks("eval_report")).rows
    row = find_row(rows, options.run_id, evaluation_set=options.set, scorer=options.scorer)
    found = ancestry(store, row)
    record = {"score": row["primary_score"], "status": row["status"], "reason": row["reason"]}
    head = f"{row['primary_metric']} {row['primary_score']}, {row['status']} {row['reason']}".rstrip()
    text = "\n".join([head, *map(plain, found.lines())])
    tell(options, record={**record, "lineage": asdict(found)}, text=text)
    return EXIT_DONE
