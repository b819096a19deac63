"""Templates to pages: every value is escaped, and what a reader could not see is made visible first."""

import functools
from importlib import resources
from typing import TYPE_CHECKING, Any

from tunix_ml.evaluation.comparison import numbers
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.text import cut, moment, visible

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)
_PACKAGE = "tunix_ml.registry.pages"
_STATIC = (links.STYLE, links.SCRIPT, links.ICON)
_DIGEST_CHARACTERS = 12


def render(template: str, *, page: str, view: object, **values: Any) -> str:
    """Return a page of the site.

    Args:
        template: name of its template.
        page: path of the page, from which links to others are relative.
        view: the view model that the template shows.
        values: anything else that it needs.
    """
    found = _environment().get_template(f"{template}.html.jinja")
    return found.render(view=view, page=page, root=links.root_of(page), **values)


def static_files() -> dict[str, bytes]:
    """Return the style sheet, the script and the icon by their paths."""
    folder = resources.files(_PACKAGE).joinpath("static")
    return {name: folder.joinpath(name).read_bytes() for name in _STATIC}


@functools.cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - not at the load of the definitions

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=PackageLoader(_PACKAGE),
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(links=links, policy=POLICY)
    environment.filters.update(
        cut=lambda text, most: cut(text, most=most),
        percent=numbers.percent,
        points=numbers.points,
        count=numbers.count,
        compact=numbers.compact,
        short=numbers.short,
        duration=numbers.duration,
        moment=moment,
        digest=lambda digest: digest[:_DIGEST_CHARACTERS],
    )
    return environment


def _finalize(value: Any) -> Any:
    """Make plain texts visible; what a template made itself is left alone."""
    return visible(value) if type(value) is str else value
