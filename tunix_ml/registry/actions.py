"""The actions of the registry: from what was asked for to what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.gate import GateReport
from tunix_ml.contracts.names import evaluation_set_name
from tunix_ml.contracts.registry import ModelVersion, PromotionOutcome, RegistryConfig, Result
from tunix_ml.evaluation.report import ANSWERS
from tunix_ml.registry.models import RegisteredModel, decide, read_registered
from tunix_ml.registry.policy import Row, Scope, choose_best, row_of, rows_in, version_of
from tunix_ml.registry.promotion import (
    DecisionRefused,
    Examination,
    PromotionRules,
    about,
    examine,
    promote,
    register_new,
    roll_back,
    unsound,
)
from tunix_ml.store import Store

_FINAL = {"rejected", "retired"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for, with everything decided that was left open."""

    config: RegistryConfig
    model: str
    rules: PromotionRules

    @property
    def scope(self) -> Scope:
        """The board on which runs are compared."""
        return self.rules.scope


def make_request(
    config: RegistryConfig,
    rows: Sequence[Row],
    *,
    dataset_version: str | None,
    required_checks: Mapping[str, Sequence[str]],
) -> Request:
    """Decide what a configuration leaves open.

    Args:
        config: what was asked for.
        rows: of the leaderboard.
        dataset_version: whose test split is meant where no evaluation set is named, if there is one.
        required_checks: checks that must have passed, by asset.

    Raises:
        ContractError: it cannot be told which evaluation set is meant.
    """
    scope = Scope(config.evaluation_set or _only_set(rows, config.scorer, dataset_version), config.scorer)
    rules = PromotionRules(
        scope=scope,
        delta=config.delta,
        allow_inconclusive=config.allow_inconclusive,
        required_checks=required_checks,
    )
    return Request(config=config, model=config.model or default_name(scope), rules=rules)


def default_name(scope: Scope) -> str:
    """Return the name of the registered model of a scope: what is best depends on what is asked."""
    suffix = "" if scope.scorer == ANSWERS else f".{scope.scorer.removeprefix('judge:')}"
    return f"{scope.evaluation_set}{suffix}"


def prepare(store: Store, request: Request, rows: Sequence[Row]) -> Row | None:
    """Register what is new, and return the row of the run whose promotion is to be examined, if there is one.

    Its model has to be asked again before the action is carried out.
    """
    action, model = request.config.action, read_registered(store, request.model)
    if action in {"promote_best", "promote", "reject"}:
        model = register_new(store, model, rows, scope=request.scope, actor=request.config.actor)
    if action == "promote":
        return row_of(rows, request.config.run_id, scope=request.scope)
    best = _best(model, rows, request) if action == "promote_best" else None
    return best if best and not _is_champion(model, best) else None


def carry_out(
    store: Store, request: Request, rows: Sequence[Row], *, hindrance: str | None = None
) -> PromotionOutcome:
    """Do what was asked for.

    `promote_best` never fails: what it decides against is an outcome, with its reasons. If the gate finds the
    best run worse than the champion, it is rejected; if something else stands against it, it goes on waiting.

    Args:
        store: where everything lies.
        request: what was asked for.
        rows: of the leaderboard, as it is now.
        hindrance: why the model could not be asked again, if it could not.

    Raises:
        DecisionRefused: what was explicitly asked for must not be, with all the reasons.
        IllegalTransition: it cannot be from the version's status.
    """
    model, config = read_registered(store, request.model), request.config
    if config.action == "promote_best":
        return _promote_best(store, request, model, rows, hindrance)
    if config.action == "promote":
        examined = examine(store, model, config.run_id, rows=rows, rules=request.rules, hindrance=hindrance)
        promote(store, model, examined, scope=request.scope, actor=config.actor, reason=config.reason)
        return _outcome(request, "promoted", examined, gate=examined.gate)
    version = _version(model, config.run_id, rows, request)
    if config.action == "roll_back":
        roll_back(store, model, version, actor=config.actor, reason=config.reason)
        return _outcome(request, "rolled_back", version)
    decide(store, model, about(version, config.action, actor=config.actor, reason=config.reason))
    return _outcome(request, "rejected" if config.action == "reject" else "retired", version)


