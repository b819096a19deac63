from tunix_ml.contracts.reject import EXCERPT_CHARACTERS
from tunix_ml.traces.excerpts import excerpt, printable


def test_an_excerpt_is_short_printable_ascii():
    found = excerpt(b'{"a": "\xff\x1b[31m\xc3\xa9\n"}' + b"x" * 500)

    assert found.startswith(r'{"a": "\xff\x1b[31m\xe9\n"}')
    assert len(found) == EXCERPT_CHARACTERS
    assert found.isascii()


def test_a_printable_text_keeps_its_letters():
    assert printable("é\n\u202e") == r"é\n\u202e"
