"""What is demanded of a version before it comes into office, and the decisions themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.gate import GateReport
from tunix_ml.contracts.registry import Decision, EventKind, ModelVersion
from tunix_ml.registry.contest import contest
from tunix_ml.registry.events import RegistryError
from tunix_ml.registry.evidence import damage, evidence_of, failed_checks, not_reproduced, reproduction_of
from tunix_ml.registry.leaderboard import report_of
from tunix_ml.registry.models import RegisteredModel, decide, illegal
from tunix_ml.registry.policy import Row, Scope, eligible_rows, is_sound, row_of, row_of_version, version_of
from tunix_ml.snapshot import StoreError
from tunix_ml.store import Store


class DecisionRefused(RegistryError):
    """What a promotion or a roll-back demands is not fulfilled; `reasons` has all that is missing."""

    def __init__(self, subject: str, reasons: Sequence[str]) -> None:
        super().__init__(f"{subject}: {'; '.join(reasons)}")
        self.reasons = list(reasons)


@dataclass(frozen=True, kw_only=True)
class PromotionRules:
    """What a promotion is measured by.

    Attributes:
        scope: the board on which runs are compared.
        delta: loss against the champion that would be put up with, in the metric's unit.
        allow_inconclusive: promote although the items are too few to rule such a loss out.
        required_checks: checks that must have passed, by asset: checkpoint, predictions, eval_report.
    """

    scope: Scope
    delta: float
    allow_inconclusive: bool = False
    required_checks: Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What was found when a run was examined: every reason against it, and what they were taken from."""

    run_id: str
    version: Digest | None = None
    reasons: tuple[str, ...] = ()
    gate: GateReport | None = None
    evidence: Mapping[str, Digest] = field(default_factory=dict)


def register_new(
    store: Store, model: RegisteredModel, rows: Sequence[Row], *, scope: Scope, actor: str
) -> RegisteredModel:
    """Register each run with a valid row in a scope whose model is not known yet, the earliest first."""
    for row in sorted(eligible_rows(rows, scope=scope), key=lambda row: (row["evaluated_at"], row["run_id"])):
        version = version_of(row)
        if version is not None and version not in model.versions:
            decision = Decision(
                kind="register",
                version=version,
                run_id=row["run_id"],
                actor=actor,
                reason=f"it has a valid score on {scope.evaluation_set}",
                evaluation_set=scope.evaluation_set,
                scorer=scope.scorer,
                evidence=evidence_of(store, row),
            )
            model = decide(store, model, decision)
    return model


def examine(
    store: Store,
    model: RegisteredModel,
    run_id: str,
    *,
    rows: Sequence[Row],
    rules: PromotionRules,
    hindrance: str | None = None,
) -> Examination:
    """Hold a run against everything that promotion demands, and return every reason against it.

    It demands a valid, complete row; files that are what was published; checks that have passed; a model
    that writes its predictions again; and that the gate does not find it worse than the champion. Without a
    champion there is nothing to be worse than; with one that it cannot be compared with, it is refused.

    Args:
        store: where everything lies.
        model: the registered model.
        run_id: the run.
        rows: of the leaderboard, as it is now.
        rules: what it is measured by.
        hindrance: why the model could not be asked again, if it could not.
    """
    scope = rules.scope
    row = row_of(rows, run_id, scope=scope)
    if row is None:
        return Examination(run_id=run_id, reasons=(f"{run_id} has no row on {_named(scope)}",))
    version = version_of(row)
    if version is None or row["dataset_version"] is None:
        return Examination(
            run_id=run_id, reasons=(f"{run_id} was made elsewhere: there is no model of it here",)
        )
    evidence = evidence_of(store, row) | reproduction_of(store, row)
    gate, doubts = _gate(store, model, row, rows=rows, rules=rules)
    reasons = [
        *unsound(row),
        *damage(store, run_id, evidence, scope=scope),
        *failed_checks(store, row, evidence, required=rules.required_checks),
        *([f"the model of {run_id} could not be asked again: {hindrance}"] if hindrance else []),
        *([] if hindrance else not_reproduced(store, row)),
        *doubts,
    ]
    return Examination(
        run_id=run_id, version=version, reasons=tuple(dict.fromkeys(reasons)), gate=gate, evidence=evidence
    )