def _promote_best(
    store: Store, request: Request, model: RegisteredModel, rows: Sequence[Row], hindrance: str | None
) -> PromotionOutcome:
    best, config, scope = _best(model, rows, request), request.config, request.scope
    if best is None:
        none = f"no run that may be chosen has a valid row on {scope.evaluation_set} by {scope.scorer}"
        return _outcome(request, "kept", model.champion, reasons=[none, *_unsound(rows, scope)])
    if _is_champion(model, best):
        return _outcome(
            request, "kept", model.champion, reasons=[f"{best['run_id']} is the champion already"]
        )
    examined = examine(store, model, best["run_id"], rows=rows, rules=request.rules, hindrance=hindrance)
    reasons = list(examined.reasons)
    if not reasons:
        why = config.reason or f"best on {scope.evaluation_set}, with a score of {best['primary_score']:.4f}"
        promote(store, model, examined, scope=scope, actor=config.actor, reason=why)
        return _outcome(request, "promoted", examined, gate=examined.gate)
    version = model.versions[version_of(best) or ""]
    if examined.gate is None or examined.gate.verdict != "FAIL":
        return _outcome(request, "kept", version, reasons=reasons, gate=examined.gate)
    decision = about(version, "reject", actor=config.actor, reason="; ".join(reasons), gate=examined.gate)
    decide(store, model, decision)
    return _outcome(request, "rejected", version, reasons=reasons, gate=examined.gate)


def _best(model: RegisteredModel, rows: Sequence[Row], request: Request) -> Row | None:
    return choose_best(
        rows,
        scope=request.scope,
        incumbent=model.champion.version if model.champion else None,
        passed_over={digest for digest, version in model.versions.items() if version.status in _FINAL},
    )


def _unsound(rows: Sequence[Row], scope: Scope) -> list[str]:
    """Return what is wrong with the rows of a scope that cannot be believed."""
    return [reason for row in rows_in(rows, scope=scope) for reason in unsound(row)]


def _is_champion(model: RegisteredModel, row: Row) -> bool:
    return model.champion is not None and model.champion.version == version_of(row)


def _version(model: RegisteredModel, run_id: str, rows: Sequence[Row], request: Request) -> ModelVersion:
    """Return the version that an action is about: a run's, or the former champion."""
    row = row_of(rows, run_id, scope=request.scope)
    found = model.of_run(run_id) if run_id else model.former_champion
    if found is None and row is not None:
        found = model.versions.get(version_of(row) or "")
    if found is None:
        missing = f"{run_id} is not registered" if run_id else "there is no former champion"
        raise DecisionRefused(f"{model.name!r} cannot {request.config.action.replace('_', ' ')}", [missing])
    return found


def _outcome(
    request: Request,
    result: Result,
    subject: ModelVersion | Examination | None,
    *,
    reasons: Sequence[str] = (),
    gate: GateReport | None = None,
) -> PromotionOutcome:
    return PromotionOutcome(
        action=request.config.action,
        model=request.model,
        result=result,
        version=subject.version if subject else None,
        run_id=subject.run_id if subject else None,
        reasons=list(reasons),
        gate=gate,
    )


def _only_set(rows: Sequence[Row], scorer: str, dataset_version: str | None) -> str:
    if dataset_version is not None:
        return evaluation_set_name(dataset_version, "test")
    found: list[str] = sorted({row["evaluation_set"] for row in rows if row["scorer"] == scorer})
    if len(found) == 1:
        return found[0]
    there_are = f"there are {', '.join(found)}" if found else "no run has been evaluated"
    raise ContractError(f"`evaluation_set` is needed to tell which board is meant: {there_are}")
