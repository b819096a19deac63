"""How much each searched field mattered, as far as so few trials can tell."""

from typing import NamedTuple

from tunix_ml.tuning.engines import Search
from tunix_ml.tuning.optuna_engine import importances_of

FEWEST_TRIALS = 4
ENOUGH_TRIALS = 20


class Importances(NamedTuple):
    """The share of each field, empty if it cannot be told, and what it rests on."""

    shares: dict[str, float]
    note: str


def importances(search: Search, *, first_rung: int) -> Importances:
    """Return the importance of each field for the metric at the first rung, which all trials can have."""
    values = [trial.rungs[0].value for trial in search.trials if trial.rungs]
    num_trials = len(values)
    if num_trials < FEWEST_TRIALS:
        return Importances(
            {}, f"{num_trials} trials are too few to tell which field mattered: {FEWEST_TRIALS} are needed"
        )
    if min(values) == max(values):
        return Importances(
            {}, f"all {num_trials} trials are equal at step {first_rung}, so no field mattered"
        )
    rests_on = f"PED-ANOVA over the {num_trials} trials that came to step {first_rung}"
    doubt = f"; fewer than {ENOUGH_TRIALS} trials tell little" if num_trials < ENOUGH_TRIALS else ""
    return Importances(importances_of(search), f"{rests_on}{doubt}")
