from pathlib import Path

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.datasets.catalog import UnknownDatasetVersion, dataset_versions, load_recipe

RECIPE = """
description: Five sums.
license: Apache-2.0
source: {kind: generator, generator: golden, seed: 1, num_traces: 5}
"""


def write_recipe(home: Path, name: str, text: str | bytes = RECIPE) -> Path:
    path = home / "recipes" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_every_shipped_recipe_can_be_read(tmp_path: Path) -> None:
    versions = dataset_versions(tmp_path)

    assert {"golden-v1", "golden-v2", "dev-reasoning-v1", "gsm8k-v1"} <= set(versions)
    assert [load_recipe(version, tmp_path).dataset_version for version in versions] == versions


def test_a_recipe_of_the_users_own_joins_the_catalog(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine-v1")

    entry = load_recipe("mine-v1", tmp_path)

    assert "mine-v1" in dataset_versions(tmp_path)
    assert (entry.path, entry.recipe.description) == (path, "Five sums.")


def test_a_shipped_version_cannot_be_replaced_by_a_recipe_of_the_users_own(tmp_path: Path) -> None:
    write_recipe(tmp_path, "golden-v2")

    assert load_recipe("golden-v2", tmp_path).recipe.description != "Five sums."


def test_the_environment_can_name_another_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recipe(tmp_path, "mine-v1")
    monkeypatch.setenv("TUNIX_CATALOG", str(tmp_path / "recipes"))

    assert dataset_versions(tmp_path / "nowhere") == ["mine-v1"]


def test_an_unknown_version_is_refused_and_the_known_ones_named(tmp_path: Path) -> None:
    write_recipe(tmp_path, "mine-v1")

    with pytest.raises(UnknownDatasetVersion, match=r"no recipe golden-v99\.yaml .*golden-v2.*mine-v1"):
        load_recipe("golden-v99", tmp_path)


@pytest.mark.parametrize("name", ["golden", "golden-v", "Golden-v2", "../golden-v2", "a/b-v1", "", "a..b-v1"])
def test_a_malformed_name_is_refused_before_any_file_is_looked_for(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContractError, match="is not of the form <name>-v<number>"):
        load_recipe(name, tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            RECIPE + "licence: MIT\n",
            r"licence: there is no such field, did you mean 'license'\? \(got 'MIT'\)",
        ),
        (RECIPE.replace("seed: 1", "seeds: 1"), "source.seeds: there is no such field, did you mean 'seed'"),
        (RECIPE.replace("num_traces: 5", "num_traces: 0"), "source.num_traces: .* greater than"),
        (RECIPE + "splits: {train: 0.9, test: 0.2}\n", "splits: .* must add up to 1"),
        (RECIPE + "splits: {training: 1.0}\n", "splits.training"),
        (RECIPE + "max_reject_rate: .nan\n", "max_reject_rate"),
        ("", "these are no fields"),
        ("- a\n- b\n", "these are no fields"),
    ],
)
def test_a_recipe_that_breaks_its_contract_is_refused_naming_file_and_field(
    tmp_path: Path, text: str, complaint: str
) -> None:
    write_recipe(tmp_path, "mine-v1", text)

    with pytest.raises(ContractError, match=rf"mine-v1\.yaml is not a dataset recipe: .*{complaint}"):
        load_recipe("mine-v1", tmp_path)


@pytest.mark.parametrize("text", [b"description: [1, 2", b"a: 1\n\tb: 2", b"description: caf\xe9", b"\x00"])
def test_a_recipe_that_is_no_yaml_is_refused_naming_the_file(tmp_path: Path, text: bytes) -> None:
    write_recipe(tmp_path, "mine-v1", text)

    with pytest.raises(ContractError, match=r"mine-v1\.yaml is not YAML"):
        load_recipe("mine-v1", tmp_path)
