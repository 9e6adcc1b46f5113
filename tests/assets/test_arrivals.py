"""The checks of arrival times and of snapshots, as the stages `validated` and `decisions` evaluate them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from assets import arrivals, data, decide
from assets.stage import REFUSED, CheckResult, StageResult, StageTarget
from expectations import suites
from sixtyforty.ingest.arrival_delays import IN_BULK
from sixtyforty.ingest.raw import ingest
from sixtyforty.spec.draft import Draft, PartialUseCase
from sixtyforty.workspace import Workspace
from tests.assets.conftest import make_run
from tests.helpers import (
    RESPONSES,
    SITES,
    WITH_RESPONSES,
    csv_text,
    land_days,
    land_extract,
    make_workspace,
    publish_landed_days,
)
from tests.live_landings import Clock, land_late_days

DAYS = [date(2013, 4, 1) + timedelta(days=i) for i in range(6)]
KEYS = [day.isoformat() for day in DAYS]


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    folder = tmp_path / "suites" / "calls_in_time"
    folder.mkdir(parents=True)
    for name in ("calls", "visits", "sites", "features"):
        (folder / f"{name}.yaml").write_text("description: for the test\n")
    monkeypatch.setattr(suites, "HERE", tmp_path / "suites")
    return make_workspace(tmp_path, sources={"sites": SITES})


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(tmp_path, monkeypatch)


def validate(ws: Workspace, source: str, partitions: list[str]) -> StageResult:
    data.import_extracts(make_run(ws, partitions, source))
    return data.validate_source(make_run(ws, partitions, source))


def only(checks: list[CheckResult], name: str) -> CheckResult:
    (check,) = [check for check in checks if check.name == name]
    return check


def test_a_source_that_arrives_later_than_declared_warns_with_a_suggestion(ws: Workspace, clock: Clock) -> None:
    land_late_days(ws, clock, DAYS, timedelta(minutes=-10))
    data.import_extracts(make_run(ws, KEYS, "visits"))
    result = data.validate_source(run := make_run(ws, KEYS, "visits"))
    check = only(result.checks, "arrives_as_declared")
    assert (check.passed, check.warn, REFUSED in check.metadata) == (False, True, False)
    assert check.description == "visits rows arrive 2 h 50 min later than declared (95th percentile)"
    assert check.metadata["suggestion"] == "known_at: seen_at + interval '2 hours 50 minutes'"
    figures = check.metadata
    assert figures["rows with a compared arrival time"] == 24
    assert figures["rows that arrived later than declared"] == 18
    warning = f"WARNING: validated visits: late rows found. {check.description}. 75% of the rows of 6 partitions are"
    assert f"{warning} late." in "\n".join(run.log.lines)
    check = only(validate(ws, "calls", KEYS).checks, "arrives_as_declared")
    assert (check.passed, check.description) == (True, "calls rows arrive as declared (24 rows compared)")


def test_a_bulk_load_says_that_it_cannot_be_known(ws: Workspace, clock: Clock) -> None:
    clock.set(datetime(2014, 1, 1))
    land_days(ws, DAYS)
    check = only(validate(ws, "visits", KEYS).checks, "arrives_as_declared")
    assert (check.passed, check.description) == (True, f"visits: {IN_BULK}")


def test_a_rejected_partition_has_no_record(ws: Workspace, clock: Clock) -> None:
    (suites.HERE / "calls_in_time" / "visits.yaml").write_text(
        "description: for the test\npartition:\n  metrics: {row_count: count(*)}\n  rules:\n"
        "  - {type: expect_column_values_to_be_between, kwargs: {column: row_count, min_value: 9}, severity: critical,"
        " why: a day has nine visits}\n"
    )
    land_late_days(ws, clock, DAYS[:1], timedelta(0))
    assert not validate(ws, "visits", KEYS[:1]).published
    assert ws.lake.partitions("first_seen/visits") == []


def test_features_that_read_a_later_snapshot_warn(ws: Workspace, clock: Clock) -> None:
    clock.set(datetime(2014, 1, 1))
    land_days(ws, DAYS)
    land_extract(ws.landing, "sites.csv", csv_text(SITES, [("north", 3), ("south", 5)]))
    validate(ws, "sites", ["all"])
    publish_landed_days(ws, KEYS)
    check = only(decide.decide_units(make_run(ws, KEYS)).checks, "snapshots_as_known")
    assert check.passed
    clock.set(datetime(2014, 2, 1))
    land_extract(ws.landing, "sites.csv", csv_text(SITES, [("north", 4), ("south", 5)]))
    publish_landed_days(ws, KEYS)
    arrivals.record_arrivals(make_run(ws, ["all"], "sites"), ["all"])
    check = only(decide.decide_units(run := make_run(ws, KEYS)).checks, "snapshots_as_known")
    assert (check.passed, check.warn, REFUSED in check.metadata) == (False, True, False)
    assert str(check.description).startswith("1 row of sites (north) changed or was added until 2014-02-01 00:00 UTC")
    assert check.metadata["partitions"] == ", ".join(KEYS)
    event = "WARNING: decisions: features read snapshot rows from after the decision time (1 row of sites"
    assert any(line.startswith(event) for line in run.log.lines)


def test_each_source_has_the_check_that_fits(tmp_path: Path) -> None:
    use_case = make_workspace(
        tmp_path,
        sources={"sites": SITES, "responses": RESPONSES},
        people={"responses": "responses", "unanswered": "done"},
    ).use_case
    names = {name: arrivals.arrival_checks(StageTarget(use_case, name)) for name in use_case.sources}
    assert {name for name, checks in names.items() if checks} == {"calls", "visits"}
    assert arrivals.snapshot_checks(StageTarget(use_case)) == [arrivals.SNAPSHOTS_AS_KNOWN]
    assert arrivals.snapshot_checks(StageTarget(make_workspace(tmp_path / "other").use_case)) == []
    draft = Draft.from_partial(PartialUseCase.model_construct(name="calls_in_time", sources=use_case.sources), [])
    assert arrivals.arrival_checks(StageTarget(draft, "calls")) == []


def test_a_table_may_be_empty_and_nobody_need_respond(tmp_path: Path) -> None:
    """Refusing them failed the first run of each use case with responses."""
    ws = make_workspace(tmp_path, **WITH_RESPONSES)
    assert arrivals.refuse_feed(make_run(ws, KEYS, "responses"), []) == ""
    in_files = {"responses": RESPONSES | {"query": None, "cursor_column": None, "files": "responses_*.csv"}}
    ws = make_workspace(tmp_path / "files", **WITH_RESPONSES | {"sources": in_files})
    assert arrivals.refuse_feed(make_run(ws, KEYS, "responses"), []) == ""
    assert arrivals.refuse_feed(make_run(ws, KEYS, "calls"), []).startswith("no extract has arrived")


def test_a_feed_is_refused_if_its_only_extract_is_refused_in_another_partition(tmp_path: Path) -> None:
    """An extract without a date in its name belongs to the use case's first day. A run of later days exited 0."""
    ws = make_workspace(tmp_path)
    land_extract(ws.landing, "calls_a.csv", b"\x00\x01")
    run = make_run(ws, KEYS, "calls")
    ingest(ws.use_case, "calls", ws.lake, ws.landing, KEYS, "test")
    assert arrivals.refuse_feed(run, ws.landing.known("calls")).startswith("no extract of the run's partitions can be")
    land_days(ws, DAYS[:1])
    ws.landing.scan("calls")
    assert arrivals.refuse_feed(run, ws.landing.known("calls")) == ""
