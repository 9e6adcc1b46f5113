"""Read the errors that Dagster stored for steps and ticks: the error that explains the failure, and its text."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

OWN_MODULES = ("sixtyforty.", "assets.", "pipelines.", "expectations.")
# The texts of the errors of these modules name files, ids and causes, but hold no data of rows.
MODULES_WITHOUT_DATA = ("sixtyforty.storage.", "sixtyforty.reports.verification.", "assets.wiring.")
PROCESS_ENDED = "The process of run"  # starts the text of a run that was marked failed because its process is gone
LONGEST_TEXT = 400  # characters


def find_cause(error: SerializableErrorInfo | None) -> SerializableErrorInfo | None:
    """Return the first error of this project in a chain of errors, else the root. None: no error was stored.

    The project's errors say what happened and what to do. The errors below them are those of libraries.
    """
    while error is not None and error.cause is not None and not error.message.startswith(OWN_MODULES):
        error = error.cause
    return error


def read_safe_text(error: SerializableErrorInfo | None) -> str:
    """Return the text of an error for people outside of Dagster; empty if it may hold data of rows."""
    module, _, text = (error.message if error else "").strip().partition(": ")
    return shorten(text, LONGEST_TEXT, placeholder=" …") if module.startswith(MODULES_WITHOUT_DATA) else ""
