"""A verdict names what fails, applies each rule in time, and shows no value."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from assets.verdict_checks import verdict_check
from expectations import suites
from expectations.data_docs import build_docs
from expectations.rules import PartitionRules, Rule, Suite
from expectations.validation import validate
from sixtyforty.ingest.raw import ingest
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.workspace import Workspace
from tests import flights
from tests.flights import BEFORE, DAY, DAYS, edited, first_rows, flight_delays, land_and_validate
from tests.helpers import CALLS, csv_text, land_extract, make_workspace, read_lake

SENTINEL = "carrier_N0B0DY"  # near enough to a column's name to be guessed at


DOCS = "data_docs/index.html"


def validate_landed(
    ws: Workspace, source: str, suite: Suite, partitions: list[str], now: datetime | None = None
) -> dict[str, Verdict]:
    """Ingest and validate what has landed."""
    ingest(ws.use_case, source, ws.lake, ws.landing, partitions, "test")
    return validate(ws.use_case, source, suite, ws.lake, partitions, now, "test")


def test_each_day_of_a_range_gets_the_verdict_that_it_gets_alone(lived, with_references, extracts, tmp_path):
    flights.deliver(
        lived, extracts, flights.extract("timetable", DAY), edited("distance", "-{}".format, slice(3)), True
    )
    together = flights.validate_landed(lived, "timetable", DAYS)
    assert [v.quarantined for v in together.values()] == [0, 3, 0]
    for day in DAYS:
        ws = flights.workspace(Path(shutil.copytree(with_references, tmp_path / day)))
        name = flights.extract("timetable", day)
        ws.landing.folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(lived.landing.folder / name, ws.landing.folder / name)
        alone = flights.validate_landed(ws, "timetable", [day])
        assert alone[day].id == together[day].id
        together_entry, alone_entry = (w.lake.entry("validated/timetable", day) for w in (lived, ws))
        assert together_entry.sha256 == alone_entry.sha256


def test_validating_twice_gives_the_same_verdict_and_bytes(lived):
    before = read_lake(lived.lake)
    assert before
    for source in flights.SOURCES:
        flights.validate_landed(lived, source, DAYS)
    assert read_lake(lived.lake) == before


def test_without_extracts_there_is_no_verdict(ws):
    assert flights.validate_landed(ws, "timetable", DAYS) == {}
    assert ws.lake.entries("validated/timetable") == {}


@pytest.mark.parametrize("source", [*flights.SOURCES, *flights.REFERENCE])
def test_a_partition_without_rows_is_rejected(source, tmp_path, extracts):
    ws = flights.workspace(tmp_path / "home")
    changes = {DAY: first_rows(0)}
    (verdict,) = land_and_validate(ws, extracts, source, [DAY], changes).values()
    assert not verdict.accepted
    assert any("no rows, so no row count" in reason for reason in verdict.reasons)
    assert ws.lake.entries(f"validated/{source}") == {}


def test_a_column_without_any_value_is_rejected(ws, extracts):
    """Range and set rules skip nulls. The not-null rules catch them."""
    verdict = land_and_validate(ws, extracts, "timetable", [DAY], {DAY: edited("carrier", lambda _: "NA")})[DAY]
    assert not verdict.accepted
    assert verdict.accepted_rows == 0
    assert "100% of the rows are quarantined; at most 10% are allowed" in verdict.reasons


def test_bad_rows_are_quarantined_up_to_the_declared_share(ws, extracts):
    landed = len(flights.rows((extracts / flights.extract("timetable", DAY)).read_bytes())) - 1
    most = int(landed * flight_delays().governance.max_quarantined_share)
    for bad, accepted in ((most, True), (most + 1, False)):
        verdict = land_and_validate(
            ws, extracts, "timetable", [DAY], {DAY: edited("distance", "-{}".format, slice(bad))}
        )[DAY]
        assert (verdict.accepted, verdict.quarantined) == (accepted, bad)


def test_rows_are_conserved_with_all_faults_at_once(ws, extracts):
    """Broken lines, copies, bad rows and a correction that replaces some, in two files of one day."""

    def spoil(content: bytes) -> bytes:
        header, *body = flights.rows(content)
        body[4] = body[4][:5]
        body[9][header.index("distance")] = "far"
        body[10][header.index("distance")] = "-1"
        return flights.text([header, *body, body[20], body[21]])

    def correction(content: bytes) -> bytes:
        header, *body = flights.rows(content)
        for row in body[:7]:
            row[header.index("sched_arr_time")] = "1"
        return flights.text([header, *body[:8]])

    verdict = land_and_validate(ws, extracts, "timetable", [DAY], {DAY: spoil})[DAY]
    assert (verdict.quarantined, verdict.duplicates, verdict.superseded) == (3, 2, 0)
    name = flights.extract("timetable", DAY)
    more = (ws.landing.folder / name).with_name(f"timetable_{DAY}.csv")
    more.write_bytes(correction((extracts / name).read_bytes()))
    verdict = flights.validate_landed(ws, "timetable", [DAY])[DAY]
    assert verdict.conserved
    whole = len(flights.rows((extracts / name).read_bytes())) - 1
    assert verdict.landed == whole + 2 + 8
    # of the eight corrections one is a copy, and one brings back the broken line's flight
    assert (verdict.quarantined, verdict.duplicates, verdict.superseded) == (3, 3, 6)
    assert verdict.accepted_rows == whole - 2


def test_a_verdict_that_loses_rows_is_not_conserved():
    lost = Verdict("s", DAY, True, 10, 7, 1, 1, 0, [], [])
    assert not lost.conserved
    assert Verdict.from_dict(json.loads(json.dumps(lost.to_dict()))) == lost


def test_rules_after_close_wait_until_the_partition_closes(ws, extracts):
    """At noon half a day is all there can be; when the day is over it isn't."""
    closes = flight_delays().settled_at(DAY)
    half = {DAY: first_rows(0.4)}
    name = flights.extract("movements", DAY)
    ws.landing.folder.mkdir(parents=True, exist_ok=True)
    flights.deliver(ws, extracts, name, half[DAY])
    suite = suites.load_suite("flight_delays", "movements")
    last = [r.expected for r in suite.partition.rules if r.applies == "after_close"]

    early = validate_landed(ws, "movements", suite, [DAY], closes - timedelta(seconds=1))[DAY]
    assert early.accepted
    assert not early.closed
    assert not {r.expected for r in early.rules} & set(last)
    for moment in (closes, None):
        late = validate_landed(ws, "movements", suite, [DAY], moment)[DAY]
        assert not late.accepted
        assert late.closed
        assert [r.expected for r in late.rules][-len(last) :] == last
    assert ws.lake.entry("validated/movements", DAY).facts["verdict_id"] == early.id


