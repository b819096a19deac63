"""`tunix-rt runs …`: list runs, show one, its metrics, and two side by side."""

import json
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from tunix_assets.cli.verbs import EXIT_DONE, Verbs, add_verb, table, tell

if TYPE_CHECKING:
    from tunix_ml.store import RunDirectory, Store

_RUN = "golden-v2.tiny.0123456789"
_IDENTITIES, _FILES = ("config.json", "system.json"), ("provenance.json", "checkpoint.json")


def add_verbs(verbs: "Verbs[ArgumentParser]") -> None:
    """Declare the verbs of this module."""
    listed = add_verb(
        verbs,
        "list",
        summary="all runs with their state",
        run=_list,
        examples=["tunix-rt runs list", "tunix-rt runs list --dataset golden-v2 --state completed"],
    )
    listed.add_argument("--dataset", metavar="VERSION", help="only runs on this dataset version")
    listed.add_argument("--state", metavar="STATE", help="only runs in this state")
    show = add_verb(
        verbs,
        "show",
        summary="everything that is written down about a run",
        run=_show,
        examples=[f"tunix-rt runs show {_RUN}", f"tunix-rt runs show {_RUN} --json"],
    )
    show.add_argument("run_id", metavar="RUN", help="a run's id")
    metrics = add_verb(
        verbs,
        "metrics",
        summary="the rows of a run's metrics.jsonl",
        run=_metrics,
        examples=[f"tunix-rt runs metrics {_RUN} --last 5", f"tunix-rt runs metrics {_RUN} --json"],
    )
    metrics.add_argument("run_id", metavar="RUN", help="a run's id")
    metrics.add_argument("--last", type=int, metavar="N", help="only the last N rows; default: all")
    _add_compare(verbs)


def _add_compare(verbs: "Verbs[ArgumentParser]") -> None:
    parser = add_verb(
        verbs,
        "compare",
        summary="two runs on one evaluation set: settings, paired difference, items",
        run=_compare,
        examples=[
            f"tunix-rt runs compare {_RUN} golden-v2.tiny.9876543210",
            f"tunix-rt runs compare {_RUN} golden-v2.tiny.9876543210 --set golden-v2.test --json",
        ],
    )
    parser.add_argument("run_a", metavar="RUN_A", help="a run's id")
    parser.add_argument("run_b", metavar="RUN_B", help="the other run's id")
    parser.add_argument(
        "--set", default="", metavar="NAME", help="evaluation set; default: the one they share"
    )
    parser.add_argument("--scorer", default="answers", help="`answers`, or `judge:<name>`")


def _list(options: Namespace, store: "Store") -> int:
    from tunix_ml.registry.run_states import run_states

    found = [
        state.model_dump(mode="json")
        for state in run_states(store)
        if options.dataset in {None, state.dataset_version} and options.state in {None, state.state}
    ]
    columns = ("run_id", "state", "since", "reason")
    rows = [[state[name] for name in columns] for state in found]
    tell(options, record={"runs": found}, text=table(tuple(name.upper() for name in columns), rows))
    return EXIT_DONE


def _show(options: Namespace, store: "Store") -> int:
    from tunix_ml.registry.run_states import run_states

    run = _known_run(store, options.run_id)
    record: dict[str, Any] = {"run_id": run.run_id, "path": str(run.path)}
    states = {state.run_id: state.model_dump(mode="json") for state in run_states(store)}
    record["state"] = states.get(run.run_id)
    for name in (*_IDENTITIES, *_FILES):
        if (run.path / name).is_file():
            record[name.removesuffix(".json")] = json.loads((run.path / name).read_bytes())
    record["evaluations"] = _evaluations(run)
    tell(options, record=record, text="\n".join(_flat(record)))
    return EXIT_DONE


def _metrics(options: Namespace, store: "Store") -> int:
    from tunix_ml.contracts.training import MetricsRow
    from tunix_ml.snapshot import NotPublished

    path = _known_run(store, options.run_id).path / "metrics.jsonl"
    if not path.is_file():
        raise NotPublished(f"{options.run_id} has no metrics yet: it is not training, or was made elsewhere")
    rows = [MetricsRow.parse(line, subject=str(path)) for line in path.read_bytes().splitlines()]
    rows = rows[-options.last :] if options.last else rows
    names = list(MetricsRow.model_fields)
    cells = [[_number(getattr(row, name)) for name in names] for row in rows]
    record = {"run_id": options.run_id, "metrics": [row.model_dump(mode="json") for row in rows]}
    tell(options, record=record, text=table(names, cells))
    return EXIT_DONE


def _compare(options: Namespace, store: "Store") -> int:
    from asset_checks.catalog import blocking_checks
    from tunix_ml.contracts.comparison import CompareConfig
    from tunix_ml.evaluation.comparison.publish import compare_published
    from tunix_ml.evaluation.comparison.summary import render_comparison, verdict
    from tunix_ml.registry.validity import COMPLETENESS_CHECK

    for run_id in (options.run_a, options.run_b):
        _known_run(store, run_id)
    asked = CompareConfig(
        run_a=options.run_a, run_b=options.run_b, evaluation_set=options.set, scorer=options.scorer
    )
    required = [name for name in blocking_checks("eval_report") if name != COMPLETENESS_CHECK]
    found = compare_published(store, asked, required_checks=required)
    record = {"verdict": verdict(found), **found.model_dump(mode="json")}
    tell(options, record=record, text=render_comparison(found))
    return EXIT_DONE


def _known_run(store: "Store", run_id: str) -> "RunDirectory":
    from tunix_ml.snapshot import NotPublished

    run = store.run(run_id)
    if not any((run.path / name).is_file() for name in _IDENTITIES):
        raise NotPublished(f"there is no run {run_id!r:.140}; `tunix-rt runs list` names those there are")
    return run


def _evaluations(run: "RunDirectory") -> list[dict[str, Any]]:
    from tunix_ml.evaluation.report import read_eval

    reports = [read_eval(slot) for slot in run.slots("eval")]
    shown = ("evaluation_set", "scorer", "primary_metric", "primary_score", "n_items", "n_scored")
    return [{name: getattr(report, name) for name in shown} for report in reports]


def _flat(value: Any, prefix: str = "") -> list[str]:
    """Return nested values as lines `name: value` under dotted names."""
    from tunix_assets.cli.verbs import plain

    if isinstance(value, dict):
        return [line for name, inner in value.items() for line in _flat(inner, f"{prefix}{name}.")]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [line for index, inner in enumerate(value) for line in _flat(inner, f"{prefix}{index}.")]
    return [f"{prefix.rstrip('.')}: {plain(value)}"]


def _number(value: float | int | None) -> str | None:
    return f"{value:.5g}" if isinstance(value, float) else None if value is None else str(value)
