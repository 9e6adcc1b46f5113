"""Recognize that a stage was interrupted by a signal, whatever error the interruption caused.

DuckDB swallows the exception of a signal that arrives during a query, and raises a RuntimeError of its own. Cleaning up
after an interruption may fail, too: the connection is still busy. Dagster would then go on with the other stages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

DUCKDB_TEXT = "Query interrupted"


@contextmanager
def raise_interruptions() -> Iterator[None]:
    """Raise DagsterExecutionInterruptedError in place of each error in the block that a signal has caused."""
    try:
        yield
    except Exception as error:
        if any(map(_is_interruption, _list_causes(error))):
            raise dg.DagsterExecutionInterruptedError from error
        raise


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and the errors during whose handling it was raised."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_interruption(error: BaseException) -> bool:
    if isinstance(error, dg.DagsterExecutionInterruptedError | KeyboardInterrupt):
        return True
    return type(error) is RuntimeError and str(error) == DUCKDB_TEXT
