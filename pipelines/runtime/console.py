"""Print a run's log to the console: one line per message, with the seconds since the run started.

With SIXTYFORTY_LOG_FORMAT=json, a line is a JSON object with the UTC time, level, run, use case, partitions and step.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pipelines.runtime.dagster_internals import partition_range
from pipelines.runtime.step_progress import count_step
from pipelines.settings import load_settings

SHOWN_EVENTS = ("RUN_FAILURE", "STEP_FAILURE", "STEP_UP_FOR_RETRY")


class _LineFormatter(logging.Formatter):
    """Format a log message as `   12.3 s  WARNING: step: text`. A level below WARNING, such as INFO, is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.started = time.monotonic()

    def format(self, record: logging.LogRecord) -> str:
        event = _event_of(record)
        text = getattr(record, "dagster_meta", {}).get("orig_message", record.getMessage())
        if event is not None and event.step_key:
            text = f"{event.step_key}: {text}"
        level = "" if record.levelno < logging.WARNING else f"{record.levelname}: "
        return f"{time.monotonic() - self.started:7.1f} s  {level}{text}"


class _JsonFormatter(logging.Formatter):
    """Format a log message as a JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        meta: Mapping[str, Any] = getattr(record, "dagster_meta", {})
        event, tags = _event_of(record), meta.get("job_tags") or {}
        ends = partition_range(tags)
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "run_id": meta.get("run_id"),
            "use_case": meta.get("job_name"),
            "partitions": list(ends) if ends else tags.get("dagster/partition"),
            "step": meta.get("step_key") or (event.step_key if event is not None else None),
            "message": meta.get("orig_message", record.getMessage()),
        }
        return json.dumps({name: field for name, field in fields.items() if field is not None}, ensure_ascii=False)


class _StageAndErrorFilter(logging.Filter):
    """Log filter that shows the messages of stages and, of Dagster's own events, only failures and retries."""

    def filter(self, record: logging.LogRecord) -> bool:
        event = _event_of(record)
        return record.levelno >= logging.INFO if event is None else event.event_type_value in SHOWN_EVENTS


class _StepCounter(logging.Handler):
    """Log handler that counts the steps of the run as progress of the command that runs it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Count the step that the record is about, if it is about one."""
        event = _event_of(record)
        if event is not None and event.step_key:
            count_step(event)


def _event_of(record: logging.LogRecord) -> Any:
    """Return the Dagster event of a log record, or None if a stage wrote the record."""
    return getattr(record, "dagster_meta", {}).get("dagster_event")


@dg.logger
def console(_: dg.InitLoggerContext) -> logging.Logger:
    """Return the logger that prints a run's log to stderr."""
    logger = logging.getLogger("sixtyforty.console")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if load_settings().log_format == "json" else _LineFormatter())
    handler.addFilter(_StageAndErrorFilter())
    logger.handlers = [handler, _StepCounter()]
    return logger
