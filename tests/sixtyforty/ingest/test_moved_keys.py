"""A key is in force in one partition only: where its latest row landed, whichever partitions a run validates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.suites import Suite
from expectations.validation import validate
from sixtyforty.ingest.moved_keys import SharedKeys
from sixtyforty.ingest.raw import ingest
from sixtyforty.storage.memory import memory_limit
from sixtyforty.storage.restatement import partitions_sharing_keys
from sixtyforty.storage.verdicts import Verdict, read_verdict
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, csv_text, land_extract, make_workspace, pending_extracts

DAYS = ["2013-03-10", "2013-03-11", "2013-03-12", "2013-03-13"]
Call = tuple[int, str, float]  # id, day, load
SUITE = Suite(description="no rules")


@pytest.fixture
def tolerant(tmp_path: Path) -> Workspace:
    """A workspace that accepts a partition if any of its rows is valid."""
    return make_workspace(tmp_path, governance={"max_quarantined_share": 0.99})


def land_calls(ws: Workspace, name: str, *calls: Call) -> None:
    rows = [(number, "north", f"{day} 16:00:00", load) for number, day, load in calls]
    land_extract(ws.landing, f"calls_{name}.csv", csv_text(CALLS, rows))


def validate_pending(ws: Workspace, suite: Suite = SUITE) -> dict[str, Verdict]:
    """Ingest and validate only the partitions of new extracts, as a sensor's run does."""
    partitions = list(pending_extracts(ws.landing, "calls"))
    ingest(ws.use_case, "calls", ws.lake, ws.landing, partitions, "test")
    return validate(ws.use_case, "calls", suite, ws.lake, partitions, None, "test")


def validate_all(ws: Workspace, suite: Suite = SUITE) -> None:
    ingest(ws.use_case, "calls", ws.lake, ws.landing, DAYS, "test")
    validate(ws.use_case, "calls", suite, ws.lake, DAYS, None, "test")


def in_force(ws: Workspace) -> dict[str, list[tuple[int, float]]]:
    """Id and load of the validated rows, by partition."""
    entries = ws.lake.entries("validated/calls")
    tables = {day: pq.read_table(ws.lake.local_file(entry)) for day, entry in entries.items()}
    columns = {day: zip(t["id"].to_pylist(), t["load"].to_pylist(), strict=True) for day, t in tables.items()}
    return {day: sorted(rows) for day, rows in columns.items() if tables[day].num_rows}


def verdicts(ws: Workspace) -> dict[str, Verdict]:
    return {day: read_verdict(entry) for day, entry in ws.lake.entries("validated/calls").items()}


@pytest.mark.parametrize(("before", "after"), [(DAYS[0], DAYS[2]), (DAYS[2], DAYS[0])])
@pytest.mark.parametrize("runs", [1, 2])
def test_a_corrected_date_moves_the_row(workspace: Workspace, before: str, after: str, runs: int) -> None:
    land_calls(workspace, "a", (1, before, 0.1), (2, before, 0.2))
    if runs == 2:
        validate_pending(workspace)
    land_calls(workspace, "b", (1, after, 0.1))
    validate_pending(workspace)
    assert in_force(workspace) == {before: [(2, 0.2)], after: [(1, 0.1)]}
    assert verdicts(workspace)[before].superseded == 1
    assert all(verdict.conserved for verdict in verdicts(workspace).values())


def test_a_correction_that_is_taken_back_moves_the_row_back(workspace: Workspace) -> None:
    land_calls(workspace, "a", (1, DAYS[0], 0.1))
    validate_pending(workspace)
    land_calls(workspace, "b", (1, DAYS[1], 0.1))
    validate_pending(workspace)
    land_calls(workspace, "c", (1, DAYS[0], 0.1))
    validate_pending(workspace)
    assert in_force(workspace) == {DAYS[0]: [(1, 0.1)]}
    assert [(v.duplicates, v.superseded) for v in verdicts(workspace).values()] == [(1, 0), (0, 1)]


