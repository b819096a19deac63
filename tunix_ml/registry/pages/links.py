"""Where each page and document of the site lies, relative to its root; the paths are part of its contract."""

from tunix_ml.contracts.canonical import record_digest

INDEX = "index.html"
COMPARISONS = "compare/index.html"
DATASETS = "datasets/index.html"
RUNS = "runs/index.html"
SWEEPS = "sweeps/index.html"
STYLE, SCRIPT, ICON = "style.css", "script.js", "icon.svg"
API_INDEX = "api/index.json"
API_LEADERBOARD = "api/leaderboard.json"
API_PAIRS = "api/pairs.json"
API_RUNS = "api/runs.json"
_PAIR_KEY_LENGTH = 16


def run_page(run_id: str) -> str:
    """Return the page of a run."""
    return f"runs/{run_id}.html"


def comparison_page(evaluation_set: str, scorer: str, run_a: str, run_b: str) -> str:
    """Return the page of two runs on one board: the name does not depend on which is named first."""
    key = record_digest([evaluation_set, scorer, *sorted((run_a, run_b))])
    return f"compare/{key[:_PAIR_KEY_LENGTH]}.html"


def dataset_page(dataset_version: str) -> str:
    """Return the page of a dataset version."""
    return f"datasets/{dataset_version}.html"


def rows_page(dataset_version: str) -> str:
    """Return the page of where a dataset version's rows came from, and what was left out."""
    return f"rows/{dataset_version}.html"


def evaluation_set_page(name: str) -> str:
    """Return the page of an evaluation set of the catalog."""
    return f"evaluation-sets/{name}.html"


def sweep_page(sweep_id: str) -> str:
    """Return the page of a sweep."""
    return f"sweeps/{sweep_id}.html"


def sweep_document(sweep_id: str) -> str:
    """Return the JSON document of a sweep."""
    return f"api/sweeps/{sweep_id}.json"


def run_document(run_id: str, name: str) -> str:
    """Return a JSON document of a run: `run`, `metrics` or `items`."""
    return f"api/runs/{run_id}/{name}.json"


def dataset_document(dataset_version: str) -> str:
    """Return the JSON document of a dataset version."""
    return f"api/datasets/{dataset_version}.json"


def evaluation_set_document(name: str) -> str:
    """Return the JSON document of an evaluation set."""
    return f"api/evaluation-sets/{name}.json"


def root_of(page: str) -> str:
    """Return what leads from a page to the site's root, like `../`."""
    return "../" * page.count("/")
