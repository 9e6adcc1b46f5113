"""Read the errors that Dagster stored for steps and ticks: the error that explains the failure, and its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster._utils.error import SerializableErrorInfo

OWN_MODULES = ("sixtyforty.", "assets.", "pipelines.", "expectations.")
MODULES_WITHOUT_DATA = ("sixtyforty.storage.", "assets.wiring.")  # texts of their errors hold no data of rows


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
    return " ".join(text.split()) if module.startswith(MODULES_WITHOUT_DATA) else ""
