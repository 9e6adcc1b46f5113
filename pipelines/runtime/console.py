"""Print a run's log to the console: one line per message, with the seconds since the run started."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import dagster as dg

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


class _StageAndErrorFilter(logging.Filter):
    """Log filter that shows the messages of stages and, of Dagster's own events, only failures and retries."""

    def filter(self, record: logging.LogRecord) -> bool:
        event = _event_of(record)
        return record.levelno >= logging.INFO if event is None else event.event_type_value in SHOWN_EVENTS


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
    handler.setFormatter(_LineFormatter())
    handler.addFilter(_StageAndErrorFilter())
    logger.handlers = [handler]
    return logger
