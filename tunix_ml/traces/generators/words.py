"""Problems about the letters of a word: counting one, repeating it, reading it backwards."""

from random import Random
from typing import Any

from tunix_ml.traces.generators.family import Family, Operands, Problem

_WORDS = tuple(
    """
    accordion alphabet balloon banana barrel basket bookkeeper butterfly cabbage calendar caravan carrot
    coconut committee cucumber dandelion diamond elephant engineer envelope feather flamingo garden giraffe
    hammock harbour hazelnut island kangaroo kettle lantern lemonade library mammoth meadow mississippi
    mountain necklace noodle notebook orchestra papaya parallel pepper pineapple planet potato pumpkin
    raccoon railway rainbow saddle saffron satellite sausage seventeen spinach squirrel strawberry sunflower
    telescope thunder tomato umbrella vanilla village violin volcano walnut waterfall whistle willow
    """.split()  # noqa: SIM905
)


def _draw_count(rng: Random) -> dict[str, Any]:
    word = rng.choice(_WORDS)
    return {"word": word, "letter": rng.choice(word)}


def _tell_count(operands: Operands) -> Problem:
    word, letter = operands["word"], operands["letter"]
    steps, count = [f"The letters of {word} are {', '.join(word)}."], 0
    for position, found in enumerate(word, start=1):
        if found == letter:
            steps.append(f"Letter {position} is {letter}: {count} + 1 = {count + 1}.")
            count += 1
    prompt = f'How many times does the letter "{letter}" appear in the word "{word}"?'
    return Problem(prompt, tuple(steps), str(count))


def _draw_repetition(rng: Random) -> dict[str, Any]:
    return {"word": rng.choice(_WORDS), "times": rng.randrange(2, 8)}


def _tell_repetition(operands: Operands) -> Problem:
    word, written, steps = operands["word"], "", []
    for count in range(operands["times"]):
        written = f"{written} {word}".strip()
        steps.append(f"{count} + 1 = {count + 1}: {written}")
    prompt = f'Write the word "{word}" {operands["times"]} times, with a space between.'
    return Problem(prompt, tuple(steps), written)


def _draw_word(rng: Random) -> dict[str, Any]:
    return {"word": rng.choice(_WORDS)}


def _tell_reversal(operands: Operands) -> Problem:
    word = operands["word"]
    backwards = [word[index] for index in range(len(word) - 1, -1, -1)]
    steps = (
        f"The letters of {word} are {', '.join(word)}.",
        f"From the last to the first they are {', '.join(backwards)}.",
        f"Joined they spell {''.join(backwards)}.",
    )
    return Problem(f'Spell the word "{word}" backwards.', steps, "".join(backwards))


LETTER_COUNT = Family(
    name="letter_count",
    draw=_draw_count,
    tell=_tell_count,
    recompute=lambda operands: str(operands["word"].count(operands["letter"])),
    claims_from=1,
)
WORD_REPETITION = Family(
    name="word_repetition",
    draw=_draw_repetition,
    tell=_tell_repetition,
    recompute=lambda operands: " ".join([operands["word"]] * operands["times"]),
    claims_from=0,
)
WORD_REVERSAL = Family(
    name="word_reversal",
    draw=_draw_word,
    tell=_tell_reversal,
    recompute=lambda operands: str(operands["word"])[::-1],
    claims_from=None,
)
