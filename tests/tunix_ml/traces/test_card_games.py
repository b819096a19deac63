from typing import NamedTuple

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.traces.card_games import (
    DECK,
    RANKS,
    GameUnfinished,
    HighCardDuel,
    HighCardDuelState,
    MiniSpades,
    MiniSpadesState,
    Move,
    beats,
    card_name,
    duel_value,
    play_at_random,
    playable,
)


@pytest.mark.parametrize("spec", [HighCardDuel(), MiniSpades()])
def test_an_episode_has_states_moves_and_rewards_that_fit(spec):
    for seed in range(50):
        episode = play_at_random(spec, seed=seed)

        assert len(episode.states) == len(episode.moves) + 1
        assert len(episode.rewards) == 2
        for before, move, after in zip(episode.states, episode.moves, episode.states[1:], strict=False):
            assert move in before.legal_moves()
            assert before.apply_move(move) == after
        assert [state.is_terminal() for state in episode.states] == [False] * len(episode.moves) + [True]


def test_the_same_seed_deals_and_plays_the_same():
    assert play_at_random(MiniSpades(), seed=4) == play_at_random(MiniSpades(), seed=4)
    assert play_at_random(MiniSpades(), seed=4) != play_at_random(MiniSpades(), seed=5)


class Endless(NamedTuple):
    legal: tuple[Move, ...]

    def initial_state(self, seed=None):
        return self

    def legal_moves(self):
        return self.legal

    def is_terminal(self):
        return False

    def apply_move(self, move):
        return self


def test_a_game_that_never_ends_is_stopped():
    with pytest.raises(GameUnfinished, match="seed 1 is not over after 20 moves, of 20"):
        play_at_random(Endless((Move(0, "wait"),)), seed=1, max_moves=20)


def test_a_game_in_which_nobody_can_move_is_stopped():
    with pytest.raises(GameUnfinished, match="not over after 0 moves"):
        play_at_random(Endless(()), seed=1)


@pytest.mark.parametrize(
    ("hands", "rewards"),
    [(("AS", "KS"), (1, -1)), (("2S", "3H"), (-1, 1)), (("7S", "7H"), (0, 0)), (("AS", "XH"), (-1, 1))],
)
def test_the_higher_rank_wins_the_duel(hands, rewards):
    assert HighCardDuelState(hands, 2).returns() == rewards


def test_the_ranks_of_a_duel_rise_from_two_to_the_joker():
    values = [duel_value(f"{rank}S") for rank in (*RANKS[1:-1], "A", "X")]

    assert values == sorted(set(values))


@pytest.mark.parametrize(
    ("card", "led", "wins"),
    [
        ("KH", "7H", True),
        ("AH", "2H", False),
        ("2S", "KH", True),
        ("KH", "2S", False),
        ("KC", "2H", False),
        ("3S", "2S", True),
    ],
)
def test_a_trick_goes_to_the_higher_card_of_the_suit_or_to_the_trump(card, led, wins):
    assert beats(card, led) is wins


def test_the_suit_led_must_be_followed_if_it_can():
    assert playable(("7H", "KS", "2H"), led="AH") == ["7H", "2H"]
    assert playable(("7H", "KS"), led="AC") == ["7H", "KS"]
    assert playable(("7H", "KS"), led=None) == ["7H", "KS"]


def test_the_winner_of_a_trick_leads_the_next_and_takes_it():
    state = MiniSpadesState((("7H", "2C"), ("KH", "3C")))

    after = state.apply_move(Move(0, "7H")).apply_move(Move(0, "KH"))

    assert (after.player, after.tricks_won, after.trick) == (1, (0, 1), ())
    assert after.hands == (("2C",), ("3C",))


def test_the_winner_of_the_game_gets_five_more():
    assert MiniSpadesState(((), ()), tricks_won=(2, 3)).returns() == (2.0, 8.0)


def test_an_illegal_move_is_refused():
    state = MiniSpadesState((("7H",), ("KH", "2C")), player=1, trick=("7H",))

    with pytest.raises(ContractError, match=r"'2C' is none of \['KH'\]"):
        state.apply_move(Move(0, "2C"))
    with pytest.raises(ContractError, match="'reveal' is none of"):
        HighCardDuelState(("7H", "KH"), 2).apply_move(Move(0, "reveal"))


def test_a_card_has_a_name_and_what_is_none_has_not():
    assert card_name("10H") == "10 of hearts"
    assert len({card_name(card) for card in DECK}) == 52
    for text in ("", "7", "1H", "7X"):
        with pytest.raises(ValueError, match="is no card"):
            card_name(text)