def test_an_hour_without_events_is_accepted_while_the_day_is_open(ws):
    header = ",".join(flight_delays().sources["movements"].columns) + "\n"
    land_extract(ws.landing, f"movements_{DAY}T05Z.csv", header)
    suite = suites.load_suite("flight_delays", "movements")
    early = validate_landed(ws, "movements", suite, [DAY], flight_delays().closes_at(BEFORE) + timedelta(hours=2))[DAY]
    assert (early.accepted, early.landed) == (True, 0)


def read_pages(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.suffix in (".html", ".json")}


def all_texts(verdict: Verdict) -> str:
    """All that a verdict says to the log, to the UI and in the lake."""
    check = verdict_check("contract", verdict, DOCS, verdict.partition)
    return json.dumps(verdict.to_dict()) + repr(check)


def test_no_value_enters_verdicts_checks_and_pages(ws, extracts, tmp_path):
    columns = ["origin", "sched_dep_time", "carrier", "distance", "year", "time_hour"]

    def plant(content: bytes) -> bytes:
        for n, column in enumerate(columns):
            content = edited(column, lambda _: SENTINEL, slice(n, n + 1))(content)
        return content

    verdict = land_and_validate(ws, extracts, "timetable", [DAY], {DAY: plant})[DAY]
    assert (verdict.accepted, verdict.quarantined) == (True, 5)
    assert [r.failed for r in verdict.warnings if r.column == "carrier"] == [1]
    assert SENTINEL not in all_texts(verdict)
    build_docs(ws.use_case, ws.lake, tmp_path / "docs")
    assert not [name for name, text in read_pages(tmp_path / "docs").items() if SENTINEL in text]


BROKEN = [  # broken lines, no header, an open quote, another delimiter, not text
    lambda c: c.replace(b"\n", b"\n" + SENTINEL.encode() + b"\n", 2)[:-40_000],
    lambda c: edited("dest", lambda _: SENTINEL)(c).split(b"\n", 1)[1],
    lambda c: c[:500] + b'\n"' + SENTINEL.encode() + c[500:],
    lambda c: c.replace(b",", b"^" + SENTINEL.encode()),
    lambda c: c[:3000] + SENTINEL.encode() + b"\xff" + c[3000:],
]


