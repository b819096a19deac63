"""What a score rests on, as a chain of digests from the dataset to the row of the leaderboard."""

from dataclasses import dataclass

from tunix_ml.contracts.base import TunixError
from tunix_ml.datasets.evaluation_set import source_slot
from tunix_ml.evaluation.report import predictions_slot
from tunix_ml.registry.pages.evaluations import Evaluation
from tunix_ml.registry.pages.run_files import RunFiles
from tunix_ml.slot import Slot
from tunix_ml.store import Store


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link of the chain; `made_at` is empty where the content is no longer in the store."""

    label: str
    name: str
    digest: str
    made_at: str = ""
    is_current: bool = True


def lineage(store: Store, files: RunFiles, evaluation: Evaluation) -> tuple[Link, ...]:
    """Return the chain behind one evaluation: dataset, export, tokens, model, predictions, report and row."""
    report, run, row = evaluation.report, store.run(files.run_id), evaluation.row
    inputs = report.inputs if report else {}
    evaluation_set = row["evaluation_set"]
    chain: list[Link | None] = []
    if files.identity:
        version = files.identity.dataset_version
        digests = {
            "dataset": inputs.get("dataset", files.identity.dataset_digest),
            "sft_export": files.identity.export_digest,
            "tokenized_examples": files.identity.tokens_digest,
        }
        chain += [
            _link(_LABELS[table], store.slot(table, version), digest) for table, digest in digests.items()
        ]
        model = inputs.get("model") or (files.checkpoint.model_digest if files.checkpoint else None)
        chain.append(_link("model", run.slot("model"), model))
    chain.append(_link("questions", source_slot(store, evaluation_set), inputs.get("evaluation_set")))
    chain.append(_link("predictions", predictions_slot(run, evaluation_set), inputs.get("predictions")))
    chain += [
        Link(label=name.replace("_", " "), name="", digest=digest)
        for name, digest in sorted(inputs.items())
        if name not in _CHAINED
    ]
    made_at = evaluation.snapshot.record.created_at if evaluation.snapshot else ""
    chain.append(Link(label="report", name=row["scorer"], digest=row["eval_digest"], made_at=made_at))
    chain.append(Link(label="row", name="all of the above", digest=row["fingerprint"]))
    return tuple(link for link in chain if link)


_LABELS = {"dataset": "dataset", "sft_export": "export", "tokenized_examples": "tokens"}
_CHAINED = frozenset({"dataset", "model", "evaluation_set", "predictions"})


def _link(label: str, slot: Slot, digest: str | None) -> Link | None:
    if digest is None:
        return None
    made_at, is_current = "", False
    try:
        made_at = slot.resolve(digest).record.created_at
        pointer = slot.pointer()
        is_current = pointer is not None and pointer.content_digest == digest
    except TunixError:
        pass  # it was collected, or is damaged: the digest alone is known then
    return Link(label=label, name=slot.key, digest=digest, made_at=made_at, is_current=is_current)
