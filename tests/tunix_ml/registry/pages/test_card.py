from collections.abc import Callable
from typing import Any

from tunix_ml.registry.pages.card import User, count_table, question, several, users
from tunix_ml.registry.pages.text import Excerpt


def test_counts_are_ordered_by_size_with_their_share_of_the_largest() -> None:
    table = count_table("Family", "traces", {"rare": 1, "common": 4})

    assert table.rows == (("common", 4, 1.0), ("rare", 1, 0.25))


def test_the_order_given_may_be_kept() -> None:
    table = count_table("Split", "traces", {"train": 1, "test": 4}, keep_order=True)

    assert [name for name, _, _ in table.rows] == ["train", "test"]


def test_very_many_kinds_are_cut_and_counted() -> None:
    table = count_table("Family", "traces", {f"{n:03}" + "x" * 900: 0 for n in range(100)})

    assert (len(table.rows), table.num_left_out) == (60, 40)
    assert {(len(name), share) for name, _, share in table.rows} == {(120, 0.0)}


def test_a_table_of_one_kind_tells_nothing() -> None:
    one, two = count_table("A", "x", {"all": 5}), count_table("B", "x", {"a": 1, "b": 2})

    assert several(one, two, count_table("C", "x", {})) == (two,)


def test_each_text_of_a_question_is_cut() -> None:
    long = "x" * 50_000

    shown = question(long, prompt=long, steps=[long] * 50, answer=long)

    assert shown.prompt == Excerpt("x" * 1_500, 48_500)
    assert (len(shown.steps), shown.num_steps_left_out, len(shown.steps[0].text)) == (12, 38, 500)
    assert (len(shown.name), len(shown.answer.text)) == (120, 120)


def test_users_are_named_by_title(make_row: Callable[..., Any]) -> None:
    row = make_row()

    assert users({"runs/x.html": row}) == (User("runs/x.html", "tiny on golden-v2", row["run_id"]),)
