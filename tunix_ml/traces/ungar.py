"""Traces from games that the package `ungar` plays, if it is installed; the questions are our own.

`ungar` is on no package index: install it from its repository, https://github.com/m-cahill/ungar.
"""

import importlib
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple, Protocol, cast

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.recipe import UngarSource
from tunix_ml.contracts.trace import Trace, TraceStep
from tunix_ml.traces.card_games import RANKS, SUITS, Episode, GameSpec, play_at_random
from tunix_ml.traces.generators.card_play import (
    CARD_FAMILIES,
    duel_operands,
    follow_operands,
    trick_operands,
)
from tunix_ml.traces.lines import SourceError
from tunix_ml.traces.prompts import normalise_prompt

TRACE_VERSION = "1.0"
_SPECS = {
    "high_card_duel": ("ungar.games.high_card_duel", "make_high_card_duel_spec"),
    "spades_mini": ("ungar.games.spades_mini", "make_spades_mini_spec"),
}
_RANK_NAMES = (
    "ACE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN JACK QUEEN KING JOKER".split()  # noqa: SIM905
)
_RANK_OF = dict(zip(_RANK_NAMES, RANKS, strict=True))
_SUIT_OF = {name.upper(): suit for suit, name in SUITS.items()}


class _Named(Protocol):
    @property
    def name(self) -> str:
        """Name of the member of an enumeration."""


class UngarCard(Protocol):
    """A card as `ungar` has it."""

    @property
    def suit(self) -> _Named:
        """Its suit, SPADES."""

    @property
    def rank(self) -> _Named:
        """Its rank, ACE."""


class _Question(NamedTuple):
    family: str
    operands: dict[str, Any]


def ungar_traces(source: UngarSource) -> Iterator[Trace]:
    """Yield at most one trace for each episode: the first of its questions that was not asked before.

    Raises:
        SourceError: `ungar` is not installed.
        ContractError: a game does not end, or its rewards contradict the cards.
    """
    spec = _spec(source.game)
    asked: set[str] = set()
    for seed in range(source.seed, source.seed + source.num_episodes):
        episode = play_at_random(spec, seed=seed)
        for trace in traces_of(episode, game=source.game, seed=seed):
            prompt = normalise_prompt(trace.prompt)
            if prompt not in asked:
                asked.add(prompt)
                yield trace
                break


def traces_of(episode: Episode, *, game: str, seed: int) -> Iterator[Trace]:
    """Yield a trace for each question about an episode of `ungar`, in an order that the seed shuffles.

    Raises:
        ContractError: the rewards contradict what the cards say.
    """
    questions = _duel_questions(episode) if game == "high_card_duel" else _spades_questions(episode)
    Random(seed).shuffle(questions)  # noqa: S311  # reproducible, not secret
    for question in questions:
        family = CARD_FAMILIES[question.family]
        problem = family.tell(question.operands)
        if family.recompute(question.operands) != problem.final_answer:
            raise ContractError(
                f"{question.family} of seed {seed} has two answers: {question.operands!r:.200}"
            )
        steps = tuple(TraceStep(i, "reasoning", content) for i, content in enumerate(problem.steps))
        meta = {"family": question.family, "generator": "ungar", "game": game, "seed": seed}
        yield Trace(
            TRACE_VERSION, problem.prompt, problem.final_answer, steps, meta | {"operands": question.operands}
        )


def card_code(card: UngarCard) -> str:
    """Return a card of `ungar` in our spelling, `7H`.

    Raises:
        ContractError: its rank or suit is not known here.
    """
    try:
        return _RANK_OF[card.rank.name] + _SUIT_OF[card.suit.name]
    except KeyError as error:
        raise ContractError(f"{card!r:.60} of ungar has an unknown rank or suit {error}") from None


def _spec(game: str) -> GameSpec:
    module, maker = _SPECS[game]
    try:
        return cast("GameSpec", getattr(importlib.import_module(module), maker)())
    except ImportError as error:
        raise SourceError(
            f"game {game!r} needs the package `ungar`, which is not installed ({error}): install it from its"
            " repository, or use the generator `card_games`, which needs nothing"
        ) from error


def _duel_questions(episode: Episode) -> list[_Question]:
    hands = [card_code(card) for card in cast("Any", episode.states[-1]).hands]
    question = _Question("high_card_duel", duel_operands([hands]))
    swapped = _Question("high_card_duel", duel_operands([hands[::-1]]))
    _agree(question, episode.rewards[0])
    _agree(swapped, episode.rewards[1])
    return [question, swapped]


def _spades_questions(episode: Episode) -> list[_Question]:
    plays = [card_code(card) for card in cast("Any", episode.states[-1]).history]
    tricks = _Question("trick_count", trick_operands(plays))
    won: Sequence[int] = cast("Any", episode.states[-1]).tricks_won
    _agree(tricks, won[0])
    return [tricks, *_follow_questions(cast("Sequence[Any]", episode.states))]


def _follow_questions(states: Sequence[Any]) -> list[_Question]:
    found = []
    for state in states:
        if state.current_trick.moves and len(state.hands[state.player_turn]) > 1:
            hand = [card_code(card) for card in state.hands[state.player_turn]]
            led = card_code(state.current_trick.moves[0][1])
            found.append(_Question("follow_suit", follow_operands(hand, led=led)))
    return found


def _agree(question: _Question, reward: float) -> None:
    told = CARD_FAMILIES[question.family].tell(question.operands).final_answer
    if float(told) != float(reward):
        raise ContractError(f"ungar gives {reward}, the cards give {told}: {question.operands!r:.200}")
