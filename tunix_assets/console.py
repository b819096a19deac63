"""The console: what a person wants to see of a run in the terminal, a line each.

Dagster's own console logger prints every engine event with two identifiers before it; here a run reads as
what was made, what was checked, what the work reports, and why something failed. Dagster uses it where the
run configuration says `loggers: {console: {}}`, as those in `configs/` do.
"""

import logging
import sys
from typing import Any

import dagster as dg


@dg.logger(
    config_schema={"log_level": dg.Field(str, default_value="INFO", description="DEBUG shows every event")},
    description="Prints materializations, checks, progress and failures, a line each.",
)
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """Return the logger of a run."""
    level = logging.getLevelName(str(context.logger_config["log_level"]).upper())
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(ConsoleFormatter())
    handler.addFilter(lambda record: level <= logging.DEBUG or sentence(record) is not None)
    logger = logging.Logger("tunix", level=logging.DEBUG)
    logger.addHandler(handler)
    return logger


class ConsoleFormatter(logging.Formatter):
    """Formats a record as time, step and sentence."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        step = (getattr(record, "dagster_meta", None) or {}).get("step_key") or "run"
        return f"{self.formatTime(record, '%H:%M:%S')}  {_asset_of(record) or step}: {_text(record)}"


def sentence(record: logging.LogRecord) -> str | None:
    """Return what a record has to say to a person, None if nothing."""
    event: dg.DagsterEvent | None = getattr(record, "dagster_event", None)
    if event is None:
        text = _message(record) or record.getMessage()
        return None if text.startswith(_ENGINE_WORDS) else text
    if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return _check_sentence(event.asset_check_evaluation_data)
    if event.event_type == dg.DagsterEventType.STEP_FAILURE:
        return f"FAILED: {_reason(event.step_failure_data)}"
    if event.event_type == dg.DagsterEventType.RESOURCE_INIT_FAILURE and event.engine_event_data.error:
        return f"FAILED: {event.engine_event_data.error.message.partition(': ')[2].strip()}"
    return _PLAIN_EVENTS.get(event.event_type)


_ENGINE_WORDS = ("Dependencies for step", "[pipes]")
_PLAIN_EVENTS = {
    dg.DagsterEventType.ASSET_MATERIALIZATION: "materialized",
    dg.DagsterEventType.RUN_SUCCESS: "succeeded",
    dg.DagsterEventType.RUN_FAILURE: "FAILED, see the first failure above",
    dg.DagsterEventType.RUN_CANCELED: "cancelled",
}


def _text(record: logging.LogRecord) -> str:
    return sentence(record) or record.getMessage()


def _message(record: logging.LogRecord) -> str | None:
    meta: dict[str, Any] = getattr(record, "dagster_meta", None) or {}
    return meta.get("orig_message")


def _asset_of(record: logging.LogRecord) -> str | None:
    event: dg.DagsterEvent | None = getattr(record, "dagster_event", None)
    if event is not None and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return event.asset_check_evaluation_data.asset_key.to_user_string()
    return None


def _check_sentence(evaluation: dg.AssetCheckEvaluation) -> str:
    if evaluation.passed:
        verdict = "passed"
    else:
        verdict = "FAILED" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "WARNING"
    return f"check {evaluation.check_name} {verdict}: {evaluation.description}"


def _reason(failure: Any) -> str:
    """Return a foreseen failure's own sentence, and of any other the whole trace."""
    is_foreseen = not (failure.error and failure.error.cause)
    if is_foreseen and failure.user_failure_data and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    return str(failure.error.to_string() if failure.error else "for an unknown reason")
