"""The asset `dataset_quality`, in Dagster runs of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from asset_checks import dataset as dataset_checks
from asset_checks import dataset_quality as quality_checks
from asset_checks import evaluation_sets as set_checks
from asset_checks.binding import bind
from tunix_assets.assets.dataset import dataset
from tunix_assets.assets.dataset_quality import dataset_quality
from tunix_assets.assets.evaluation_sets import evaluation_sets
from tunix_assets.assets.sft_export import sft_export
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource

Run = Callable[..., dg.ExecuteInProcessResult]
LEAKED = "Lena reads 17 pages on Monday, 23 on Tuesday and 31 on Wednesday. How many pages is that in all?"
PROMPT = f'{{"item_id": "pages", "prompt": "{LEAKED}", "final_answer": "71"}}\n'
TRACE = (
    '{{"trace_version": "1.0", "prompt": "{}", "final_answer": "71",'
    ' "steps": [{{"i": 0, "type": "r", "content": "It is 71."}}]}}\n'
)


@pytest.fixture
def run(home: Path) -> Iterator[Run]:
    """A function that materializes assets, with their checks, in one instance."""
    assets = {
        asset.key.to_user_string(): asset for asset in (dataset, evaluation_sets, dataset_quality, sft_export)
    }
    checks = [
        *bind([*dataset_checks.CHECKS, *quality_checks.CHECKS], partitions_def=DATASET_VERSIONS),
        *bind(set_checks.CHECKS, partitions_def=None),
    ]
    with dg.DagsterInstance.ephemeral() as instance:

        def materialize(*names: str, version: str = "golden-v1", **config: Any) -> dg.ExecuteInProcessResult:
            ops = {name: {"config": values} for name, values in config.items()}
            partition = None if names == ("evaluation_sets",) else version
            return dg.materialize(
                [*assets.values(), *checks],
                selection=dg.AssetSelection.assets(*names),
                partition_key=partition,
                instance=instance,
                resources={"store": StoreResource()},
                run_config={"ops": ops},
                raise_on_error=False,
            )

        yield materialize


@pytest.fixture
def leaky(home: Path) -> None:
    """A recipe of the user's own whose train split holds an item of an evaluation set of hers."""
    (home / "recipes" / "evaluation").mkdir(parents=True)
    recipes = home / "recipes"
    (recipes / "evaluation" / "asked-v1.jsonl").write_text(PROMPT)
    (recipes / "evaluation" / "asked-v1.yaml").write_text(
        "{description: Asked., license: CC0-1.0, path: asked-v1.jsonl}"
    )
    numbers = [f"Which number of {n} is it?" for n in range(40)]
    (recipes / "leaky.jsonl").write_text(
        "".join(TRACE.format(prompt) for prompt in [LEAKED.upper(), *numbers])
    )
    (recipes / "leaky-v1.yaml").write_text(
        "{description: Leaky., license: CC0-1.0, source: {kind: jsonl, path: leaky.jsonl},"
        " splits: {train: 0.8, validation: 0.1, test: 0.1}}"
    )


def failure_of(result: dg.ExecuteInProcessResult, asset: str) -> str:
    failure = result.failure_data_for_node(asset)
    assert failure is not None
    assert failure.user_failure_data is not None
    return str(failure.user_failure_data.description)


def test_its_metadata_counts_what_was_found(run: Run) -> None:
    assert run("evaluation_sets").success
    assert run("dataset").success

    result = run("dataset_quality")

    assert result.success
    (event,) = result.asset_materializations_for_node("dataset_quality")
    metadata = {name: value.value for name, value in event.metadata.items()}
    assert metadata["traces"] == 12
    assert metadata["contaminated_items"] == 0
    assert "| eval-v1 | 25 | 0 |" in str(metadata["contamination"])
    assert "# Quality of golden-v1" in str(metadata["summary"])
    assert all(check.passed for check in result.get_asset_check_evaluations())


def test_a_leaked_item_stops_the_export_until_it_is_accepted_by_name(run: Run, leaky: None) -> None:
    run("evaluation_sets")
    run("dataset", version="leaky-v1")
    assert run("sft_export", version="leaky-v1").success

    judged = run("dataset_quality", version="leaky-v1")
    refused = run("sft_export", version="leaky-v1")
    accepted = run(
        "dataset_quality", version="leaky-v1", dataset_quality={"accepted_items": ["asked-v1/pages"]}
    )

    failed = [check.check_name for check in judged.get_asset_check_evaluations() if not check.passed]
    assert "train_split_holds_no_evaluation_item" in failed
    assert "1 items of asked-v1 stand in the train split" in failure_of(refused, "sft_export")
    assert accepted.success
    assert run("sft_export", version="leaky-v1").success


def test_a_dataset_that_was_not_built_has_none(run: Run) -> None:
    assert "has not been materialized yet" in failure_of(run("dataset_quality"), "dataset_quality")
