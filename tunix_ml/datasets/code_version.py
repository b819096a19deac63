"""The source code that makes datasets, as a digest."""

from tunix_ml.provenance import source_digest


def code_version() -> str:
    """Return the digest of the source code that makes datasets."""
    return source_digest("contracts", "traces", "datasets")