def test_a_row_returns_when_the_extract_that_moved_it_is_replaced(workspace: Workspace) -> None:
    land_calls(workspace, "a", (1, DAYS[0], 0.1))
    validate_pending(workspace)
    land_calls(workspace, f"b_{DAYS[1]}", (1, DAYS[1], 0.1))
    validate_pending(workspace)
    assert in_force(workspace) == {DAYS[1]: [(1, 0.1)]}
    land_calls(workspace, f"b_{DAYS[1]}", (7, DAYS[1], 0.7))
    validate_pending(workspace)
    assert in_force(workspace) == {DAYS[0]: [(1, 0.1)], DAYS[1]: [(7, 0.7)]}


CONTRADICTORY: list[Call] = [(1, DAYS[2], 0.1), (1, DAYS[0], 0.2), (1, DAYS[1], 0.3)]


def quarantine_reasons(ws: Workspace) -> dict[str, list[str]]:
    entries = ws.lake.entries("quarantine/calls")
    return {day: pq.read_table(ws.lake.local_file(entry))["_reason"].to_pylist() for day, entry in entries.items()}


def row_counts(ws: Workspace) -> dict[str, tuple[int, ...]]:
    """Landed, accepted, quarantined, duplicate and superseded rows by partition, accepted or rejected."""
    entries = ws.lake.entries("validated/calls") | ws.lake.entries("rejected/calls")
    judged = {day: read_verdict(entry) for day, entry in entries.items()}
    assert all(v.conserved for v in judged.values())
    return {
        day: (v.landed, v.accepted_rows, v.quarantined, v.duplicates, v.superseded) for day, v in sorted(judged.items())
    }


def land_in_runs(ws: Workspace, runs: int, *extracts: Sequence[Call]) -> None:
    """Land extracts and validate their partitions. runs: 1 for a run at the end, otherwise a run after each extract."""
    for number, calls in enumerate(extracts):
        land_calls(ws, str(number), *calls)
        if runs > 1 or number == len(extracts) - 1:
            validate_pending(ws)


def test_a_key_on_several_days_of_an_extract_is_quarantined_on_each(tolerant: Workspace) -> None:
    land_in_runs(tolerant, 1, [*CONTRADICTORY, (2, DAYS[0], 0.1)])
    assert in_force(tolerant) == {DAYS[0]: [(2, 0.1)]}
    reason = "several different rows have the same key (id): calls_0.csv, lines 2, 3, 4"
    assert quarantine_reasons(tolerant) == {day: [reason] for day in DAYS[:3]}
    assert row_counts(tolerant) == {DAYS[0]: (2, 1, 1, 0, 0), DAYS[1]: (1, 0, 1, 0, 0), DAYS[2]: (1, 0, 1, 0, 0)}


@pytest.mark.parametrize("runs", [1, 2])
def test_a_later_extract_replaces_contradictory_rows_on_all_days(tolerant: Workspace, runs: int) -> None:
    land_in_runs(tolerant, runs, CONTRADICTORY, [(1, DAYS[1], 0.4)])
    assert in_force(tolerant) == {DAYS[1]: [(1, 0.4)]}
    assert quarantine_reasons(tolerant) == {}
    assert row_counts(tolerant) == {DAYS[0]: (1, 0, 0, 0, 1), DAYS[1]: (2, 1, 0, 0, 1), DAYS[2]: (1, 0, 0, 0, 1)}


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("before", [(1, DAYS[3], 0.4), (1, DAYS[1], 0.3)], ids=["another row", "an equal row"])
def test_the_row_before_contradictory_rows_stays_in_force(tolerant: Workspace, runs: int, before: Call) -> None:
    number, day, load = before
    land_in_runs(tolerant, runs, [before], [*CONTRADICTORY, CONTRADICTORY[-1]])
    assert in_force(tolerant) == {day: [(number, load)]}
    assert sorted(quarantine_reasons(tolerant)) == DAYS[:3]
    accepted = {day: (1, 1, 0, 0, 0)}
    contradictory = {DAYS[0]: (1, 0, 1, 0, 0), DAYS[1]: (2, 0, 1, 1, 0), DAYS[2]: (1, 0, 1, 0, 0)}
    counts = accepted | contradictory
    if day == DAYS[1]:
        counts[day] = (3, 1, 1, 1, 0)
    assert row_counts(tolerant) == dict(sorted(counts.items()))


