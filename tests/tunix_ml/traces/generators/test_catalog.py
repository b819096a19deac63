import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import set_digest
from tunix_ml.contracts.recipe import DatasetRecipe, GeneratorSource
from tunix_ml.contracts.trace import validate_trace
from tunix_ml.traces.generators.catalog import FAMILIES, GENERATOR_VERSIONS, GENERATORS, generate
from tunix_ml.traces.prompts import normalise_prompt, prompt_fraction


def make(generator: str, *, seed: int = 3, num_traces: int = 200):
    return list(
        generate(GeneratorSource(kind="generator", generator=generator, seed=seed, num_traces=num_traces))
    )


@pytest.mark.parametrize("name", GENERATORS)
def test_every_trace_is_valid_and_its_prompt_unique(name):
    traces = make(name)

    assert all(validate_trace(trace) for trace in traces)
    assert len({normalise_prompt(trace.prompt) for trace in traces}) == 200


@pytest.mark.parametrize("name", GENERATORS)
def test_more_traces_begin_with_fewer_and_another_seed_gives_others(name):
    assert make(name, num_traces=200)[:50] == make(name, num_traces=50)
    assert make(name, seed=4, num_traces=50) != make(name, num_traces=50)


@pytest.mark.parametrize(
    ("name", "seed", "num_traces", "digest"),
    [
        ("golden", 42, 100, "2fbda6a072006b3b"),
        ("dev_reasoning", 7, 300, "485380ab3e7790ba"),
        ("arithmetic", 1, 1_000, "bdd4df27b28640c4"),
        ("card_games", 1, 300, "c2552b193f5b1126"),
    ],
)
def test_a_version_of_a_generator_never_changes_its_traces(name, seed, num_traces, digest):
    traces = make(name, seed=seed, num_traces=num_traces)

    assert GENERATOR_VERSIONS[name] == "1", "a new version has new digests: write them here"
    assert set_digest(trace.trace_id() for trace in traces)[:16] == digest


def test_the_hash_seed_of_the_interpreter_changes_nothing():
    code = (
        "from tunix_ml.contracts.recipe import DatasetRecipe, GeneratorSource as S;"
        "from tunix_ml.traces.generators.catalog import generate;"
        "source = S(kind='generator', generator='golden', seed=1, num_traces=20);"
        "print([trace.trace_id() for trace in generate(source)])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }

    assert len(outputs) == 1


def test_meta_names_family_generator_and_operands():
    (trace,) = make("golden", seed=42, num_traces=1)

    assert trace.meta == {
        "family": "column_addition",
        "generator": "golden@1",
        "operands": {"a": 3817, "b": 6494},
    }


def test_families_share_the_traces_evenly():
    families = Counter(trace.meta["family"] for trace in make("dev_reasoning", num_traces=300))

    assert len(families) == 13
    assert set(families.values()) <= {23, 24}


def test_an_unknown_generator_is_refused_at_once_with_the_known_ones():
    with pytest.raises(ContractError, match="'poetry' is none of arithmetic, card_games, dev_reasoning, g"):
        generate(GeneratorSource(kind="generator", generator="poetry", seed=1, num_traces=1))


def test_a_family_with_no_new_prompt_left_says_so():
    with pytest.raises(ContractError, match="no new prompt of family 'word_reversal'"):
        make("dev_reasoning", num_traces=3_000)


def test_every_family_bears_its_name_once():
    named = {id(family): family.name for generator in GENERATORS.values() for family in generator.families}

    assert len(named) == len(set(named.values())) == len(FAMILIES)


@pytest.mark.parametrize(
    ("name", "num_traces", "least"),
    [("golden-v2", 100, 5), ("dev-reasoning-v1", 300, 20), ("arithmetic-v1", 20_000, 400)],
)
def test_every_split_of_a_shipped_recipe_has_traces_enough(name, num_traces, least):
    text = (Path(__file__).parents[4] / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    recipe = DatasetRecipe.model_validate(yaml.safe_load(text))
    fractions = [prompt_fraction(trace.prompt) for trace in generate(recipe.source)]
    train, validation = recipe.splits["train"], recipe.splits["train"] + recipe.splits["validation"]

    num_validation = sum(train <= fraction < validation for fraction in fractions)
    num_test = sum(fraction >= validation for fraction in fractions)

    assert len(fractions) == num_traces
    assert min(num_validation, num_test) >= least