def test_no_value_of_a_broken_file_enters_them_either(ws, extracts, tmp_path):
    days = flights.MANY[: len(BROKEN)]
    verdicts = land_and_validate(ws, extracts, "timetable", days, dict(zip(days, BROKEN, strict=True)))
    assert [v.accepted for v in verdicts.values()] == [False] * len(BROKEN)
    for day in days:
        assert SENTINEL.encode() in (ws.landing.folder / flights.extract("timetable", day)).read_bytes()
        assert verdicts[day].quarantined
        assert SENTINEL not in all_texts(verdicts[day])
    build_docs(ws.use_case, ws.lake, tmp_path / "docs")
    pages_by_name = read_pages(tmp_path / "docs")
    assert sum("REJECTED" in name for name in pages_by_name) == len(BROKEN)
    assert not [name for name, text in pages_by_name.items() if SENTINEL in text]


CALLS_OF_PERSON = [[number, SENTINEL, f"{DAY} 1{number}:00", 0.5] for number in range(5)]
PERSONAL = Suite(
    description="calls with a caller",
    rows=[
        Rule(type="expect_column_values_to_not_be_null", severity="critical", kwargs={"column": "id"}, why="no call"),
        Rule(
            type="expect_column_values_to_match_regex",
            severity="warning",
            kwargs={"column": "site", "regex": "^A"},
            why="an unusual caller",
        ),
        Rule(
            type="expect_column_values_to_be_in_set",
            severity="warning",
            kwargs={"column": "initial", "value_set": ["A"]},
            why="an unusual caller",
        ),
    ],
    partition=PartitionRules(
        metrics={"rows": "count(*)", "first_caller": "min(site)"},
        rules=[
            Rule(
                type="expect_column_values_to_be_between",
                severity="critical",
                kwargs={"column": "rows", "min_value": 1},
                why="nobody called",
            ),
            Rule(
                type="expect_column_values_to_be_in_set",
                severity="critical",
                kwargs={"column": "first_caller", "value_set": ["Adam"]},
                why="the first in the alphabet",
            ),
        ],
    ),
)


def test_personal_columns_and_their_derivatives_are_never_named(tmp_path, monkeypatch):
    ws = make_workspace(tmp_path, sources={"calls": {"personal": ["site"], "derived": {"initial": "site[1:1]"}}})
    land_extract(ws.landing, f"calls_{DAY}.csv", csv_text(CALLS, CALLS_OF_PERSON))
    verdict = validate_landed(ws, "calls", PERSONAL, [DAY])[DAY]
    assert [r.failed for r in verdict.rules if not r.passed] == [5, 5, 1]
    assert not verdict.accepted
    assert verdict.reasons
    unsuspicious = Suite(description="visits")
    monkeypatch.setattr(
        "expectations.data_docs.load_suite", lambda _, source: PERSONAL if source == "calls" else unsuspicious
    )
    build_docs(ws.use_case, ws.lake, tmp_path / "docs")
    pages_by_name = read_pages(tmp_path / "docs")
    assert any(
        "(personal data)" in text for name, text in pages_by_name.items() if name.startswith("validations/calls")
    )
    for text in (all_texts(verdict), *(text for name, text in pages_by_name.items() if name != "index.html")):
        assert not re.search(rf"{SENTINEL}|\binitial\b(?!-scale)|first_caller|Adam|\bsite\b", text)


def test_columns_that_are_not_personal_are_named(tmp_path):
    """The counterpart: the test above would see them."""
    ws = make_workspace(tmp_path, sources={"calls": {"derived": {"initial": "site[1:1]"}}})
    land_extract(ws.landing, f"calls_{DAY}.csv", csv_text(CALLS, CALLS_OF_PERSON))
    verdict = validate_landed(ws, "calls", PERSONAL, [DAY])[DAY]
    assert [r.column for r in verdict.rules] == ["id", "site", "initial", "rows", "first_caller"]
    assert verdict.rules[-1].observed == SENTINEL


def test_names_of_columns_and_metrics_may_hold_quotes_and_reserved_words(tmp_path):
    columns = {"id": "INTEGER", 'a"b': "INTEGER", "order": "INTEGER"}
    quoted = {
        "files": "quoted*.csv",
        "description": "q",
        "columns": columns,
        "key": ["id"],
        "partition": "date '2013-06-12'",
    }
    ws = make_workspace(tmp_path, sources={"quoted": {**quoted, "derived": {"select": "id + 1"}, "known_at": "now()"}})
    land_extract(ws.landing, "quoted.csv", 'id,"a""b",order\n1,1,1\n2,2,2\n')
    between = {"type": "expect_column_values_to_be_between", "severity": "critical", "why": "too large"}
    suite = Suite(
        description="quoted names",
        rows=[Rule(**between, kwargs={"column": c, "max_value": 9}) for c in ('a"b', "order", "select")],
        partition=PartitionRules(
            metrics={"group": "count(*)"}, rules=[Rule(**between, kwargs={"column": "group", "max_value": 1})]
        ),
    )
    verdict = validate_landed(ws, "quoted", suite, ["2013-06-12"])["2013-06-12"]
    assert verdict.reasons == ["group is 2, expected at most 1: too large"]
    assert [rule.failed for rule in verdict.rules] == [0, 0, 0, 1]