def test_a_bad_row_moves_nothing(workspace: Workspace) -> None:
    land_calls(workspace, "a", (1, DAYS[0], 0.1))
    validate_pending(workspace)
    bad = csv_text(CALLS, [(1, "north", f"{DAYS[1]} 16:00:00", "much"), (5, "north", f"{DAYS[1]} 16:00:00", 0.5)])
    land_extract(workspace.landing, "calls_b.csv", bad)
    validate_pending(workspace)
    assert in_force(workspace)[DAYS[0]] == [(1, 0.1)]


@pytest.mark.parametrize("runs", [1, 2])
def test_a_rejected_partition_gives_up_a_row_that_moved(workspace: Workspace, runs: int) -> None:
    """The last accepted version of a rejected partition stays in force, without the keys that are elsewhere now."""
    land_calls(workspace, "a", (1, DAYS[0], 0.1), (2, DAYS[0], 0.2), (3, DAYS[1], 0.3))
    validate_pending(workspace)
    bad = [(number, "north", f"{DAYS[0]} 16:00:00", "much") for number in (7, 8)]
    land_extract(workspace.landing, "calls_bad.csv", csv_text(CALLS, bad))
    if runs == 2:
        validate_pending(workspace)
        assert in_force(workspace)[DAYS[0]] == [(1, 0.1), (2, 0.2)]
    land_calls(workspace, "b", (1, DAYS[1], 0.1))
    validate_pending(workspace)
    assert list(workspace.lake.entries("rejected/calls")) == [DAYS[0]]
    assert in_force(workspace) == {DAYS[0]: [(2, 0.2)], DAYS[1]: [(1, 0.1), (3, 0.3)]}
    versions = {day: entry.version for day, entry in workspace.lake.entries("validated/calls").items()}
    validate_pending(workspace)
    assert {day: entry.version for day, entry in workspace.lake.entries("validated/calls").items()} == versions


def test_a_row_that_moved_to_a_rejected_partition_stays_where_it_is_in_force(workspace: Workspace) -> None:
    land_calls(workspace, "a", (1, DAYS[0], 0.1), (2, DAYS[0], 0.2))
    validate_pending(workspace)
    bad = [
        (number, "north", f"{site_day} 16:00:00", load)
        for number, site_day, load in ((1, DAYS[1], 0.1), (8, DAYS[1], "x"))
    ]
    bad += [(9, "north", f"{DAYS[0]} 16:00:00", "x"), (10, "north", f"{DAYS[0]} 16:00:00", "x")]
    land_extract(workspace.landing, "calls_b.csv", csv_text(CALLS, bad))
    validate_pending(workspace)
    assert list(workspace.lake.entries("rejected/calls")) == DAYS[:2]
    assert in_force(workspace) == {DAYS[0]: [(1, 0.1), (2, 0.2)]}


def test_the_run_returns_the_verdict_of_a_partition_that_lost_a_row(workspace: Workspace) -> None:
    land_calls(workspace, "a", (1, DAYS[0], 0.1), (2, DAYS[0], 0.2))
    land_calls(workspace, "b", (3, DAYS[3], 0.1))
    validate_pending(workspace)
    land_calls(workspace, "c", (1, DAYS[1], 0.1), (4, DAYS[3], 0.1))
    assert sorted(validate_pending(workspace)) == [DAYS[0], DAYS[1], DAYS[3]]
    entries = workspace.lake.entries("validated/calls")
    assert {day: sorted(partitions_sharing_keys([entry])) for day, entry in entries.items()} == {
        DAYS[0]: [DAYS[1]],
        DAYS[1]: [DAYS[0]],
        DAYS[3]: [],
    }
    land_calls(workspace, "d", (8, DAYS[1], 0.1))
    assert sorted(validate_pending(workspace)) == [DAYS[1]]


