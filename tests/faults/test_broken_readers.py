"""An extract that ends the reader process is read once more, then refused. The others are staged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from sixtyforty.ingest import extract as extract_module
from sixtyforty.ingest import extract_staging
from sixtyforty.ingest.arrivals import Arrival
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.raw import ingest
from sixtyforty.ingest.reader_process import stop_reader
from sixtyforty.storage.listed_extracts import listed_extracts
from sixtyforty.workspace import Workspace
from tests.breaking_reader import use_breaking_reader
from tests.helpers import CALLS, calls_on, csv_text, land_extract

DAYS = [date(2013, 3, day) for day in (10, 11, 12)]
P, NEXT, LAST = (day.isoformat() for day in DAYS)
BROKEN = f"calls_{P}_needs_memory.csv"
NEEDS_MEMORY = "needs more than 1,012 MB of memory. Raise SIXTYFORTY_MEMORY"


@pytest.fixture(autouse=True)
def breaking_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Read all extracts in the reader process that ends at some of them."""
    use_breaking_reader(monkeypatch)
    yield
    stop_reader()


def land(ws: Workspace, name: str, day: date) -> None:
    land_extract(ws.landing, name, csv_text(CALLS, calls_on(day, 4)))


def ingest_calls(ws: Workspace) -> dict[str, int]:
    """Ingest in a new run, and return the number of rows by partition."""
    landing = LandingZone(ws.landing.folder, ws.lake, ws.use_case)
    entries = ingest(ws.use_case, "calls", ws.lake, landing, [P, NEXT, LAST], "test")
    return {partition: entry.rows for partition, entry in entries.items()}


def known(ws: Workspace) -> dict[str, Arrival]:
    return {arrival.name: arrival for arrival in ws.landing.known("calls")}


def test_an_extract_that_ends_the_reader_once_is_accepted(workspace: Workspace) -> None:
    land(workspace, f"calls_{P}_is_killed_once.csv", DAYS[0])
    assert ingest_calls(workspace) == {P: 4}
    (arrival,) = known(workspace).values()
    assert (arrival.problem, arrival.rows, arrival.partitions) == (None, 4, {P: 4})


@pytest.mark.parametrize(
    ("end", "reason"),
    [("needs_memory", NEEDS_MEMORY), ("is_killed", "(SIGKILL)"), ("crashes", "(SIGSEGV)")],
)
def test_an_extract_that_ends_the_reader_twice_is_refused_and_the_feed_goes_on(
    workspace: Workspace, end: str, reason: str
) -> None:
    land(workspace, f"calls_{P}.csv", DAYS[0])
    land(workspace, f"calls_{NEXT}_{end}.csv", DAYS[1])
    land(workspace, f"calls_{LAST}.csv", DAYS[2])
    assert ingest_calls(workspace) == {P: 4, NEXT: 0, LAST: 4}
    refused = known(workspace)[f"calls_{NEXT}_{end}.csv"]
    assert reason in str(refused.problem)
    assert (refused.rows, refused.partitions) == (4, {NEXT: 0})
    entry = workspace.lake.entry("raw/calls", NEXT)
    (listed,) = listed_extracts(entry)
    assert (listed.problem, listed.refused) == (refused.problem, 4)


def test_the_staged_lines_of_the_first_attempt_are_dropped(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract_staging, "ROWS_PER_BATCH", 1)
    land(workspace, f"calls_{P}_is_killed_once.csv", DAYS[0])
    assert ingest_calls(workspace) == {P: 4}


def test_a_run_with_the_same_memory_does_not_read_the_extract_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(workspace, BROKEN, DAYS[0])
    ingest_calls(workspace)
    before = known(workspace)
    monkeypatch.setattr(extract_staging, "open_in_reader", None)
    assert ingest_calls(workspace) == {P: 0}
    assert known(workspace) == before


def test_a_run_with_more_memory_reads_it_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    land(workspace, BROKEN, DAYS[0])
    assert ingest_calls(workspace) == {P: 0}
    before = known(workspace)[BROKEN]
    monkeypatch.setenv("SIXTYFORTY_MEMORY", "4GB")
    workspace.landing.scan("calls", patient=True)  # a sensor may have another setting than the runs
    assert known(workspace)[BROKEN] == before
    assert ingest_calls(workspace) == {P: 4}
    after = known(workspace)[BROKEN]
    assert (after.seq, after.problem, after.rows, after.partitions) == (before.seq, None, 4, {P: 4})
    assert (after.contract, after.memory) == ("", 0)


def test_a_run_with_another_reader_reads_it_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    land(workspace, BROKEN, DAYS[0])
    ingest_calls(workspace)
    before = known(workspace)[BROKEN]
    monkeypatch.setattr(extract_module, "reader_version", lambda: "another")
    ingest_calls(workspace)
    assert known(workspace)[BROKEN].contract not in ("", before.contract)


def test_an_extract_that_only_the_sensor_can_read_is_refused_in_the_run(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(workspace, BROKEN, DAYS[0])
    land(workspace, f"calls_{NEXT}.csv", DAYS[1])
    monkeypatch.setenv("SIXTYFORTY_MEMORY", "4GB")
    workspace.landing.scan("calls", patient=True)
    assert known(workspace)[BROKEN].problem is None
    monkeypatch.setenv("SIXTYFORTY_MEMORY", "512MB")
    assert ingest_calls(workspace) == {P: 0, NEXT: 4}
    assert NEEDS_MEMORY in str(known(workspace)[BROKEN].problem)
    (listed,) = listed_extracts(workspace.lake.entry("raw/calls", P))
    assert (listed.problem, listed.rows, listed.refused) == (known(workspace)[BROKEN].problem, 4, 4)


def test_rows_of_an_extract_that_only_an_earlier_run_could_read_are_missed_in_each_partition(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extract was listed only in the first partition. The other one lost its rows without a reason."""
    name = "calls_needs_memory.csv"
    land_extract(workspace.landing, name, csv_text(CALLS, [row for day in DAYS[:2] for row in calls_on(day, 4)]))
    monkeypatch.setenv("SIXTYFORTY_MEMORY", "4GB")
    workspace.landing.scan("calls", patient=True)
    monkeypatch.setenv("SIXTYFORTY_MEMORY", "512MB")
    assert ingest_calls(workspace) == {P: 0, NEXT: 0}
    for partition in (P, NEXT):
        (listed,) = listed_extracts(workspace.lake.entry("raw/calls", partition))
        assert (listed.problem, listed.refused) == (known(workspace)[name].problem, 4)