STOCK = {
    "files": "stock*.csv",
    "description": "Stock of a shop.",
    "columns": {"id": "INTEGER", "kind": "VARCHAR", "counted": "INTEGER", "sold_until": "DATE"},
    "key": ["id"],
    "partition": "date '2013-06-12'",
    "known_at": "timestamp '2013-06-12'",
    "derived": {"negative": "counted < 0"},
}
STOCK_ROWS = "".join(f"{n},fresh,5,2013-06-20\n" for n in range(100, 140))


@pytest.mark.parametrize(
    ("odd_rows", "limited", "quarantined"),
    [
        (
            "1,spare,-1,2013-06-20\n2,fresh,-1,2013-06-20\n",
            {"column": "counted", "min_value": 0, "row_condition": 'kind == "fresh"', "condition_parser": "pandas"},
            [2],
        ),
        (
            "1,,-1,2013-06-20\n2,fresh,-1,2013-06-20\n3,spare,-4,2013-06-20\n",
            {"column": "counted", "min_value": 0, "row_condition": 'kind != "fresh"'},
            [1, 3],
        ),
        (
            "1,fresh,-1,2013-06-01\n2,fresh,1,2013-06-01\n",
            {"column": "sold_until", "min_value": "2013-06-12", "row_condition": "not negative"},
            [2],
        ),
    ],
)
def test_a_row_condition_quarantines_only_the_rows_that_fulfil_it(tmp_path, odd_rows, limited, quarantined):
    ws = make_workspace(tmp_path, sources={"stock": STOCK})
    land_extract(ws.landing, "stock.csv", "id,kind,counted,sold_until\n" + STOCK_ROWS + odd_rows)
    rule = Rule(type="expect_column_values_to_be_between", severity="critical", kwargs=limited, why="implausible")
    verdict = validate_landed(ws, "stock", Suite(description="stock", rows=[rule]), ["2013-06-12"])["2013-06-12"]
    assert verdict.accepted
    assert f"where {limited['row_condition']}" in verdict.rules[0].expected
    entry = ws.lake.entry("quarantine/stock", "2013-06-12")
    assert entry
    rows = pq.read_table(ws.lake.local_file(entry)).to_pylist()
    assert sorted(int(row["id"]) for row in rows) == quarantined


def test_a_condition_on_a_personal_column_is_masked():
    arguments = {"column": "counted", "min_value": 0, "row_condition": "name == 'Ann'"}
    rule = Rule(type="expect_column_values_to_be_between", severity="info", kwargs=arguments, why="w")
    assert "Ann" not in rule.mask_personal({"name"}).expected
    assert rule.mask_personal({"counted"}).expected.endswith("where name == 'Ann'")


INTERNAL_NAMES = (
    "rule",
    "id_",
    "number",
    "hash",
    "numbers",
    "status",
    "reason",
    "failures",
    "typed",
    "rivals",
    "v",
    "r",
)


def test_columns_may_have_the_names_that_the_validation_uses(tmp_path: Path) -> None:
    columns = CALLS["columns"] | dict.fromkeys(INTERNAL_NAMES, "INTEGER")
    calls = CALLS | {"columns": columns}
    ws = make_workspace(tmp_path, sources={"calls": calls}, governance={"max_quarantined_share": 0.9})
    days, extra = ["2013-03-10", "2013-03-11"], [7] * len(INTERNAL_NAMES)
    rows = {
        day: [(n, "north", f"{day} 16:00:00", 0.5, *extra) for n in range(3 * i, 3 * i + 3)]
        for i, day in enumerate(days)
    }
    rows[days[0]][1] = (*rows[days[0]][1][:4], 9, *extra[1:])  # its column `rule` breaks the rule
    for day in days:
        land_extract(ws.landing, f"calls_{day}.csv", csv_text(calls, rows[day]))
    checked = Rule(
        type="expect_column_values_to_be_in_set",
        severity="critical",
        kwargs={"column": "rule", "value_set": [7]},
        why="for the test",
    )
    suite = Suite(description="one rule", rows=[checked])
    verdicts = validate_landed(ws, "calls", suite, days)
    assert [(v.accepted_rows, v.quarantined) for v in verdicts.values()] == [(2, 1), (3, 0)]
    moved = (0, "north", f"{days[1]} 16:00:00", 0.5, *extra)  # the key 0 moves to the other day
    land_extract(ws.landing, "calls_later.csv", csv_text(calls, [moved]))
    verdicts = validate_landed(ws, "calls", suite, days)
    assert [(v.accepted_rows, v.quarantined) for v in verdicts.values()] == [(1, 1), (4, 0)]
