"""What exactly is behind a number: every artifact from a leaderboard row back to the source files."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.contracts.evaluation_set import EvaluationSetManifest
from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.training import RunIdentity
from tunix_ml.evaluation.report import ANSWERS, eval_slot, read_eval
from tunix_ml.registry.policy import Row, Scope, row_of
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot, StoreError
from tunix_ml.store import Store

GONE = "gone"
# What these parents name lies in the store; other digests are of texts and items, which have no place there.
_PUBLISHED = {"answers", "dataset", "judgements", "model", "predictions", "sft_export", "source"}
_PUBLISHED |= {"tokenized_examples"}


class NoSuchRow(TunixError):
    """The leaderboard has no row that is meant."""


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """One thing that a number rests on.

    Attributes:
        kind: `row`, a table of the store, `source` for a file that was read, or what else was counted in.
        name: key of the slot, name of the file.
        digest: of its content.
        role: what it is to the one it was found behind, like `model` or `dataset`.
        found: where it lies, `gone` if its content is no longer in the store; empty for what has no place.
        made_at: UTC, empty where it is not known.
        code_version: digest of the source code that made it.
        behind: what this one rests on itself.
    """

    kind: str
    name: str
    digest: Digest
    role: str
    found: str = ""
    made_at: str = ""
    code_version: str = ""
    behind: tuple["Ancestor", ...] = field(default=())

    def lines(self) -> Iterator[str]:
        """Yield a line for this and everything behind it, indented; nothing is told twice."""
        yield from self._lines(0, set())

    def _lines(self, depth: int, told: set[Digest]) -> Iterator[str]:
        is_repeated = bool(self.behind) and self.digest in told
        told.add(self.digest)
        remark = "  (see above)" if is_repeated else ""
        remark += "  (no longer in the store)" if self.found == GONE else ""
        yield f"{'  ' * depth}{self.role}: {self.kind} {self.name}  {self.digest}{remark}"
        if not is_repeated:
            for ancestor in self.behind:
                yield from ancestor._lines(depth + 1, told)


def find_row(rows: list[Row], run_id: str, *, evaluation_set: str = "", scorer: str = ANSWERS) -> Row:
    """Return the row that is meant.

    Raises:
        NoSuchRow: the run has none, or several and none was named.
    """
    if evaluation_set:
        found = row_of(rows, run_id, scope=Scope(evaluation_set, scorer))
        if found is None:
            raise NoSuchRow(f"{run_id!r:.140} has no row on {evaluation_set} by {scorer}")
        return found
    mine = [row for row in rows if row["run_id"] == run_id and row["scorer"] == scorer]
    if not mine:
        raise NoSuchRow(f"{run_id!r:.140} has no row by {scorer} on the leaderboard")
    if len(mine) != 1:
        sets = ", ".join(sorted(row["evaluation_set"] for row in mine))
        raise NoSuchRow(f"{run_id!r:.140} has a row by {scorer} on {sets}: say which evaluation set is meant")
    return mine[0]


def ancestry(store: Store, row: Row) -> Ancestor:
    """Return a row with everything behind it: report, predictions, model, tokens, export, dataset, sources.

    It follows the digests that were written down when each was made, not what is current now.
    """
    slot = eval_slot(store.run(row["run_id"]), row["evaluation_set"], row["scorer"])
    report = _ancestor(_Index(store), slot, row["eval_digest"], role="report")
    return Ancestor(
        kind="row",
        name=f"{row['run_id']} on {row['evaluation_set']} by {row['scorer']}",
        digest=row["fingerprint"],
        role="row",
        made_at=row["evaluated_at"],
        behind=(report, *_counted_in(slot, row)),
    )


class _Index:
    """The slots of a store by the digests that lie in them, current or not."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._slots = [slot for slot in store.slots() if slot.table != "leaderboard"]
        self._known: dict[Digest, Slot | None] = {}

    def slot_of(self, digest: Digest) -> Slot | None:
        if digest not in self._known:
            holding = (slot for slot in self._slots if (slot.path / digest[:16]).is_dir())
            self._known[digest] = next((slot for slot in holding if _holds(slot, digest)), None)
        return self._known[digest]


def _ancestor(index: _Index, slot: Slot | None, digest: Digest, *, role: str) -> Ancestor:
    snapshot = _resolved(slot, digest)
    if slot is None or snapshot is None:
        kind, name = (slot.table, slot.key) if slot else ("content", "")
        return Ancestor(kind=kind, name=name, digest=digest, role=role, found=GONE)
    return Ancestor(
        kind=slot.table,
        name=slot.key,
        digest=digest,
        role=role,
        found=str(snapshot.path),
        made_at=snapshot.record.created_at,
        code_version=snapshot.record.code_version,
        behind=tuple(_behind(index, snapshot)),
    )


def _behind(index: _Index, snapshot: Snapshot) -> Iterator[Ancestor]:
    for role, digest in sorted(snapshot.record.parents.items()):
        if digest != snapshot.digest:
            slot = index.slot_of(digest)
            if slot or role.partition(":")[0] in _PUBLISHED:
                yield _ancestor(index, slot, digest, role=role)
            else:
                yield Ancestor(kind="content", name=role.replace("_", " "), digest=digest, role=role)
    yield from _sources(snapshot)
    yield from _base_model(index.store, snapshot)


def _sources(snapshot: Snapshot) -> Iterator[Ancestor]:
    """Yield the files that a dataset or an evaluation set was read from."""
    if snapshot.record.table == "dataset":
        manifest = DatasetManifest.read(snapshot.file("manifest.json"))
        for source in manifest.sources:
            yield Ancestor(kind="source", name=source.name, digest=source.sha256, role="read from")
        yield Ancestor(kind="recipe", name=snapshot.record.key, digest=manifest.recipe_digest, role="made by")
    elif snapshot.record.table == "evaluation_set":
        asked = EvaluationSetManifest.read(snapshot.file("manifest.json"))
        yield Ancestor(kind="source", name=asked.source, digest=asked.source_sha256, role="read from")
        yield Ancestor(kind="recipe", name=asked.name, digest=asked.recipe_digest, role="made by")


def _base_model(store: Store, snapshot: Snapshot) -> Iterator[Ancestor]:
    """Yield the identity behind a trained model, and the model that was fine-tuned."""
    config = store.run(snapshot.record.key).path / "config.json" if snapshot.record.table == "model" else None
    if config is None or not config.is_file():
        return
    identity = RunIdentity.read(config)
    yield Ancestor(
        kind="configuration", name=identity.train.recipe, digest=identity.fingerprint(), role="trained by"
    )
    if identity.base_model_digest:
        base = identity.train.base_model
        yield Ancestor(kind="model", name=base, digest=identity.base_model_digest, role="fine-tuned from")


def _counted_in(slot: Slot, row: Row) -> Iterator[Ancestor]:
    """Yield what a report counts in that is no artifact: the scorers' source code."""
    try:
        report = read_eval(slot, digest=row["eval_digest"])
    except (StoreError, ContractError):
        return
    for metric, digest in sorted(report.scorers.items()):
        yield Ancestor(kind="scorer", name=metric, digest=digest, role="scored by")


def _holds(slot: Slot, digest: Digest) -> bool:
    return _resolved(slot, digest) is not None


def _resolved(slot: Slot | None, digest: Digest) -> Snapshot | None:
    try:
        return slot.resolve(digest) if slot else None
    except StoreError:
        return None