def test_an_index_that_was_deleted_is_rebuilt(workspace: Workspace) -> None:
    land_calls(workspace, "a", (1, DAYS[0], 0.1), (2, DAYS[0], 0.2))
    validate_pending(workspace)
    for file in workspace.cache.rglob("*"):
        if file.is_file():
            file.unlink()
    land_calls(workspace, "b", (1, DAYS[2], 0.1))
    validate_pending(workspace)
    assert in_force(workspace) == {DAYS[0]: [(2, 0.2)], DAYS[2]: [(1, 0.1)]}


def test_the_restated_partition_is_stale_for_its_features(workspace: Workspace) -> None:
    land_calls(workspace, "a", (1, DAYS[0], 0.1), (2, DAYS[0], 0.2))
    validate_pending(workspace)
    version = workspace.lake.entries("validated/calls")[DAYS[0]].version
    land_calls(workspace, "b", (1, DAYS[2], 0.1))
    validate_pending(workspace)
    assert workspace.lake.entries("validated/calls")[DAYS[0]].version != version


def test_a_key_that_holds_the_date_needs_no_index(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"calls": {"key": ["id", "call_hour"]}})
    land_calls(ws, "a", (1, DAYS[0], 0.1))
    validate_pending(ws)
    land_calls(ws, "b", (1, DAYS[1], 0.1))
    validate_pending(ws)
    assert in_force(ws) == {DAYS[0]: [(1, 0.1)], DAYS[1]: [(1, 0.1)]}
    assert not list(ws.cache.rglob("*.npy"))


def test_a_source_may_have_columns_of_any_name(workspace: Workspace) -> None:
    rows = "(select 1 as id, 'x' as number, 'y' as hash, 'z' as numbers, 'day' as _partition)"
    with workspace.lake.open_session(workspace.use_case.timezone) as db:
        keys = SharedKeys(db, workspace.use_case, "calls", workspace.lake)
        ((hashes, numbers),) = keys._keys(rows, {"day": 3, "next": 4})
    assert (len(hashes), numbers.tolist()) == (1, [3])


def test_the_keys_of_each_partition_are_hashed_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    land_calls(workspace, "a", (1, DAYS[1], 0.1), (2, DAYS[1], 0.2))
    land_calls(workspace, "a2", (2, DAYS[2], 0.2))
    validate_pending(workspace)
    hashed: list[str] = []
    real = SharedKeys._keys
    monkeypatch.setattr(SharedKeys, "_keys", lambda keys, rows, raw: hashed.extend(raw) or real(keys, rows, raw))
    land_calls(workspace, "b", (1, DAYS[0], 0.1))
    validate_pending(workspace)
    assert sorted(hashed) == DAYS[:2]
    assert in_force(workspace) == {DAYS[0]: [(1, 0.1)], DAYS[2]: [(2, 0.2)]}


CALL = st.tuples(st.integers(1, 3), st.sampled_from(DAYS), st.sampled_from([0.1, 0.2]))
EXTRACTS = st.lists(st.tuples(st.sampled_from("abc"), st.lists(CALL, max_size=4)), max_size=5)


def expected_rows(extracts: Sequence[tuple[str, list[Call]]]) -> dict[str, list[tuple[int, float]]]:
    """Return the rows that count, by partition: the row of a key in its newest extract that has no different ones."""
    newest: dict[str, tuple[int, list[Call]]] = {}
    for seq, (name, calls) in enumerate(extracts):
        if name not in newest or newest[name][1] != calls:  # a file that lands again unchanged is no new arrival
            newest[name] = (seq, calls)
    rows: dict[int, Call] = {}
    for _, calls in sorted(newest.values()):
        for number in {call[0] for call in calls}:
            different = {call for call in calls if call[0] == number}
            if len(different) == 1:
                rows[number] = different.pop()
    by_day: dict[str, list[tuple[int, float]]] = {}
    for number, day, load in sorted(rows.values()):
        by_day.setdefault(day, []).append((number, load))
    return by_day


