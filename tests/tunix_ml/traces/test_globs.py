import pytest

from tunix_ml.traces.globs import is_pattern, named_files
from tunix_ml.traces.lines import SourceError

SUFFIXES = (".jsonl", ".jsonl.gz")


def names(path: str, base_dir) -> list[str]:
    return [file.name for file in named_files(path, base_dir=base_dir, suffixes=SUFFIXES)]


@pytest.fixture
def tree(tmp_path):
    for name in ("b/2.jsonl", "b/deep/3.jsonl.gz", "a/1.jsonl", "a/1.txt", ".hidden/4.jsonl", "a/.5.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_pattern_means_the_files_that_match_named_below_its_fixed_part(tree):
    assert names("*/*.jsonl", tree) == ["a/1.jsonl", "b/2.jsonl"]
    assert names("b/*", tree) == ["2.jsonl"]
    assert names("**/*", tree) == ["a/1.jsonl", "b/2.jsonl", "b/deep/3.jsonl.gz"]


def test_equal_names_in_two_folders_stay_apart(tree):
    (tree / "b" / "1.jsonl").touch()

    assert names("*/1.jsonl", tree) == ["a/1.jsonl", "b/1.jsonl"]


def test_a_folder_is_its_own_files_and_a_file_is_itself(tree):
    assert names("a", tree) == ["1.jsonl"]
    assert names("a/1.txt", tree) == ["1.txt"]


def test_a_name_with_a_bracket_is_no_pattern_where_it_exists(tmp_path):
    (tmp_path / "rows[1].jsonl").touch()

    assert names("rows[1].jsonl", tmp_path) == ["rows[1].jsonl"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none", "which does not exist"),
        ("empty", r"a folder without \.jsonl or \.jsonl\.gz"),
        ("none-*", r"matches no file ending in \.jsonl or \.jsonl\.gz"),
        ("b/deep/*.txt", "matches no file"),
    ],
)
def test_what_means_no_file_is_an_error(tree, path, message):
    (tree / "empty").mkdir()
    with pytest.raises(SourceError, match=message):
        names(path, tree)


def test_only_the_three_magic_characters_make_a_pattern():
    assert [is_pattern(path) for path in ("a/*.b", "a?", "[ab]", "a-b_c.d")] == [True, True, True, False]
