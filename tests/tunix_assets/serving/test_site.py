import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tunix_assets.serving.server import Listener
from tunix_assets.serving.site import SiteApp
from tunix_ml.store import Store


@pytest.fixture
def base(site: Store, served: Callable[..., Listener]) -> str:
    return served(SiteApp(site)).url


def get(url: str, **options: Any) -> httpx.Response:
    return httpx.get(url, trust_env=False, **options)


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("", "text/html; charset=utf-8"),
        ("runs/a.html", "text/html; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("script.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
        ("api/index.json", "application/json"),
        ("notes.bin", "application/octet-stream"),
    ],
)
def test_a_file_of_the_site_comes_with_its_type_and_a_policy(base: str, path: str, media_type: str) -> None:
    answer = get(base + path)

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../secret.txt",
        "/..%2f..%2f..%2f..%2fsecret.txt",
        "/runs/../artifact.json",
        "/artifact.json",
        "//etc/passwd",
        "/runs",
        "/%00",
        "/pointer.json",
    ],
)
def test_what_the_site_does_not_list_is_not_there(base: str, path: str) -> None:
    connection = http.client.HTTPConnection(str(urlsplit(base).netloc))  # it sends the path as it is
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()

    assert answer.status == 404
    assert b"secret" not in body or b"the site has no" in body


def test_an_unchanged_file_is_not_sent_again(base: str) -> None:
    first = get(base + "style.css")

    again = get(base + "style.css", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


def test_a_new_site_is_served_at_once(base: str, site: Store) -> None:
    with site.slot("results_site", "all").publish() as draft:
        (draft.path / "index.html").write_text("new")

    assert get(base).text == "new"
    assert get(base + "style.css").status_code == 404


def test_a_damaged_file_is_not_served(base: str, site: Store) -> None:
    (site.slot("results_site", "all").resolve().path / "style.css").write_text("changed")

    answer = get(base + "style.css")

    assert answer.status_code == 500
    assert "has sha256" in answer.text


def test_without_a_site_the_page_says_what_to_do(store: Store, served: Callable[..., Listener]) -> None:
    answer = get(served(SiteApp(store)).url)

    assert answer.status_code == 404
    assert "run the job `results` first" in answer.text


def test_the_site_is_only_read(base: str) -> None:
    assert httpx.post(base, trust_env=False).status_code == 405
