from collections.abc import Callable

import msgspec

from tunix_ml.evaluation.report import read_eval, read_scores
from tunix_ml.evaluation.summary import render_report
from tunix_ml.slot import Slot


def test_the_summary_says_what_the_scores_rest_on(evaluated: Callable[..., Slot]) -> None:
    slot = evaluated()
    report = read_eval(slot)

    text = render_report(report, read_scores(slot.resolve()))

    assert all(f"- {name} `{digest[:16]}`" in text for name, digest in report.inputs.items())
    assert "| answer_correctness by category | Mean |" in text


def test_a_metric_that_is_no_share_has_its_unit(evaluated: Callable[..., Slot]) -> None:
    slot = evaluated()

    text = render_report(read_eval(slot), read_scores(slot.resolve()))

    assert "| trace_num_tokens, tokens | 60.000 |" in text


def test_a_long_text_is_cut_and_a_bar_breaks_no_table(evaluated: Callable[..., Slot]) -> None:
    slot = evaluated()
    first, *rest = read_scores(slot.resolve())
    hostile = msgspec.structs.replace(first, text="x" * 100_000, expected="a|b")

    text = render_report(read_eval(slot), [hostile, *rest])

    assert len(text) < 50_000
    assert r"expected `a\|b`" in text
