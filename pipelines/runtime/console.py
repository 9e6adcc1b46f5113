"""What a run says on the console: its steps, its findings and its errors, a line each."""

from __future__ import annotations

import logging
import sys
import time

import dagster as dg


class _Lines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__()
        self.began = time.monotonic()

    def format(self, record: logging.LogRecord) -> str:
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        text = getattr(record, "dagster_meta", {}).get("orig_message", record.getMessage())
        if event is not None and event.step_key:
            text = f"{event.step_key}: {text}"
        mark = "" if record.levelno < logging.WARNING else f"{record.levelname}: "
        return f"{time.monotonic() - self.began:7.1f} s  {mark}{text}"


class _Wanted(logging.Filter):
    SHOWN = ("RUN_FAILURE", "STEP_FAILURE", "STEP_UP_FOR_RETRY")

    def filter(self, record: logging.LogRecord) -> bool:
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        return record.levelno >= logging.INFO if event is None else event.event_type_value in self.SHOWN


@dg.logger
def console(_: dg.InitLoggerContext) -> logging.Logger:
    """Prints to stderr, each line with the seconds since the start."""
    found = logging.getLogger("sixtyforty.console")
    found.setLevel(logging.DEBUG)
    found.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    handler.addFilter(_Wanted())
    found.handlers = [handler]
    return found
