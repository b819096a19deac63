"""What a page refers to, read from its markup: targets of links, files it loads, and places in it."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

_LOADING = {"src", "href", "action", "formaction", "poster", "data", "srcset", "background", "xlink:href"}
_CSS_REFERENCE = re.compile(r"@import|url\(|image-set\(|expression\(", re.IGNORECASE)


@dataclass(frozen=True)
class Page:
    """The references of one page, each as it is written, and what it names; `rows` are run and report."""

    targets: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    rows: set[tuple[str, str]] = field(default_factory=set)
    policies: list[str] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)


def read_page(markup: str) -> Page:
    """Return what a page refers to."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader.page


def is_internal(target: str) -> bool:
    """Say whether a reference stays on the site: it is relative, with no scheme and no host."""
    parts = urlsplit(target)
    return not (parts.scheme or parts.netloc or target.startswith(("/", "\\")))


def path_of(target: str, *, page: str) -> str:
    """Return the path from the site's root that a relative reference on a page means."""
    path = unquote(urlsplit(target).path)
    parts: list[str] = []
    for part in PurePosixPath(page).parent.joinpath(path).parts if path else PurePosixPath(page).parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def css_references(style: str) -> list[str]:
    """Return the ways in which a style sheet would load something."""
    return _CSS_REFERENCE.findall(style)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.page.targets.extend(values[name] for name in sorted(_LOADING & values.keys()))
        if "id" in values:
            self.page.anchors.add(values["id"])
        if "data-run" in values:
            self.page.rows.add((values["data-run"], values.get("data-report", "")))
        if values.get("http-equiv", "").lower() == "content-security-policy":
            self.page.policies.append(values.get("content", ""))
        self._refuse(tag, values)

    def _refuse(self, tag: str, values: dict[str, str]) -> None:
        """Note what the policy would not let through: code and style in the page, frames, refreshes."""
        found = [f"{tag} {name}" for name in values if name.startswith("on") or name == "style"]
        if tag in {"iframe", "object", "embed", "base", "style"} or (tag == "script" and "src" not in values):
            found.append(tag)
        if values.get("http-equiv", "").lower() == "refresh":
            found.append("refresh")
        self.page.forbidden.extend(found)
