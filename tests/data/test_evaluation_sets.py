"""The sets in `data/evaluation/`: every answer is verified here, or by hand where nothing computes it."""

import inspect
import itertools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import get_args

import pytest
import sympy
from sympy.parsing.sympy_parser import (
    convert_xor,
    implicit_multiplication_application,
    parse_expr,
    standard_transformations,
)

from tunix_ml.contracts.evaluation_set import ANSWER_TYPES, EvaluationItem
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.recipe import GeneratorSource, JsonlSource
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.datasets.catalog import load_recipe
from tunix_ml.datasets.evaluation_catalog import load_evaluation_recipe
from tunix_ml.datasets.evaluation_items import read_items
from tunix_ml.evaluation.self_test import run_self_test
from tunix_ml.traces.answers import parse_number
from tunix_ml.traces.claims import find_claims
from tunix_ml.traces.expressions import evaluate
from tunix_ml.traces.generators.catalog import generate
from tunix_ml.traces.ingest import Ingested, ingest
from tunix_ml.traces.prompts import normalise_prompt

NOWHERE = Path("nowhere")
READ = (*standard_transformations, convert_xor, implicit_multiplication_application)


def shipped(name: str) -> list[EvaluationItem]:
    entry = load_evaluation_recipe(name, NOWHERE)
    return read_items(entry.source(), entry.recipe)


ITEMS = {name: shipped(name) for name in ("eval-v1", "eval-v2")}
ALL = [item for items in ITEMS.values() for item in items]


def of_type(*types: str) -> list[EvaluationItem]:
    return [item for item in ALL if item.answer_type in types]


def by_id(item: EvaluationItem) -> str:
    return item.item_id


def test_the_sets_have_their_sizes_sections_and_types() -> None:
    assert len(ITEMS["eval-v1"]) == 25
    assert len(ITEMS["eval-v2"]) == 100
    sections = Counter(item.section for item in ITEMS["eval-v2"])
    assert sections == {"core": 60, "trace_sensitive": 25, "edge_case": 15}
    for items in ITEMS.values():
        assert {item.answer_type for item in items} == set(ANSWER_TYPES)
    assert {item.difficulty for item in ITEMS["eval-v2"]} == {"easy", "medium", "hard"}


def test_the_first_items_are_like_the_whole() -> None:
    assert {item.section for item in ITEMS["eval-v2"][:10]} == {"core", "trace_sensitive", "edge_case"}


@pytest.mark.parametrize("item", ALL, ids=by_id)
def test_every_claim_of_arithmetic_in_the_steps_is_true(item: EvaluationItem) -> None:
    assert item.steps
    assert [claim for step in item.steps for claim in find_claims(step) if not claim.is_true] == []


@pytest.mark.parametrize("item", of_type("number"), ids=by_id)
def test_the_steps_of_a_number_compute_it(item: EvaluationItem) -> None:
    last = find_claims(item.steps[-1])[-1]
    answer = parse_number(item.final_answer)

    assert answer is not None
    assert last.computed == last.stated == answer[0]


@pytest.mark.parametrize("item", of_type("text", "choice", "boolean", "list", "set"), ids=by_id)
def test_the_steps_of_any_other_answer_end_in_it(item: EvaluationItem) -> None:
    answer = re.escape(item.final_answer)

    assert re.search(rf"(?<![\w,]){answer}(?!\w|, \w)", item.steps[-1])


@pytest.mark.parametrize("item", of_type("choice"), ids=by_id)
def test_every_choice_can_be_read_in_the_question(item: EvaluationItem) -> None:
    assert all(f"{label}) {text}" in item.prompt for label, text in item.choices.items())


@pytest.mark.parametrize("item", of_type("number"), ids=by_id)
def test_a_bare_computation_in_the_question_gives_the_answer(item: EvaluationItem) -> None:
    asked = re.fullmatch(r"Compute ([-+*/()\d ]+)\.", item.prompt)
    answer = parse_number(item.final_answer)

    assert answer is not None
    assert asked is None or evaluate(asked[1]).number == answer[0]


def test_there_are_bare_computations() -> None:
    assert sum(item.prompt.startswith("Compute ") for item in ALL) >= 8


@pytest.mark.parametrize("name", ["eval-v1", "eval-v2"])
@pytest.mark.parametrize("template", get_args(TemplateName))
def test_the_true_completions_score_and_those_of_other_items_do_not(
    name: str, template: TemplateName
) -> None:
    found = run_self_test(ITEMS[name], AnswerRule(kind="template", template=template))

    assert (found.gold_mean, found.shuffled_mean, found.expected_shuffled_mean) == (1, 0, 0)


# Expressions

