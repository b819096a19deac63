"""`tunix-rt bench`: how fast this machine trains and decodes, by `throughput_benchmark`."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from tunix_assets.cli.verbs import EXIT_DONE, Verbs, add_verb, table, tell

if TYPE_CHECKING:
    from tunix_ml.store import Store


def add_verbs(verbs: "Verbs[ArgumentParser]") -> None:
    """Declare the verb of this module."""
    parser = add_verb(
        verbs,
        "bench",
        summary="how fast this machine trains and decodes",
        run=_bench,
        examples=["tunix-rt bench", "tunix-rt bench shape=a batch_size=16 layout=full peer=off"],
    )
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="NAME=VALUE",
        help="settings of `throughput_benchmark`, as in the reference",
    )


def _bench(options: Namespace, store: "Store") -> int:
    from tunix_assets.cli.launch import run_job
    from tunix_ml.benchmark.publish import ASSET, KEY, REPORT_FILE, rows_of
    from tunix_ml.contracts.benchmark import BenchmarkReport

    run_job(store, "benchmark", {"throughput_benchmark": _config(options.settings)})
    snapshot = store.slot(ASSET, KEY).resolve()
    report = BenchmarkReport.read(snapshot.file(REPORT_FILE))
    head, *rows = rows_of(report)
    tell(options, record=report.model_dump(mode="json"), text=table(head, rows))
    return EXIT_DONE


def _config(settings: list[str]) -> dict[str, Any]:
    import yaml
    from pydantic import ValidationError

    from tunix_ml.contracts.base import ContractError
    from tunix_ml.contracts.benchmark import BenchmarkConfig
    from tunix_ml.contracts.explain import describe

    pairs = [setting.partition("=") for setting in settings]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise ContractError(f"{wrong[0]!r:.100} is not of the form NAME=VALUE")
    # YAML takes `off` for false; a name is meant here.
    fields = {name: value if value in {"on", "off"} else yaml.safe_load(value) for name, _, value in pairs}
    try:
        return BenchmarkConfig.model_validate(fields).model_dump(mode="json")
    except ValidationError as error:
        raise ContractError(describe(error, BenchmarkConfig)) from error
