import pytest
from pydantic import ValidationError

from tunix_ml.contracts.comparison import CompareConfig, PairedResult


def test_two_runs_have_to_be_named() -> None:
    with pytest.raises(ValidationError, match="run_b"):
        CompareConfig(run_a="one")
    with pytest.raises(ValidationError, match="run_a"):
        CompareConfig(run_a="", run_b="two")


def test_a_setting_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValidationError, match="run_c"):
        CompareConfig(run_a="one", run_b="two", run_c="three")


@pytest.mark.parametrize("p_value", [-0.1, 1.1, float("nan")])
def test_a_p_value_is_a_probability(p_value: float) -> None:
    with pytest.raises(ValidationError, match="p_value"):
        PairedResult(
            n=1, difference=0.0, ci95_low=None, ci95_high=None, test="mcnemar_exact", p_value=p_value
        )
