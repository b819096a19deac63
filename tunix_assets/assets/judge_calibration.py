"""The asset `judge_calibration`."""

from functools import partial
from pathlib import Path

import dagster as dg

from asset_checks.subject import content_metadata
from tunix_assets.inputs import clear_failures
from tunix_assets.metadata import inline_table
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.judge import JudgeConfig
from tunix_ml.contracts.judge_calibration import CalibrationConfig, JudgeCalibration, JudgeQuality, Measured
from tunix_ml.evaluation.judges.calibration import CODE_PARTS, REPORT_FILE, calibrate
from tunix_ml.evaluation.judges.calibration_set import shipped_calibration_set
from tunix_ml.evaluation.judges.opening import open_judge
from tunix_ml.provenance import source_digest
from tunix_ml.snapshot import Snapshot


class JudgeCalibrationConfig(JudgeConfig, CalibrationConfig, dg.Config):
    """The run configuration of `judge_calibration`."""


@dg.asset(
    group_name="evaluation",
    code_version=source_digest(*CODE_PARTS),
    kinds={"json"},
    pool="accelerator",
    retry_policy=RETRIES,
)
def judge_calibration(
    context: dg.AssetExecutionContext,
    config: JudgeCalibrationConfig,
    store: StoreResource,
    worker: WorkerResource,
) -> dg.MaterializeResult[None]:
    """How far a judge can be believed: what it says of labelled texts, and of pairs of them in either order.

    A judge that fails one of the gates may not rank anything. It is made by hand, by the job
    `calibrate_judge`, once for each judge and again when the judge changes, and is no part of the pipeline.
    """
    asked = JudgeConfig.model_validate({name: getattr(config, name) for name in JudgeConfig.model_fields})
    with clear_failures():
        judge = open_judge(asked, store=store.store(), run_worker=partial(worker.run, context))
        path = Path(config.calibration_set) if config.calibration_set else shipped_calibration_set()
        return _describe(calibrate(store.store(), asked.judge, judge, calibration_set=path))


def _describe(snapshot: Snapshot) -> dg.MaterializeResult[None]:
    report = JudgeCalibration.read(snapshot.file(REPORT_FILE))
    quality = report.quality
    failed = report.failed_gates()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(snapshot.digest),
        metadata={
            "judge": report.judge,
            "may_rank": report.passed,
            "failed_gates": ", ".join(failed) or "none",
            "calibration": inline_table(["measured", "value", "95 % interval"], _rows(quality)),
            "model": report.identity.model,
            "judge_digest": report.judge_digest,
            "texts": sum(quality.num_texts.values()),
            "pairs": quality.num_pairs,
            "path": dg.MetadataValue.path(snapshot.path),
            **content_metadata({report.judge: snapshot.digest}),
        },
    )


def _rows(quality: JudgeQuality) -> list[tuple[str, str, str]]:
    with_interval = {"accuracy": quality.accuracy, "kappa": quality.kappa}
    plain = {
        "order agreement": quality.order_agreement,
        "first position rate": quality.first_position_rate,
        "invalid rate": quality.invalid_rate,
        "length bias": quality.length_bias,
    }
    rows = [
        (name, _number(found.value if found else None), _interval(found))
        for name, found in with_interval.items()
    ]
    return rows + [(name, _number(value), "") for name, value in plain.items()]


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _interval(found: Measured | None) -> str:
    return f"{found.ci95_low:.3f} to {found.ci95_high:.3f}" if found else ""