NUMBERS = range(1, 6)
TOLD_ANEW: dict[str, Callable[..., object]] = {
    "eval-v1-014": lambda n: 3 + sum(7 for ticket in range(n)),
    "eval-v2-036": lambda x: sum(x for row in range(x + 3)),
    "eval-v2-060": lambda x: Fraction(x) * Fraction(150, 100) * Fraction(50, 100),
    "eval-v2-068": lambda n: [5, 8, 11, 14, 14 + 3][n - 1],
    "eval-v2-086": lambda y: next(x for x in (Fraction(k, 4) for k in range(40)) if 4 * x - 12 == y),
    "eval-v2-091": lambda s: (s + 2) ** 2 - s**2,
    "eval-v2-094": lambda a, b: a - (a - b),
}
CHAIN = re.compile(r"(?:(?<![A-Za-z])[abnsxy](?![A-Za-z])|[-+*/^()= \d])+")


def read(text: str) -> sympy.Expr:
    letters = {name: sympy.Symbol(name) for name in "abnsxy"}
    return parse_expr(text.strip(), local_dict=letters, transformations=READ)


@pytest.mark.parametrize("item", of_type("expression"), ids=by_id)
def test_an_expression_has_the_values_that_its_question_tells(item: EvaluationItem) -> None:
    told = TOLD_ANEW[item.item_id]
    names = list(inspect.signature(told).parameters)
    answer = read(item.final_answer)

    assert {str(symbol) for symbol in answer.free_symbols} <= set(names)
    for values in itertools.product(NUMBERS, repeat=len(names)):
        told_value, value = told(*values), answer.subs(dict(zip(names, values, strict=True)))
        assert sympy.nsimplify(told_value) == value


@pytest.mark.parametrize("item", of_type("expression"), ids=by_id)
def test_what_the_steps_of_an_expression_call_equal_is_equal(item: EvaluationItem) -> None:
    chains = [chain for step in item.steps for chain in CHAIN.findall(step) if "=" in chain]

    for chain in chains:
        for left, right in itertools.pairwise(chain.split("=")):
            assert sympy.simplify(read(left) - read(right)) == 0, chain
    assert item.final_answer in item.steps[-1]


# Nothing is asked that is taught elsewhere


def generated(dataset_version: str) -> Iterator[str]:
    source = load_recipe(dataset_version, NOWHERE).recipe.source
    assert isinstance(source, GeneratorSource)
    return (trace.prompt for trace in generate(source))


def written(dataset_version: str) -> Iterator[str]:
    entry = load_recipe(dataset_version, NOWHERE)
    assert isinstance(entry.recipe.source, JsonlSource)
    records = ingest(entry.recipe.source, base_dir=entry.path.parent)
    return (record.trace.prompt for record in records if isinstance(record, Ingested))


def test_no_question_is_one_of_a_shipped_dataset() -> None:
    taught = [*written("golden-v1"), *generated("golden-v2"), *generated("dev-reasoning-v1")]
    taught += generated("arithmetic-v1")

    assert len(taught) == 12 + 100 + 300 + 20_000
    assert {normalise_prompt(item.prompt) for item in ALL} & set(map(normalise_prompt, taught)) == set()


def test_no_question_is_asked_twice() -> None:
    assert len({normalise_prompt(item.prompt) for item in ALL}) == len(ALL)


# GSM8K, of which nothing is shipped

LINES = (
    b'{"question": "A farm sells 3 crates of 400 eggs. How many eggs?", "answer": "It sells 3*400='
    b'<<3*400=1200>>1,200 eggs.\\n#### 1,200"}\n'
    b'{"question": "Two lines?", "answer": "One.\\nTwo: 2 - 7 = <<2-7=-5>>-5.\\n#### -5"}\n'
)


def gsm8k(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[EvaluationItem]:
    monkeypatch.setenv("GSM8K_DIR", str(folder))
    return shipped("gsm8k-test-v1")


def test_a_record_of_gsm8k_becomes_an_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test.jsonl").write_bytes(LINES)

    items = {item.prompt: item for item in gsm8k(tmp_path, monkeypatch)}

    farm, lines = items["A farm sells 3 crates of 400 eggs. How many eggs?"], items["Two lines?"]
    assert (farm.final_answer, farm.answer_type) == ("1200", "number")
    assert farm.steps == ("It sells 3*400=1,200 eggs.",)
    assert (lines.final_answer, lines.steps) == ("-5", ("One.", "Two: 2 - 7 = -5."))


@pytest.mark.skipif("GSM8K_DIR" not in os.environ, reason="GSM8K_DIR names no folder")
def test_all_of_gsm8k_can_be_read() -> None:
    items = shipped("gsm8k-test-v1")

    assert len(items) == 1_319
    assert all(item.steps for item in items)
