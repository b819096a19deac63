"""Publish the results as a static site, made from the published leaderboard."""

from collections.abc import Sequence

from tunix_ml.audits import require_audits
from tunix_ml.provenance import source_digest
from tunix_ml.registry.leaderboard import KEY, LEADERBOARD
from tunix_ml.registry.pages.boards import read_results
from tunix_ml.registry.pages.build import Site
from tunix_ml.registry.pages.card import MOST_QUESTIONS
from tunix_ml.registry.pages.published_sets import published_sets
from tunix_ml.registry.pages.sweeps import published_sweeps
from tunix_ml.store import Snapshot, Store

_ASSET = "results_site"


def publish_site(store: Store, *, required_checks: Sequence[str]) -> Snapshot:
    """Make every page and document, and publish them as one artifact.

    Args:
        store: of the results.
        required_checks: that the leaderboard must have passed.

    Raises:
        NotPublished: there is no leaderboard.
        NotAudited: it has not passed a required check.
    """
    slot = store.slot(LEADERBOARD, KEY)
    leaderboard = require_audits(slot, slot.resolve(), required_checks)
    sets = published_sets(store, most_traces=MOST_QUESTIONS)
    sweeps = published_sweeps(store)
    parents = {LEADERBOARD: leaderboard.digest}
    parents |= {f"trials/{found.report.sweep_id}": found.snapshot.digest for found in sweeps.sweeps}
    parents |= {f"dataset/{found.name}": found.digest for found in sets.datasets}
    parents |= {f"evaluation_set/{found.name}": found.digest for found in sets.evaluation_sets}
    code_version = source_digest("evaluation", "registry")
    with store.slot(_ASSET, KEY).publish(parents=parents, code_version=code_version) as draft:
        results = read_results(leaderboard, home=store.home)
        for path, data in Site(store, results, sets, sweeps).files():
            target = draft.path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    return draft.snapshot
