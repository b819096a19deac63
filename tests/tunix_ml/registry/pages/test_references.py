import pytest

from tunix_ml.registry.pages.references import css_references, is_internal, path_of, read_page


def test_targets_places_rows_and_policies_of_a_page_are_read() -> None:
    page = read_page(
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
        '<link href="style.css"><script src="script.js"></script><h2 id="here"></h2>'
        '<tr data-run="one" data-report="d1"><td><a href="runs/one.html#here">one</a></td></tr>'
    )

    assert page.targets == ["style.css", "script.js", "runs/one.html#here"]
    assert page.anchors == {"here"}
    assert page.rows == {("one", "d1")}
    assert page.policies == ["default-src 'none'"]
    assert page.forbidden == []


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        ("<script>alert(1)</script>", "script"),
        ('<img src="x.png" onerror="alert(1)">', "img onerror"),
        ('<p style="color: red">', "p style"),
        ("<style>p {}</style>", "style"),
        ("<iframe src='x'>", "iframe"),
        ("<base href='x'>", "base"),
        ('<meta http-equiv="refresh" content="0; url=x">', "refresh"),
    ],
)
def test_what_the_policy_forbids_is_found(markup: str, found: str) -> None:
    assert read_page(markup).forbidden == [found]


def test_escaped_markup_is_text() -> None:
    page = read_page("<pre>&lt;script&gt;alert(1)&lt;/script&gt; &lt;a href=//x&gt;</pre>")

    assert (page.targets, page.forbidden) == ([], [])


@pytest.mark.parametrize("target", ["index.html", "../runs/x.html#a", "#a", "a%20b.html", ""])
def test_a_relative_target_is_internal(target: str) -> None:
    assert is_internal(target)


@pytest.mark.parametrize(
    "target",
    ["https://example.com", "//example.com/x", "javascript:alert(1)", "data:text/html,x", "/x", "\\\\x"],
)
def test_any_other_target_is_not(target: str) -> None:
    assert not is_internal(target)


@pytest.mark.parametrize(
    ("target", "page", "path"),
    [
        ("../index.html", "runs/x.html", "index.html"),
        ("y.html", "runs/x.html", "runs/y.html"),
        ("#here", "runs/x.html", "runs/x.html"),
        ("api/index.json", "index.html", "api/index.json"),
        ("../../x.html", "runs/x.html", "../x.html"),
    ],
)
def test_a_target_means_a_path_from_the_root(target: str, page: str, path: str) -> None:
    assert path_of(target, page=page) == path


def test_what_a_style_sheet_would_load_is_found() -> None:
    assert css_references("p { background: url(x.png) } @import 'y.css';") == ["url(", "@import"]
    assert css_references("p { color: red }") == []
