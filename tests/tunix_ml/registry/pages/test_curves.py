from tunix_ml.contracts.training import MetricsRow
from tunix_ml.registry.pages.curves import overlaid_charts, training_charts


def rows(*losses: float) -> list[MetricsRow]:
    return [
        MetricsRow(
            step=step,
            loss=loss,
            learning_rate=1e-3,
            grad_norm=0.5,
            tokens_per_second=1_000.0,
            step_time_s=0.1,
            validation_loss=loss + 0.1 if step == len(losses) else None,
        )
        for step, loss in enumerate(losses, start=1)
    ]


def test_a_run_has_its_losses_in_one_chart_and_three_more() -> None:
    loss, *others = training_charts(rows(3.0, 2.0, 1.0))

    assert [line.name for line in loss.lines] == ["training loss", "validation loss"]
    assert [len(line.marks) for line in loss.lines] == [0, 1]
    assert [chart.title for chart in others] == ["Learning rate", "Throughput", "Gradient norm"]


def test_a_run_without_metrics_has_no_chart() -> None:
    assert training_charts([]) == ()


def test_two_runs_are_drawn_over_each_other() -> None:
    training, validation = overlaid_charts(rows(3.0, 2.0), rows(4.0, 3.0, 2.5))

    assert [line.name for line in training.lines] == ["A", "B"]
    assert validation.description.startswith("A: 2.1 at step 2")


def test_of_two_runs_without_metrics_nothing_is_drawn() -> None:
    assert overlaid_charts([], []) == ()
    assert len(overlaid_charts(rows(1.0), [])) == 2
