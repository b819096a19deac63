import pytest

from tunix_ml.contracts.recipe import JsonlSource
from tunix_ml.traces.lines import SourceError
from tunix_ml.traces.sources import VariableNotSet, source_files


def files_of(path: str, base_dir):
    return source_files(JsonlSource(kind="jsonl", path=path), base_dir=base_dir)


def test_a_file_is_found_relative_to_the_recipe_whatever_its_name(tmp_path):
    (tmp_path / "rows.txt").touch()

    assert files_of("rows.txt", tmp_path) == (tmp_path / "rows.txt",)


def test_a_folder_is_its_jsonl_files_by_name_not_its_folders_or_hidden_ones(tmp_path):
    for name in ("b.jsonl", "a.jsonl.gz", "c.json", ".tmp.jsonl", "README.md"):
        (tmp_path / name).touch()
    (tmp_path / "d.jsonl").mkdir()

    assert [file.name for file in files_of(".", tmp_path)] == ["a.jsonl.gz", "b.jsonl"]


def test_environment_variables_in_the_path_are_expanded(tmp_path, monkeypatch):
    (tmp_path / "rows.jsonl").touch()
    monkeypatch.setenv("ROWS_DIR", str(tmp_path))

    assert files_of("${ROWS_DIR}/rows.jsonl", tmp_path / "elsewhere") == (tmp_path / "rows.jsonl",)


@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_variable_is_named_with_the_path(tmp_path, monkeypatch, value):
    monkeypatch.delenv("ROWS_DIR", raising=False)
    if value is not None:
        monkeypatch.setenv("ROWS_DIR", value)

    with pytest.raises(
        VariableNotSet, match=r"'\$\{ROWS_DIR\}/rows\.jsonl' needs the environment variable ROWS_DIR"
    ):
        files_of("${ROWS_DIR}/rows.jsonl", tmp_path)


def test_a_missing_path_and_a_folder_without_files_are_errors(tmp_path):
    (tmp_path / "empty").mkdir()

    with pytest.raises(SourceError, match=r"'none\.jsonl' leads to .*none\.jsonl, which does not exist"):
        files_of("none.jsonl", tmp_path)
    with pytest.raises(SourceError, match=r"a folder without \.jsonl or \.jsonl\.gz"):
        files_of("empty", tmp_path)


def test_a_pattern_is_the_files_that_match_it(tmp_path, monkeypatch):
    for name in ("a/1.jsonl", "b/2.jsonl.gz", "b/3.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setenv("ROWS_DIR", str(tmp_path))

    assert [file.name for file in files_of("${ROWS_DIR}/*/*", tmp_path)] == ["1.jsonl", "2.jsonl.gz"]


def test_two_files_of_one_name_cannot_be_told_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.jsonl").touch()

    with pytest.raises(SourceError, match=r"several files named 'rows\.jsonl': rename them"):
        files_of("*/rows.jsonl", tmp_path)
