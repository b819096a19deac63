"""Problems about bare numbers: products, quotients, sequences, order and digits."""

from random import Random
from typing import Any

from tunix_ml.traces.generators.family import Family, Operands, Problem


def _draw_multiplication(rng: Random) -> dict[str, Any]:
    return {"a": rng.randrange(12, 100), "b": 10 * rng.randrange(1, 10) + rng.randrange(1, 10)}


def _tell_multiplication(operands: Operands) -> Problem:
    a, b = operands["a"], operands["b"]
    ones = b % 10
    tens = b - ones
    steps = (
        f"Split {b}: {tens} + {ones} = {b}.",
        f"{a} * {tens} = {a * tens}.",
        f"{a} * {ones} = {a * ones}.",
        f"Together: {a * tens} + {a * ones} = {a * tens + a * ones}.",
    )
    return Problem(f"What is {a} times {b}?", steps, str(a * tens + a * ones))


def _draw_division(rng: Random) -> dict[str, Any]:
    divisor = rng.randrange(3, 20)
    quotient = rng.randrange(11, 90)
    return {"dividend": divisor * quotient + rng.randrange(divisor), "divisor": divisor}


def _tell_division(operands: Operands) -> Problem:
    dividend, divisor = operands["dividend"], operands["divisor"]
    tens = dividend // (10 * divisor) * 10
    rest = dividend - divisor * tens
    ones = rest // divisor
    quotient, remainder = tens + ones, rest - divisor * ones
    steps = (
        f"Tens: {divisor} * {tens} = {divisor * tens}.",
        f"Still to divide: {dividend} - {divisor * tens} = {rest}.",
        f"Ones: {divisor} * {ones} = {divisor * ones}.",
        f"Left over: {rest} - {divisor * ones} = {remainder}, less than {divisor}.",
        f"Quotient: {tens} + {ones} = {quotient}, so the answer is {quotient} remainder {remainder}.",
    )
    prompt = f"Divide {dividend} by {divisor}. Give the quotient and the remainder, like 12 remainder 3."
    return Problem(prompt, steps, f"{quotient} remainder {remainder}")


def _recompute_division(operands: Operands) -> str:
    quotient, remainder = divmod(operands["dividend"], operands["divisor"])
    return f"{quotient} remainder {remainder}"


def _draw_sequence(rng: Random) -> dict[str, Any]:
    return {
        "first": rng.randrange(1, 60),
        "difference": rng.randrange(2, 25),
        "position": rng.randrange(6, 41),
    }


def _tell_sequence(operands: Operands) -> Problem:
    first, difference, position = operands["first"], operands["difference"], operands["position"]
    second, growth = first + difference, (position - 1) * difference
    steps = (
        f"The difference is {second} - {first} = {difference}.",
        f"The term is reached after {position} - 1 = {position - 1} steps.",
        f"They add {position - 1} * {difference} = {growth}.",
        f"The term is {first} + {growth} = {first + growth}.",
    )
    shown = f"{first}, {second}, {second + difference}"
    prompt = f"The sequence {shown}, ... grows by the same amount each time. What is term number {position}?"
    return Problem(prompt, steps, str(first + growth))


def _recompute_sequence(operands: Operands) -> str:
    term = int(operands["first"])
    for _ in range(1, operands["position"]):
        term += operands["difference"]
    return str(term)


def _draw_sorting(rng: Random) -> dict[str, Any]:
    numbers: list[int] = []
    length = rng.randrange(4, 8)
    while len(numbers) < length:
        number = rng.randrange(10, 1_000)
        if number not in numbers:
            numbers.append(number)
    return {"numbers": numbers}


def _tell_sorting(operands: Operands) -> Problem:
    remaining, ordered, steps = list(operands["numbers"]), [], []
    while len(remaining) > 1:
        smallest = min(remaining)
        steps.append(f"The smallest of {_listed(remaining)} is {smallest}.")
        remaining.remove(smallest)
        ordered.append(smallest)
    answer = _listed(ordered + remaining)
    steps.append(f"Only {remaining[0]} is left, so the order is {answer}.")
    prompt = f"Sort from smallest to largest: {_listed(operands['numbers'])}."
    return Problem(prompt, tuple(steps), answer)


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def _draw_digits(rng: Random) -> dict[str, Any]:
    digits = rng.randrange(3, 8)
    return {"number": rng.randrange(10 ** (digits - 1), 10**digits)}


def _tell_digit_sum(operands: Operands) -> Problem:
    digits = [int(digit) for digit in str(operands["number"])]
    steps, total = [], digits[0]
    for digit in digits[1:]:
        steps.append(f"{total} + {digit} = {total + digit}.")
        total += digit
    parity = ("even", "odd")[total % 2]
    steps.append(f"2 * {total // 2} + {total % 2} = {total}, so the sum is {parity}.")
    prompt = f"Is the sum of the digits of {operands['number']} even or odd?"
    return Problem(prompt, tuple(steps), parity)


def _recompute_digit_sum(operands: Operands) -> str:
    # The sum is odd exactly when an odd number of the digits are.
    num_odd = sum(digit in "13579" for digit in str(operands["number"]))
    return "odd" if num_odd & 1 else "even"


MULTIPLICATION = Family(
    name="multiplication",
    draw=_draw_multiplication,
    tell=_tell_multiplication,
    recompute=lambda operands: str(operands["a"] * operands["b"]),
    claims_from=0,
)
DIVISION = Family("division", _draw_division, _tell_division, _recompute_division, claims_from=0)
SEQUENCE = Family("sequence", _draw_sequence, _tell_sequence, _recompute_sequence, claims_from=0)
SORTING = Family(
    name="sorting",
    draw=_draw_sorting,
    tell=_tell_sorting,
    recompute=lambda operands: _listed(sorted(operands["numbers"])),
    claims_from=None,
)
DIGIT_SUM = Family("digit_sum", _draw_digits, _tell_digit_sum, _recompute_digit_sum, claims_from=0)
