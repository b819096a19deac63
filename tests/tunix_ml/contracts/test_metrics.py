from tunix_ml.contracts.metrics import ITEM_METRICS, METRICS, PRIMARY, SAMPLE_METRICS


def test_every_metric_is_declared_once() -> None:
    names = [metric.name for metric in (*SAMPLE_METRICS, *ITEM_METRICS)]

    assert sorted(set(names)) == sorted(names) == sorted(METRICS)


def test_the_primary_metric_is_a_share_of_which_more_is_better() -> None:
    assert METRICS[PRIMARY].is_share
    assert METRICS[PRIMARY].direction == "higher"


def test_what_is_counted_is_no_share() -> None:
    assert [metric.name for metric in SAMPLE_METRICS if not metric.is_share] == [
        "trace_num_steps",
        "trace_num_tokens",
        "gold_nats_per_token",
        "gold_bits_per_byte",
    ]
