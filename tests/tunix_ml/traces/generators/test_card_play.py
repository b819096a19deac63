from collections import Counter
from random import Random

import pytest

from tunix_ml.traces.card_games import Episode
from tunix_ml.traces.generators import card_play
from tunix_ml.traces.generators.card_play import (
    CARD_FAMILIES,
    FOLLOW_SUIT,
    HIGH_CARD_DUEL,
    TRICK_COUNT,
    duel_operands,
    follow_operands,
    trick_operands,
)
from tunix_ml.traces.prompts import normalise_prompt

PLAYS = ["7H", "KH", "2C", "3C", "9D", "2S", "AH", "3H", "KC", "QD"]


def test_a_duel_is_told_round_by_round():
    problem = HIGH_CARD_DUEL.tell(duel_operands([("AS", "KH"), ("2C", "2D"), ("3S", "10H"), ("4S", "JH")]))

    assert problem.steps == (
        "Round 1: the ace of spades ranks above the king of hearts. Score of player 0: 0 + 1 = 1.",
        "Round 2: the 2 of clubs ranks like the 2 of diamonds. Score of player 0: 1 + 0 = 1.",
        "Round 3: the 3 of spades ranks below the 10 of hearts. Score of player 0: 1 - 1 = 0.",
        "Round 4: the 4 of spades ranks below the jack of hearts. Score of player 0: 0 - 1 = -1.",
    )
    assert problem.final_answer == "-1"


def test_the_tricks_of_a_game_are_counted():
    problem = TRICK_COUNT.tell(trick_operands(PLAYS))

    assert problem.steps[1] == (
        "Trick 2: player 1 leads the 2 of clubs, player 0 plays the 3 of clubs; both are clubs and the second"
        " ranks higher, so player 0 wins."
    )
    assert problem.steps[2] == (
        "Trick 3: player 0 leads the 9 of diamonds, player 1 plays the 2 of spades; only the second is a"
        " spade, so player 1 wins."
    )
    assert problem.steps[-1] == "Tricks of player 0: 0 + 1 + 0 + 1 + 1 = 3."
    assert "the second does not follow clubs" in problem.steps[4]


def test_the_cards_that_may_be_played_are_named_in_the_order_held():
    can = FOLLOW_SUIT.tell(follow_operands(["7H", "KS", "2H"], led="AH"))
    cannot = FOLLOW_SUIT.tell(follow_operands(["7H", "KS"], led="AC"))

    assert can.final_answer == "7 of hearts, 2 of hearts"
    assert cannot.final_answer == "7 of hearts, king of spades"
    assert cannot.steps[1] == "The hand has 0 of 2 cards in clubs."


@pytest.mark.parametrize("family", CARD_FAMILIES.values(), ids=CARD_FAMILIES)
def test_the_answer_told_and_the_one_recomputed_agree_and_hardly_a_prompt_repeats(family):
    rng = Random(3)
    drawn = [family.draw(rng) for _ in range(1_000)]

    problems = [family.tell(operands) for operands in drawn]

    assert [problem.final_answer for problem in problems] == [
        family.recompute(operands) for operands in drawn
    ]
    assert len({normalise_prompt(problem.prompt) for problem in problems}) >= 900


def test_the_answers_are_not_all_the_same():
    rng = Random(5)
    for family in CARD_FAMILIES.values():
        answers = Counter(family.recompute(family.draw(rng)) for _ in range(300))
        assert len(answers) >= 5
        assert answers.most_common(1)[0][1] < 150


def test_a_game_of_another_length_is_none():
    with pytest.raises(ValueError, match="2 cards are no game"):
        TRICK_COUNT.tell(trick_operands(["7H", "KH"]))


def test_the_state_of_another_game_is_no_duel():
    with pytest.raises(TypeError, match="is no state of a high card duel"):
        card_play._duel_hands(Episode([object()], [], (0.0, 0.0)))
