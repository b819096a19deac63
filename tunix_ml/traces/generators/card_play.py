"""Questions about card games that were played: every answer follows from the cards that the prompt names."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from tunix_ml.traces.card_games import (
    HAND_SIZE,
    RANKS,
    SUITS,
    TRUMP,
    Episode,
    HighCardDuel,
    HighCardDuelState,
    MiniSpades,
    MiniSpadesState,
    beats,
    card_name,
    duel_value,
    play_at_random,
    playable,
)
from tunix_ml.traces.generators.family import Family, Operands, Problem

_DUEL_RULES = (
    "High card duel: in each round two players reveal a card. The higher rank wins 1 point, the lower rank"
    " loses 1 point, and equal ranks change nothing. The ace ranks above the king, a joker above the ace."
)
_SPADES_RULES = (
    "Mini spades: two players hold five cards each. Spades are trump, the ace is the lowest rank, and a joker"
    " ranks above the king. The higher card of the suit led wins a trick unless only the other card is a"
    " spade, and the winner leads the next trick."
)


def _draw_seed(rng: Random) -> int:
    return rng.randrange(2**32)


def _draw_duel(rng: Random) -> dict[str, Any]:
    episodes = [play_at_random(HighCardDuel(), seed=_draw_seed(rng)) for _ in range(rng.randrange(2, 6))]
    return duel_operands([_duel_hands(episode) for episode in episodes])


def _duel_hands(episode: Episode) -> tuple[str, str]:
    state = episode.states[-1]
    if not isinstance(state, HighCardDuelState):
        raise TypeError(f"{type(state).__name__} is no state of a high card duel")
    return state.hands


def duel_operands(rounds: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return the operands of rounds of a duel: for each the card of player 0 and that of player 1."""
    return {"rounds": [list(cards) for cards in rounds]}


def _tell_duel(operands: Operands) -> Problem:
    rounds: list[list[str]] = operands["rounds"]
    score, steps = 0, []
    for number, (mine, other) in enumerate(rounds, start=1):
        change = _sign(duel_value(mine) - duel_value(other))
        outcome = {1: "ranks above", 0: "ranks like", -1: "ranks below"}[change]
        sign = "-" if change < 0 else "+"
        steps.append(
            f"Round {number}: the {card_name(mine)} {outcome} the {card_name(other)}."
            f" Score of player 0: {score} {sign} {abs(change)} = {score + change}."
        )
        score += change
    shown = " ".join(
        f"Round {number}: player 0 reveals the {card_name(mine)}, player 1 the {card_name(other)}."
        for number, (mine, other) in enumerate(rounds, start=1)
    )
    prompt = f"{_DUEL_RULES} {shown} What is the score of player 0 after all rounds?"
    return Problem(prompt, tuple(steps), str(score))


def _recompute_duel(operands: Operands) -> str:
    values = {rank: place for place, rank in enumerate((*RANKS[1:-1], RANKS[0], RANKS[-1]))}
    pairs = [tuple(values[card[:-1]] for card in cards) for cards in operands["rounds"]]
    return str(sum(mine > other for mine, other in pairs) - sum(mine < other for mine, other in pairs))


def _draw_tricks(rng: Random) -> dict[str, Any]:
    return trick_operands([move.name for move in play_at_random(MiniSpades(), seed=_draw_seed(rng)).moves])


def trick_operands(plays: Sequence[str]) -> dict[str, Any]:
    """Return the operands of a game of mini spades: its cards in the order they were played."""
    return {"plays": list(plays)}


