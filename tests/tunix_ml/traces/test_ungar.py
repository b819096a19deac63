"""The contract with `ungar`: played for real where it is installed, on states of its shape everywhere."""

import importlib.util
import sys
from enum import Enum, auto
from random import Random
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.recipe import UngarSource
from tunix_ml.contracts.trace import validate_trace
from tunix_ml.traces.card_games import Episode, Move
from tunix_ml.traces.generators.card_play import CARD_FAMILIES
from tunix_ml.traces.lines import SourceError
from tunix_ml.traces.ungar import card_code, traces_of, ungar_traces

GAMES = ("high_card_duel", "spades_mini")
Suit = Enum("Suit", ["SPADES", "HEARTS", "DIAMONDS", "CLUBS"])


class Rank(Enum):
    ACE = auto()
    TWO = auto()
    SEVEN = auto()
    KING = auto()
    JOKER = auto()


class Card(NamedTuple):
    suit: Suit
    rank: Rank


def card(text: str) -> Card:
    rank, suit = text.split("_")
    return Card(Suit[suit], Rank[rank])


def source(game: str, num_episodes: int = 200) -> UngarSource:
    return UngarSource(kind="ungar", game=game, seed=1, num_episodes=num_episodes)


def duel(*hands: str, rewards: tuple[float, ...]) -> Episode:
    return Episode([SimpleNamespace(hands=tuple(map(card, hands)))], [Move(0, "reveal")] * 2, rewards)


def test_an_episode_of_a_duel_gives_a_question_about_its_cards():
    told = list(traces_of(duel("ACE_SPADES", "KING_HEARTS", rewards=(1.0, -1.0)), game=GAMES[0], seed=3))

    assert {trace.final_answer for trace in told} == {"1", "-1"}
    assert all(validate_trace(trace) for trace in told)
    assert {(trace.meta["generator"], trace.meta["game"], trace.meta["seed"]) for trace in told} == {
        ("ungar", "high_card_duel", 3)
    }


def test_rewards_that_contradict_the_cards_are_an_error():
    with pytest.raises(ContractError, match=r"ungar gives -1\.0, the cards give 1"):
        list(traces_of(duel("ACE_SPADES", "KING_HEARTS", rewards=(-1.0, 1.0)), game=GAMES[0], seed=3))


def test_a_joker_is_the_highest_card_of_a_duel():
    (first, _) = traces_of(duel("JOKER_CLUBS", "ACE_HEARTS", rewards=(1.0, -1.0)), game=GAMES[0], seed=3)

    assert "joker of clubs" in first.prompt


def test_an_unknown_rank_is_an_error():
    odd = SimpleNamespace(suit=SimpleNamespace(name="STARS"), rank=SimpleNamespace(name="ACE"))

    with pytest.raises(ContractError, match="unknown rank or suit 'STARS'"):
        card_code(odd)


def spades_states() -> list[SimpleNamespace]:
    """Five tricks in the shape of ungar's states: player 0 leads and wins all of them."""
    cards = [("KING_HEARTS", "TWO_HEARTS"), ("SEVEN_SPADES", "TWO_CLUBS"), ("KING_SPADES", "SEVEN_HEARTS")]
    cards += [("KING_CLUBS", "SEVEN_CLUBS"), ("KING_DIAMONDS", "TWO_DIAMONDS")]
    hands = [[card(pair[player]) for pair in cards] for player in (0, 1)]
    states, history = [], []
    for number in range(11):
        player, trick = number % 2, history[number - number % 2 :]
        moves = tuple((0, played) for played in trick)
        states.append(
            SimpleNamespace(
                hands=tuple(map(tuple, hands)),
                player_turn=player,
                history=tuple(history),
                tricks_won=(number // 2, 0),
                current_trick=SimpleNamespace(moves=moves),
            )
        )
        if number < 10:
            history.append(hands[player].pop(0))
    return states


def test_an_episode_of_spades_gives_questions_about_the_game_and_its_turns():
    told = list(traces_of(Episode(spades_states(), [], (10.0, 0.0)), game=GAMES[1], seed=2))

    by_family = {name: [t.final_answer for t in told if t.meta["family"] == name] for name in CARD_FAMILIES}
    assert by_family["trick_count"] == ["5"]
    assert "2 of hearts, 7 of hearts" in by_family["follow_suit"]
    assert len(by_family["follow_suit"]) == 4


def test_without_the_package_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "ungar", None)

    with pytest.raises(SourceError, match=r"needs the package `ungar`.*or use the generator `card_games`"):
        next(ungar_traces(source("high_card_duel")))


class _Dealer(NamedTuple):
    """A game whose seeds deal one of four hands, so that episodes repeat."""

    def initial_state(self, seed=None):
        first, second = Random(seed % 4).sample(["ACE", "TWO", "SEVEN", "KING"], 2)
        hands = (Card(Suit.SPADES, Rank[first]), Card(Suit.HEARTS, Rank[second]))
        value = {"TWO": 2, "SEVEN": 7, "KING": 13, "ACE": 99}
        higher = 1.0 if value[first] > value[second] else -1.0
        return SimpleNamespace(hands=hands, is_terminal=lambda: True, returns=lambda: (higher, -higher))


def test_no_question_is_asked_twice_and_no_episode_gives_two(monkeypatch):
    module = SimpleNamespace(make_high_card_duel_spec=_Dealer)
    for name in ("ungar", "ungar.games", "ungar.games.high_card_duel"):
        monkeypatch.setitem(sys.modules, name, module)

    traces = list(ungar_traces(source("high_card_duel", 40)))

    assert 4 < len(traces) <= 8
    assert len({trace.prompt for trace in traces}) == len(traces)


@pytest.mark.skipif(importlib.util.find_spec("ungar") is None, reason="the package ungar is not installed")
@pytest.mark.parametrize("game", GAMES)
def test_the_real_package_keeps_the_contract(game):
    traces = list(ungar_traces(source(game)))

    assert len(traces) >= 180
    assert len({trace.prompt for trace in traces}) == len(traces)
    for trace in traces:
        validate_trace(trace)
        family = CARD_FAMILIES[trace.meta["family"]]
        assert family.recompute(trace.meta["operands"]) == trace.final_answer
