"""List the licence of each component of a CycloneDX file as CSV; one that is not allowed is an error.

python .ci/list_licences.py dist/sbom.cdx.json > dist/licences.csv
"""

import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

# What is linked may be permissive or weakly copyleft; anything else is looked at by a human first.
ALLOWED = {
    *("0BSD", "AFL-2.1", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python"),
    *("ISC", "LGPL", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Python-2.0", "Zlib"),
}
# Classifiers do not say which BSD or which LGPL.
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
# These say their licence in words that are no identifier; read in their archives.
READ_BY_HAND = {
    "antlr4-python3-runtime": "BSD-3-Clause",
    "protobuf": "BSD-3-Clause",
    "transformers": "Apache-2.0",
}


class Component(NamedTuple):
    """A package that is shipped, and the licence it names."""

    name: str
    version: str
    licence: str


def components(bom: dict[str, Any]) -> Iterator[Component]:
    """Yield the components of a bill of materials, in its order; a licence that none names is empty."""
    for entry in bom["components"]:
        named = sorted({_identifier(licence) for licence in entry.get("licenses", ())} - {""})
        licence = " AND ".join(named) or READ_BY_HAND.get(entry["name"], "")
        yield Component(entry["name"], entry.get("version", ""), licence)


def is_allowed(licence: str) -> bool:
    """Say whether a licence expression can be met with what is allowed: all of an AND, one of an OR."""
    choices = re.split(r"\s+OR\s+", licence.replace("(", "").replace(")", ""))
    return any(set(re.split(r"\s+AND\s+", choice)) <= ALLOWED for choice in choices)


def main(path: str) -> int:
    """Write the list to standard output, and what is not allowed to standard error."""
    found = sorted(components(json.loads(Path(path).read_text(encoding="utf-8"))))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(Component._fields)
    writer.writerows(found)
    refused = [component for component in found if not is_allowed(component.licence)]
    for component in refused:
        sys.stderr.write(
            f"{component.name} {component.version} has the licence {component.licence or 'of no name'!r},"
            " which is not among those allowed\n"
        )
    if not found:
        sys.stderr.write(f"{path} lists no component\n")
    return int(bool(refused) or not found)


def _identifier(entry: dict[str, Any]) -> str:
    if "expression" in entry:
        return str(entry["expression"])
    licence = entry["license"]
    classifier = str(licence.get("name", "")).rpartition(" :: ")[2]
    return str(licence.get("id") or CLASSIFIERS.get(classifier, ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
