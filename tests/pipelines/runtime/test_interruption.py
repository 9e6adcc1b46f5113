"""A signal in the middle of a query ends the run as interrupted, whatever error DuckDB raises."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import dagster as dg
import duckdb
import pytest

from assets.interruptions import raise_interruptions
from pipelines.runtime.interruption import report_interruption
from sixtyforty.spec.errors import InterruptedRunError

LONG = "select a.range + b.range from range(100000) a, range(3000000) b where a.range * b.range % 7 = 3"


def hold(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(f"create temp table held as {LONG}")


def fail_to_clean_up(db: duckdb.DuckDBPyConnection) -> None:
    try:
        hold(db)
    finally:
        db.execute("drop table nothing")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("query", [hold, fail_to_clean_up])
def test_a_query_that_a_signal_ends_is_an_interruption(
    query: Callable[[duckdb.DuckDBPyConnection], None], number: int
) -> None:
    later: list[str] = []

    @dg.op
    def first() -> None:
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        with duckdb.connect(config={"threads": 1}) as db, raise_interruptions():
            query(db)

    @dg.op
    def second() -> None:
        later.append("another stage started")

    @dg.job
    def chain() -> None:
        first()
        second()

    text = f"Run 7 was interrupted by {signal.Signals(number).name}"
    with pytest.raises(InterruptedRunError, match=text) as raised, report_interruption("Run 7"):
        run = chain.execute_in_process(raise_on_error=False)
        assert run.success
    assert raised.value.signal == number and not later


def test_a_failure_without_a_signal_stays_a_failure() -> None:
    with pytest.raises(KeyError), report_interruption("Run 7"), raise_interruptions():
        raise KeyError("x")
