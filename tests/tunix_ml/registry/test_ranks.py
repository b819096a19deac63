from tunix_ml.contracts.metrics import METRICS
from tunix_ml.registry.ranks import MOST_COMPARED, rank_board

CORRECT, LOSS = METRICS["answer_correctness"], METRICS["gold_nats_per_token"]
ITEMS = [f"item {number:03}" for number in range(200)]
CLUSTERS = {item: item for item in ITEMS}


def scores(num_right: int) -> dict[str, float]:
    return {item: float(number < num_right) for number, item in enumerate(ITEMS)}


def test_runs_are_ranked_by_score_and_equal_scores_share_a_rank() -> None:
    board = rank_board({"a": scores(50), "b": scores(180), "c": scores(50)}, CORRECT, clusters=CLUSTERS)

    assert {run: rank.rank for run, rank in board.ranks.items()} == {"b": 1, "a": 2, "c": 2}


def test_a_run_that_is_not_significantly_below_the_best_is_in_its_group() -> None:
    board = rank_board({"a": scores(181), "b": scores(180), "c": scores(50)}, CORRECT, clusters=CLUSTERS)

    assert {run: rank.tie_group for run, rank in board.ranks.items()} == {"a": 1, "b": 1, "c": 2}
    assert board.ranks["c"].rank_low == board.ranks["c"].rank_high == 3


def test_the_lowest_is_best_where_the_metric_says_so() -> None:
    losses = {"a": dict.fromkeys(ITEMS, 2.0), "b": dict.fromkeys(ITEMS, 1.0)}

    assert rank_board(losses, LOSS, clusters=CLUSTERS).ranks["b"].rank == 1


def test_every_pair_is_told_with_its_test() -> None:
    board = rank_board({"a": scores(100), "b": scores(110), "c": scores(50)}, CORRECT, clusters=CLUSTERS)

    assert [(pair["run_a"], pair["run_b"]) for pair in board.pairs] == [("b", "a"), ("b", "c"), ("a", "c")]
    first = board.pairs[0]
    assert (first["difference"], first["n"], first["test"]) == (0.05, 200, "mcnemar_exact")
    assert first["p_value"] == 2 / 2**10
    assert first["p_value"] <= first["p_holm"] < 0.05


def test_a_long_board_compares_its_best_and_still_ranks_the_rest() -> None:
    runs = {f"run {number:02}": scores(number * 5) for number in range(MOST_COMPARED + 2)}

    board = rank_board(runs, CORRECT, clusters=CLUSTERS)

    assert board.ranks["run 00"] == (MOST_COMPARED + 2, None, None, None)
    assert len(board.pairs) == MOST_COMPARED * (MOST_COMPARED - 1) // 2


def test_a_single_run_is_first_and_compared_with_nobody() -> None:
    board = rank_board({"a": scores(3)}, CORRECT, clusters=CLUSTERS)

    assert board.ranks["a"] == (1, 1, 1, 1)
    assert board.pairs == []
