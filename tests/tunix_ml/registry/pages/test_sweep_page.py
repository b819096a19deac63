import dataclasses
from collections.abc import Callable

import pytest

from tunix_ml.registry.pages.sweep_page import SweepView, sweep_view
from tunix_ml.registry.pages.sweeps import PublishedSweep, published_sweeps
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store


@pytest.fixture
def sweep(store: Store, swept: Snapshot) -> PublishedSweep:
    (found,) = published_sweeps(store).sweeps
    return found


@pytest.fixture
def view(sweep: PublishedSweep) -> SweepView:
    return sweep_view(sweep, run_ids={sweep.report.best_run_id})


def test_it_says_what_was_searched_and_what_came_of_it(view: SweepView) -> None:
    assert view.title == "swept on golden-v2"
    assert view.sentence == (
        "5 recipes were to be tried for the lowest validation_loss, by optuna, compared after 10, 20 steps:"
        " 2 complete, 1 failed, 2 pruned."
    )
    assert (view.best, view.best_metric) == ("trial 2", "1.4")
    assert view.rerun == "1.45"
    assert view.rerun_note == "mean of the best recipe with the seeds 0, 1; standard deviation 0.07071"
    assert [fact.value for fact in view.space] == [
        "0.001 to 0.01, on a logarithmic scale",
        "one of adamw, lion",
    ]


def test_a_trial_has_a_line_with_its_values_and_its_run(view: SweepView) -> None:
    lines = {line.what: line for line in view.trials}

    assert list(lines) == [*(f"trial {n}" for n in range(5)), "rerun, seed 0", "rerun, seed 1"]
    best = lines["trial 2"]
    assert (best.first, best.metric, best.step, best.values) == (1.9, 1.4, 20, ["0.003", "adamw"])
    assert best.is_best
    assert best.page == f"runs/{best.run_id}.html"
    assert lines["trial 0"].page is None
    failed = lines["trial 4"]
    assert (failed.metric, failed.note, failed.chip) == (None, "loss is nan at step 3", "invalid")


def test_the_history_shows_each_trial_at_the_rung_that_all_have_come_to(view: SweepView) -> None:
    assert view.history
    assert view.history.y_label == "validation_loss after step 10"
    assert view.history.description.startswith("trial: 2 at step 0, 2.2 at step 3, lowest 1.8")
    assert "best so far: 2 at step 0, 1.8 at step 3" in view.history.description


def test_the_best_of_all_is_in_front(view: SweepView) -> None:
    assert view.parallel
    assert view.parallel.lines[-1].label == "trial 2"
    assert [axis.name for axis in view.parallel.axes] == ["learning_rate", "optimizer", "validation_loss"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ended_by": "time_budget"}, "It ended in time, not because it was done."),
        ({"ended_by": "space"}, "Every recipe of the space was tried."),
        (
            {"evaluation_set": "golden-v2.validation", "is_minimised": False},
            "the highest validation_loss on gold",
        ),
    ],
)
def test_it_says_how_it_ended(sweep: PublishedSweep, changes: dict[str, object], sentence: str) -> None:
    changed = dataclasses.replace(sweep, report=sweep.report.model_copy(update=changes))

    assert sentence in sweep_view(changed, run_ids=()).sentence


@pytest.mark.parametrize(
    ("seeds", "note"),
    [([0], "of the best recipe with the seeds 0"), ([], "the best recipe was not rerun")],
)
def test_too_few_reruns_have_no_spread(sweep: PublishedSweep, seeds: list[int], note: str) -> None:
    report = sweep.report.model_copy(update={"rerun_seeds": seeds, "rerun_stdev": None})

    assert sweep_view(dataclasses.replace(sweep, report=report), run_ids=()).rerun_note == note


def test_the_page_holds_plots_table_and_recipe(view: SweepView, rendered: Callable[..., str]) -> None:
    page = rendered("sweep", view, page=f"sweeps/{view.sweep_id}.html")

    assert "Parallel coordinates of the trials" in page
    assert "PED-ANOVA over the 4 trials that came to step 10; fewer than 20 trials tell little." in page
    assert "loss is nan at step 3" in page
    assert "learning_rate: 0.003" in page
    assert page.count("<tr>") == 1 + len(view.importances) + 1 + len(view.trials)


def test_a_sweep_of_one_trial_has_a_page(sweep: PublishedSweep, rendered: Callable[..., str]) -> None:
    report = sweep.report.model_copy(update={"importances": {}, "importance_note": "1 trials are too few"})
    one = dataclasses.replace(sweep, trials=sweep.trials[2:3], report=report)

    page = rendered("sweep", sweep_view(one, run_ids=()), page="sweeps/x.html")

    assert "Fewer than two trials came to that step" in page
    assert "1 trials are too few." in page


def test_the_index_lists_them_or_says_how_to_make_one(view: SweepView, rendered: Callable[..., str]) -> None:
    page = rendered("sweeps", [view], page="sweeps/index.html", problems=("one is damaged",))

    assert f'href="../sweeps/{view.sweep_id}.html"' in page
    assert "one is damaged" in page
    assert "configs/sweep.yaml" in rendered("sweeps", [], page="sweeps/index.html", problems=())