def _tell_tricks(operands: Operands) -> Problem:
    plays: list[str] = operands["plays"]
    if len(plays) != 2 * HAND_SIZE:
        raise ValueError(f"{len(plays)} cards are no game of mini spades")
    leader, won, steps, shown = 0, [], [], []
    for number, (led, followed) in enumerate(_tricks(plays), start=1):
        winner = 1 - leader if beats(followed, led) else leader
        shown.append(f"Trick {number}: {card_name(led)}, then {card_name(followed)}.")
        steps.append(
            f"Trick {number}: player {leader} leads the {card_name(led)}, player {1 - leader} plays the"
            f" {card_name(followed)}; {_why(led, followed)}, so player {winner} wins."
        )
        won.append(int(winner == 0))
        leader = winner
    steps.append(f"Tricks of player 0: {' + '.join(map(str, won))} = {sum(won)}.")
    prompt = (
        f"{_SPADES_RULES} Player 0 leads the first trick. {' '.join(shown)}"
        " How many tricks does player 0 win?"
    )
    return Problem(prompt, tuple(steps), str(sum(won)))


def _why(led: str, followed: str) -> str:
    if led[-1] == followed[-1]:
        return (
            f"both are {SUITS[led[-1]]} and the {'second' if beats(followed, led) else 'first'} ranks higher"
        )
    return (
        "only the second is a spade"
        if followed[-1] == TRUMP
        else f"the second does not follow {SUITS[led[-1]]}"
    )


def _recompute_tricks(operands: Operands) -> str:
    leader, total = 0, 0
    for cards in _tricks(operands["plays"]):
        suits = {card[-1] for card in cards}
        deciding = TRUMP if TRUMP in suits else cards[0][-1]
        best = max((card for card in cards if card[-1] == deciding), key=lambda card: RANKS.index(card[:-1]))
        leader = (leader + cards.index(best)) % 2
        total += leader == 0
    return str(total)


def _tricks(plays: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(plays[::2], plays[1::2], strict=True))


def _draw_follow(rng: Random) -> dict[str, Any]:
    episode = play_at_random(MiniSpades(), seed=_draw_seed(rng))
    states = [state for state in episode.states if isinstance(state, MiniSpadesState)]
    state = rng.choice([state for state in states if state.trick and len(state.hands[state.player]) > 1])
    return follow_operands(state.hands[state.player], led=state.trick[0])


def follow_operands(hand: Sequence[str], *, led: str) -> dict[str, Any]:
    """Return the operands of a turn in mini spades: the cards held and the card led."""
    return {"hand": list(hand), "led": led}


def _tell_follow(operands: Operands) -> Problem:
    hand, led = operands["hand"], operands["led"]
    held = ", ".join(map(card_name, hand))
    same = [card for card in hand if card[-1] == led[-1]]
    answer = ", ".join(map(card_name, playable(hand, led=led)))
    suit = card_name(led).rpartition(" ")[2]
    last = (
        f"A card of the suit led must be played: {answer}."
        if same
        else f"So any card may be played: {answer}."
    )
    steps = (f"The suit led is {suit}.", f"The hand has {len(same)} of {len(hand)} cards in {suit}.", last)
    prompt = (
        f"{_SPADES_RULES} A player who has a card of the suit led must play one. You hold: {held}. The other"
        f" player leads the {card_name(led)}. Which cards may you play? Name them in the order held, with"
        " commas."
    )
    return Problem(prompt, steps, answer)


def _recompute_follow(operands: Operands) -> str:
    suit = operands["led"][-1]
    has_suit = any(card.endswith(suit) for card in operands["hand"])
    return ", ".join(card_name(card) for card in operands["hand"] if card.endswith(suit) or not has_suit)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


HIGH_CARD_DUEL = Family("high_card_duel", _draw_duel, _tell_duel, _recompute_duel, claims_from=0)
TRICK_COUNT = Family("trick_count", _draw_tricks, _tell_tricks, _recompute_tricks, claims_from=None)
FOLLOW_SUIT = Family("follow_suit", _draw_follow, _tell_follow, _recompute_follow, claims_from=None)
CARD_FAMILIES: Mapping[str, Family] = {
    family.name: family for family in (HIGH_CARD_DUEL, TRICK_COUNT, FOLLOW_SUIT)
}