def lake_content(ws: Workspace) -> dict[str, Any]:
    datasets = ("validated/calls", "quarantine/calls")
    return {name: {p: e.sha256 for p, e in ws.lake.entries(name).items() if e.rows} for name in datasets}


@settings(max_examples=10)
@given(extracts=EXTRACTS)
def test_one_run_many_runs_and_groups_of_one_partition_give_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, extracts: list[tuple[str, list[Call]]]
) -> None:
    many, one, grouped = (
        make_workspace(tmp_path_factory.mktemp("home"), governance={"max_quarantined_share": 0.99}) for _ in range(3)
    )
    # A valid row on each day, so that no day is rejected.
    extracts = [("valid", [(number, day, 0.1) for number, day in enumerate(DAYS, 100)]), *extracts]
    for name, calls in extracts:
        for ws in (many, one, grouped):
            land_calls(ws, name, *calls)
            pending_extracts(ws.landing, "calls")  # a scan, so that all count the same arrivals
        validate_pending(many)
    assert in_force(many) == expected_rows(extracts)
    validate_all(one)
    validate_all(many)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("expectations.validation.BYTES_PER_ROW", memory_limit())
        validate_all(grouped)
    assert lake_content(many) == lake_content(one) == lake_content(grouped)
    assert all(verdict.conserved for verdict in verdicts(many).values())


def full_workspace(folder: Path) -> Workspace:
    return make_workspace(folder, sources={"calls": {"full": True}})


def test_a_full_extract_removes_rows_that_have_gone(tmp_path: Path) -> None:
    ws = full_workspace(tmp_path)
    land_calls(ws, "a", (1, DAYS[0], 0.1), (2, DAYS[0], 0.2), (3, DAYS[1], 0.3))
    validate_pending(ws)
    land_calls(ws, "b", (2, DAYS[0], 0.2), (4, DAYS[2], 0.4))
    validate_pending(ws)
    assert in_force(ws) == {DAYS[0]: [(2, 0.2)], DAYS[2]: [(4, 0.4)]}
    counts = {day: (v.landed, v.accepted_rows, v.superseded) for day, v in verdicts(ws).items()}
    assert counts == {DAYS[0]: (3, 1, 2), DAYS[1]: (1, 0, 1), DAYS[2]: (1, 1, 0)}


def test_full_extracts_of_one_scan_and_of_several_give_the_same(tmp_path: Path) -> None:
    one, many = full_workspace(tmp_path / "one"), full_workspace(tmp_path / "many")
    extracts = [[(1, DAYS[0], 0.1), (2, DAYS[1], 0.2)], [(1, DAYS[3], 0.1)], [(5, DAYS[0], 0.1), (2, DAYS[1], 0.2)]]
    for number, calls in enumerate(extracts):
        for ws in (one, many):
            land_calls(ws, str(number), *calls)
        validate_pending(many)
    validate_pending(one)
    assert in_force(one) == in_force(many) == {DAYS[0]: [(5, 0.1)], DAYS[1]: [(2, 0.2)]}


def test_a_refused_full_extract_removes_nothing(tmp_path: Path) -> None:
    ws = full_workspace(tmp_path)
    land_calls(ws, "a", (1, DAYS[0], 0.1))
    land_extract(ws.landing, "calls_b.csv", "no header\n")
    validate_pending(ws)
    assert in_force(ws) == {DAYS[0]: [(1, 0.1)]}


def test_without_full_rows_accumulate(workspace: Workspace) -> None:
    land_calls(workspace, "a", (1, DAYS[0], 0.1))
    land_calls(workspace, "b", (2, DAYS[0], 0.2))
    validate_pending(workspace)
    assert in_force(workspace) == {DAYS[0]: [(1, 0.1), (2, 0.2)]}
