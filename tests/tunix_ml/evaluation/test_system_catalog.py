from pathlib import Path

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.evaluation.system_catalog import load_systems, systems_recipes

RECIPE = """
description: One system.
license: MIT
path: answers.jsonl
evaluation_set: eval-v1
question: {field: question}
answer: {kind: hashes}
systems: {one: {text: {field: text}}}
"""


def test_recipes_lie_in_the_catalog_and_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNIX_CATALOG", str(tmp_path / "catalog"))
    for name in ("catalog/systems/b.yaml", "home/recipes/systems/a.yaml", "home/recipes/systems/b.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(RECIPE)

    found = systems_recipes(tmp_path / "home")

    assert found == [tmp_path / "home/recipes/systems/a.yaml", tmp_path / "catalog/systems/b.yaml"]
    assert load_systems(found[0]).name == "a"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (": :\n  - [", "is not YAML"),
        ("license: MIT", "is not a recipe of systems: description"),
    ],
)
def test_a_malformed_recipe_is_named(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)

    with pytest.raises(ContractError, match=rf"bad\.yaml {found}"):
        load_systems(path)


def test_every_shipped_recipe_can_be_read() -> None:
    assert [load_systems(path).name for path in systems_recipes(Path("nowhere"))] == ["gsm8k-2021"]