def promote(
    store: Store,
    model: RegisteredModel,
    examined: Examination,
    *,
    scope: Scope,
    actor: str,
    reason: str,
) -> RegisteredModel:
    """Bring an examined run's version into office.

    Raises:
        DecisionRefused: the examination found something against it, or its status forbids it.
        StaleDecision: another event was appended since; the examination may not hold any more.
    """
    if examined.version is None:
        raise DecisionRefused(f"{examined.run_id} is not promoted", examined.reasons)
    decision = Decision(
        kind="promote",
        version=examined.version,
        run_id=examined.run_id,
        actor=actor,
        reason=reason,
        evaluation_set=scope.evaluation_set,
        scorer=scope.scorer,
        gate=examined.gate,
        evidence=dict(examined.evidence),
    )
    if reasons := [*illegal(model, decision), *examined.reasons]:
        raise DecisionRefused(f"{examined.run_id} is not promoted", reasons)
    return decide(store, model, decision)


def roll_back(
    store: Store, model: RegisteredModel, version: ModelVersion, *, actor: str, reason: str
) -> RegisteredModel:
    """Bring a former champion back into office, and reject the present one.

    Raises:
        DecisionRefused: it is no former champion, or files of it are missing or changed.
    """
    decision = about(version, "roll_back", actor=actor, reason=reason)
    scope = Scope(version.evaluation_set, version.scorer)
    evidence = {**version.evidence, "model": version.version}
    reasons = [*illegal(model, decision), *damage(store, version.run_id, evidence, scope=scope)]
    if reasons:
        raise DecisionRefused(f"{model.name!r} is not rolled back", reasons)
    return decide(store, model, decision)


def about(
    version: ModelVersion, kind: EventKind, *, actor: str, reason: str, gate: GateReport | None = None
) -> Decision:
    """Return a decision about a version that is registered."""
    return Decision(
        kind=kind,
        version=version.version,
        run_id=version.run_id,
        actor=actor,
        reason=reason,
        evaluation_set=version.evaluation_set,
        scorer=version.scorer,
        gate=gate,
    )


def unsound(row: Row) -> list[str]:
    """Return why a row cannot be believed; nothing if it can."""
    if is_sound(row):
        return []
    return [f"the row of {row['run_id']} on {row['evaluation_set']} is {row['status']}: {row['reason']}"]


def _gate(
    store: Store, model: RegisteredModel, row: Row, *, rows: Sequence[Row], rules: PromotionRules
) -> tuple[GateReport | None, list[str]]:
    """Return the gate's report against the champion, and what it has against the candidate."""
    champion = model.champion
    if champion is None or champion.version == version_of(row):
        return None, []
    theirs = row_of_version(rows, champion.version, scope=rules.scope)
    if theirs is None:
        return None, [f"the champion {champion.run_id} has no row on {_named(rules.scope)} to compare with"]
    if doubts := unsound(theirs):
        return None, [f"there is nothing to compare with: {doubts[0]}"]
    try:
        gate = contest(
            report_of(store, row), report_of(store, theirs), is_same_dataset=False, delta=rules.delta
        )
    except (StoreError, ContractError) as error:
        return None, [f"the gate cannot compare with {champion.run_id}: {error}"]
    if gate.verdict == "PASS" or (gate.verdict == "INCONCLUSIVE" and rules.allow_inconclusive):
        return gate, []
    return gate, [f"the gate says {gate.verdict} against {champion.run_id}: {gate.reason}"]


def _named(scope: Scope) -> str:
    return f"{scope.evaluation_set} by {scope.scorer}"
