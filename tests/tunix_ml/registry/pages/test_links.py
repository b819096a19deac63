from tunix_ml.registry.pages import links


def test_a_comparison_has_one_page_whichever_run_is_named_first() -> None:
    page = links.comparison_page("golden-v2.test", "answers", "one", "two")

    assert page == links.comparison_page("golden-v2.test", "answers", "two", "one")
    assert page != links.comparison_page("golden-v2.test", "judge:strict", "one", "two")
    assert page.startswith("compare/")


def test_a_page_knows_the_way_to_the_root() -> None:
    assert links.root_of(links.INDEX) == ""
    assert links.root_of(links.run_page("golden-v2.tiny.0123456789")) == "../"
    assert links.root_of(links.run_document("x", "run")) == "../../../"


def test_the_paths_that_programs_rely_on_stay() -> None:
    assert links.run_document("x", "metrics") == "api/runs/x/metrics.json"
    assert links.dataset_document("golden-v2") == "api/datasets/golden-v2.json"
    assert links.evaluation_set_document("gsm8k-test-v1") == "api/evaluation-sets/gsm8k-test-v1.json"
    assert (links.API_INDEX, links.API_LEADERBOARD, links.API_PAIRS) == (
        "api/index.json",
        "api/leaderboard.json",
        "api/pairs.json",
    )
    assert links.sweep_page("x") == "sweeps/x.html"
    assert links.sweep_document("x") == "api/sweeps/x.json"
    assert links.dataset_page("golden-v2") == "datasets/golden-v2.html"
    assert links.evaluation_set_page("gsm8k-test-v1") == "evaluation-sets/gsm8k-test-v1.html"
