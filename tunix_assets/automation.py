"""When an asset is made without being asked for: its automation condition, and the sensor that evaluates it.

Datasets themselves are built when the inbox or a changed recipe asks for it. Training and decoding may take
hours, so they follow by themselves only where the recipe of the dataset version says `train: true`.
"""

import warnings
from typing import Any, TypeAlias

import dagster as dg

from tunix_ml.contracts.base import TunixError
from tunix_ml.datasets.catalog import load_recipe
from tunix_ml.store import Store

Condition: TypeAlias = Any  # the types of Dagster 1.13 do not allow what its conditions can be combined to

_INTERVAL_S = 15
_MAX_RUNTIME_S = 24 * 3600


class RecipeAsksForTraining(dg.AutomationCondition[dg.AssetKey]):
    """True for the dataset versions whose recipe can be read and says `train: true`."""

    @property
    def name(self) -> str:
        """Return the name that the UI shows."""
        return "recipe_asks_for_training"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """Return the candidates that are asked for."""
        candidates = context.candidate_subset.expensively_compute_partition_keys()
        asked = {key for key in candidates if _asks_for_training(key)}
        subset = context.candidate_subset.compute_intersection_with_partition_keys(asked)
        return dg.AutomationResult(context, true_subset=subset)


def _asks_for_training(dataset_version: str) -> bool:
    try:
        return load_recipe(dataset_version, Store.from_environment().home).recipe.train
    except TunixError:
        return False


def _blocking_checks_passed() -> Condition:
    return dg.AutomationCondition.all_checks_match(dg.AutomationCondition.check_passed(), blocking_only=True)


def _inputs_changed(*, but: str | None = None) -> Condition:
    changed = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())
    return changed.ignore(dg.AssetSelection.assets(but)) if but else changed


def _inputs_passed() -> Condition:
    """Return: every input has passed its blocking checks, or is made in the same run, which they stop."""
    return dg.AutomationCondition.all_deps_match(
        _blocking_checks_passed() | dg.AutomationCondition.will_be_requested()
    )


def _follows(changed: Condition) -> Condition:
    """Return: missing with all inputs there, or an input has other content; and the inputs have passed."""
    return (
        (dg.AutomationCondition.on_missing() | changed.since_last_handled())
        & ~dg.AutomationCondition.in_progress()
        & _inputs_passed()
    )


FOLLOWS_ITS_INPUTS = _follows(_inputs_changed()).with_label("follows_its_inputs")
MADE_ONCE = (
    dg.AutomationCondition.missing()
    & ~dg.AutomationCondition.in_progress()
    & ~dg.AutomationCondition.execution_failed()
).with_label("made_once")
# Another evaluation set is no reason to decode again: the default settings ask the dataset's own test split.
TRAINS_WHERE_ASKED = (_follows(_inputs_changed(but="evaluation_sets")) & RecipeAsksForTraining()).with_label(
    "trains_where_the_recipe_asks"
)
# A report counts once all its checks have passed. Until then its row would be shown as not to be believed.
RANKS_WHAT_PASSED = (
    (
        dg.AutomationCondition.any_deps_match(_blocking_checks_passed().newly_true()).allow(
            dg.AssetSelection.assets("eval_report")
        )
        | _inputs_changed(but="eval_report")
    ).since_last_handled()
    & ~dg.AutomationCondition.in_progress()
).with_label("ranks_what_passed")


def _sensor() -> dg.AutomationConditionSensorDefinition:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # use_user_code_server, as of 1.13
        return dg.AutomationConditionSensorDefinition(
            "keep_up_to_date",
            target=dg.AssetSelection.all(),
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=_INTERVAL_S,
            use_user_code_server=True,  # a condition of our own is evaluated nowhere else
            emit_backfills=False,
            run_tags={"tunix/started_by": "keep_up_to_date", "dagster/max_runtime": str(_MAX_RUNTIME_S)},
            description="Makes what hangs on a dataset when the dataset is new, or another one, and its"
            " blocking checks have passed: quality report, exports, tokens. Where the recipe says"
            " `train: true`, also checkpoint, predictions and scores. Ranks every scored run and makes its"
            " pages.",
        )


keep_up_to_date = _sensor()
