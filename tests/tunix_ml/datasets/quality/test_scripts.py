import pytest

from tunix_ml.datasets.quality.scripts import language_of, script_of


@pytest.mark.parametrize(
    ("text", "script", "language"),
    [
        ("How many?", "latin", "undetermined"),
        ("Gr\u00f6\u00dfe und Ma\u00df", "latin", "undetermined"),
        ("1 + 1 = 2", "none", "undetermined"),
        ("\u0421\u043a\u043e\u043b\u044c\u043a\u043e x?", "cyrillic", "undetermined"),
        ("\u03c0\u03cc\u03c3\u03bf", "greek", "el"),
        ("\u6771\u4eac\u306b\u4f55\u4eba", "kana", "ja"),
        ("\u4e00\u5171\u591a\u5c11", "han", "zh"),
        ("\uba87 \uac1c", "hangul", "ko"),
        ("\u1f34\u03c3\u03bf\u03c2", "greek", "el"),
        ("\ua000\ua001", "other", "undetermined"),
        ("\u2460", "none", "undetermined"),
    ],
)
def test_the_script_of_most_letters_counts(text: str, script: str, language: str) -> None:
    assert script_of(text) == script
    assert language_of(script) == language
