"""Two card games in the shape of UNGAR's: states, moves and rewards, played at random within bounds.

The protocols here are all that is asked of a game, of ours and of the package `ungar` alike.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple, Protocol

from tunix_ml.contracts.base import ContractError

SUITS = {"S": "spades", "H": "hearts", "D": "diamonds", "C": "clubs"}
RANKS = ("A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K", "X")
RANK_NAMES = {"A": "ace", "J": "jack", "Q": "queen", "K": "king", "X": "joker"}
DECK = tuple(rank + suit for suit in SUITS for rank in RANKS if rank != "X")
TRUMP = "S"
HAND_SIZE = 5
MAX_MOVES = 1_000


class GameUnfinished(ContractError):
    """A game did not end within the moves it was allowed."""


class GameMove(Protocol):
    """A move as UNGAR has it."""

    @property
    def name(self) -> str:
        """What the move is called."""


class GameState(Protocol):
    """What is asked of a state; it does not change, a move gives another one."""

    def legal_moves(self) -> Sequence[GameMove]:
        """Return the moves of the player whose turn it is."""

    def is_terminal(self) -> bool:
        """Say whether the game is over."""

    def apply_move(self, move: GameMove) -> "GameState":
        """Return the state after a legal move."""

    def returns(self) -> tuple[float, ...]:
        """Return the rewards of a finished game, one for each player."""


class GameSpec(Protocol):
    """What is asked of a game."""

    def initial_state(self, seed: int | None = None) -> GameState:
        """Deal the cards."""


class Episode(NamedTuple):
    """A game that was played: every state from the first to the last, the moves between, the rewards."""

    states: list[GameState]
    moves: list[GameMove]
    rewards: tuple[float, ...]


class Move(NamedTuple):
    """A move of our own games: its number within the game, and the card it plays or `reveal`."""

    id: int
    name: str


def play_at_random(spec: GameSpec, *, seed: int, max_moves: int = MAX_MOVES) -> Episode:
    """Play one game with random legal moves.

    Raises:
        GameUnfinished: it is not over after `max_moves`, or a state that is not the last allows no move.
    """
    rng = Random(seed)  # noqa: S311  # reproducible, not secret
    states, moves = [spec.initial_state(seed=seed)], list[GameMove]()
    while not states[-1].is_terminal():
        legal = states[-1].legal_moves()
        if not legal or len(moves) == max_moves:
            raise GameUnfinished(
                f"the game of seed {seed} is not over after {len(moves)} moves, of {max_moves}"
            )
        moves.append(rng.choice(legal))
        states.append(states[-1].apply_move(moves[-1]))
    return Episode(states, moves, tuple(states[-1].returns()))


class HighCardDuelState(NamedTuple):
    """Each player has a card and reveals it, player 0 first."""

    hands: tuple[str, str]
    num_revealed: int = 0

    def legal_moves(self) -> Sequence[Move]:
        """Return the one move there is."""
        return () if self.is_terminal() else (Move(0, "reveal"),)

    def is_terminal(self) -> bool:
        """Say whether both cards are revealed."""
        return self.num_revealed == len(self.hands)

    def apply_move(self, move: GameMove) -> "HighCardDuelState":
        """Return the state with one more card revealed."""
        _refuse_illegal(move, self.legal_moves())
        return self._replace(num_revealed=self.num_revealed + 1)

    def returns(self) -> tuple[float, ...]:
        """Return 1 for the higher rank, the ace being high, and -1 for the lower; equal ranks get 0."""
        first, second = (duel_value(card) for card in self.hands)
        return (0.0, 0.0) if first == second else ((1.0, -1.0) if first > second else (-1.0, 1.0))


class HighCardDuel(NamedTuple):
    """One card each."""

    def initial_state(self, seed: int | None = None) -> HighCardDuelState:
        """Deal two cards."""
        first, second = _shuffled(seed)[:2]
        return HighCardDuelState((first, second))


class MiniSpadesState(NamedTuple):
    """Two players with five cards each; `trick` holds what was played to the current trick."""

    hands: tuple[tuple[str, ...], ...]
    player: int = 0
    trick: tuple[str, ...] = ()
    tricks_won: tuple[int, int] = (0, 0)

    def legal_moves(self) -> Sequence[Move]:
        """Return the cards that the player may play: of the suit led, if there is one."""
        legal = playable(self.hands[self.player], led=self.trick[0] if self.trick else None)
        return tuple(Move(DECK.index(card), card) for card in legal)

    def is_terminal(self) -> bool:
        """Say whether all tricks are played."""
        return sum(self.tricks_won) == HAND_SIZE

    def apply_move(self, move: GameMove) -> "MiniSpadesState":
        """Return the state after a card; the winner of a trick leads the next."""
        _refuse_illegal(move, self.legal_moves())
        hands = tuple(
            tuple(card for card in hand if number != self.player or card != move.name)
            for number, hand in enumerate(self.hands)
        )
        if not self.trick:
            return self._replace(hands=hands, trick=(move.name,), player=1 - self.player)
        follower_wins = beats(move.name, self.trick[0])
        winner = self.player if follower_wins else 1 - self.player
        won = (self.tricks_won[0] + (winner == 0), self.tricks_won[1] + (winner == 1))
        return MiniSpadesState(hands, winner, (), won)

    def returns(self) -> tuple[float, ...]:
        """Return the tricks won, and 5 more for the winner of the game."""
        most = max(self.tricks_won)
        return tuple(float(tricks + 5 * (tricks == most)) for tricks in self.tricks_won)


class MiniSpades(NamedTuple):
    """Five tricks, spades trump, the ace the lowest rank."""

    def initial_state(self, seed: int | None = None) -> MiniSpadesState:
        """Deal five cards each, in turn."""
        cards = _shuffled(seed)[: 2 * HAND_SIZE]
        return MiniSpadesState(
            (tuple(sorted(cards[::2], key=DECK.index)), tuple(sorted(cards[1::2], key=DECK.index)))
        )


def card_name(card: str) -> str:
    """Return a card in words, `7 of hearts`.

    Raises:
        ValueError: the text is no card, `7H`.
    """
    rank, suit = card[:-1], card[-1:]
    if rank not in RANKS or suit not in SUITS:
        raise ValueError(f"{card!r:.20} is no card")
    return f"{RANK_NAMES.get(rank, rank)} of {SUITS[suit]}"


def duel_value(card: str) -> int:
    """Return what a card is worth in a duel: from 2 up to the king, the ace, the joker."""
    rank = RANKS.index(card[:-1])
    return len(RANKS) - 1 if rank == 0 else rank if card[:-1] != "X" else len(RANKS)


def playable(hand: Sequence[str], *, led: str | None) -> list[str]:
    """Return the cards of a hand that may be played on the card led, in the order held."""
    same_suit = [card for card in hand if led is not None and card[-1] == led[-1]]
    return same_suit or list(hand)


def beats(card: str, led: str) -> bool:
    """Say whether a card played second takes the trick from the one led."""
    if card[-1] != led[-1]:
        return card[-1] == TRUMP
    return RANKS.index(card[:-1]) > RANKS.index(led[:-1])


def _shuffled(seed: int | None) -> list[str]:
    cards = list(DECK)
    Random(seed).shuffle(cards)  # noqa: S311  # reproducible, not secret
    return cards


def _refuse_illegal(move: GameMove, legal: Sequence[Move]) -> None:
    if move.name not in {allowed.name for allowed in legal}:
        raise ContractError(f"move {move.name!r} is none of {[allowed.name for allowed in legal]}")
