"""Publish the results as a static site, made from the published leaderboard."""

from collections.abc import Sequence

from tunix_ml.audits import NotAudited, require_audits
from tunix_ml.contracts.artifact import Digest
from tunix_ml.provenance import source_digest
from tunix_ml.registry.leaderboard import KEY, LEADERBOARD, LEASE_TIMEOUT_S
from tunix_ml.registry.pages.boards import read_results
from tunix_ml.registry.pages.build import Site
from tunix_ml.registry.pages.card import MOST_QUESTIONS
from tunix_ml.registry.pages.published_sets import published_sets
from tunix_ml.registry.pages.sweeps import published_sweeps
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

_ASSET = "results_site"


def publish_site(
    store: Store, *, required_checks: Sequence[str], made_from: Digest | None = None
) -> Snapshot:
    """Make every page and document, and publish them as one artifact.

    Args:
        store: of the results.
        required_checks: that the leaderboard must have passed.
        made_from: the digest of the leaderboard to show if the current one has not passed them yet, because
            another process has only just published it; that process will show it.

    Raises:
        NotPublished: there is no leaderboard.
        NotAudited: it has not passed a required check.
    """
    code_version = source_digest("evaluation", "registry")
    slot = store.slot(_ASSET, KEY)
    with slot.publish(code_version=code_version, lease_timeout_s=LEASE_TIMEOUT_S) as draft:
        leaderboard = _leaderboard(store, required_checks, made_from)
        sets = published_sets(store, most_traces=MOST_QUESTIONS)
        sweeps = published_sweeps(store)
        draft.parents[LEADERBOARD] = leaderboard.digest
        draft.parents.update(
            (f"trials/{found.report.sweep_id}", found.snapshot.digest) for found in sweeps.sweeps
        )
        draft.parents.update((f"dataset/{found.name}", found.digest) for found in sets.datasets)
        draft.parents.update((f"evaluation_set/{found.name}", found.digest) for found in sets.evaluation_sets)
        results = read_results(leaderboard, home=store.home)
        for path, data in Site(store, results, sets, sweeps).files():
            target = draft.path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    return draft.snapshot


def _leaderboard(store: Store, required_checks: Sequence[str], made_from: Digest | None) -> Snapshot:
    slot = store.slot(LEADERBOARD, KEY)
    current = slot.resolve()
    try:
        return require_audits(slot, current, required_checks)
    except NotAudited:
        if made_from in {None, current.digest}:
            raise
        return require_audits(slot, slot.resolve(made_from), required_checks)
