"""The gate: what a verdict says, when a rule applies, and what it never tells."""

from __future__ import annotations

import json
import re
import shutil
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from assets.verdict_checks import verdict_check
from expectations import suites
from expectations.data_docs import build_docs
from expectations.suites import Rule
from expectations.validation import validate
from sixtyforty.ingest.raw import ingest
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.workspace import Workspace
from tests import flights
from tests.flights import AFTER, BEFORE, DAY, DAYS, bring, edited, first_rows, flight_delays
from tests.helpers import CALLS, csv_text, land_extract, make_workspace, read_lake

SENTINEL = "carrier_N0B0DY"  # near enough to a column's name to be guessed at
DOCS = "data_docs/index.html"


def checked(ws: Workspace, source: str, suite: suites.Suite, partitions: list[str], as_of=None) -> dict[str, Verdict]:
    ingest(ws.use_case, source, ws.lake, ws.landing, partitions, "test")
    return validate(ws.use_case, source, suite, ws.lake, partitions, as_of, "test")


def test_each_day_of_a_range_gets_the_verdict_it_gets_alone(lived, with_references, extracts, tmp_path):
    flights.deliver(
        lived, extracts, flights.extract("timetable", DAY), edited("distance", "-{}".format, slice(3)), True
    )
    together = flights.gate(lived, "timetable", DAYS)
    assert [v.quarantined for v in together.values()] == [0, 3, 0]
    for day in DAYS:
        ws = flights.workspace(Path(shutil.copytree(with_references, tmp_path / day)))
        name = flights.extract("timetable", day)
        ws.landing.folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(lived.landing.folder / name, ws.landing.folder / name)
        alone = flights.gate(ws, "timetable", [day])
        assert alone[day].id == together[day].id
        ours, theirs = (w.lake.entry("validated/timetable", day) for w in (lived, ws))
        assert ours.sha256 == theirs.sha256


def test_the_same_day_twice_gets_the_same_verdict_and_the_same_bytes(lived):
    before = read_lake(lived.lake)
    assert before
    for source in flights.SOURCES:
        flights.gate(lived, source, DAYS)
    assert read_lake(lived.lake) == before


def test_nothing_landed_is_no_verdict(ws):
    assert flights.gate(ws, "timetable", DAYS) == {}
    assert ws.lake.entries("validated/timetable") == {}


@pytest.mark.parametrize("source", [*flights.SOURCES, *flights.REFERENCE])
def test_no_rows_are_no_pass(source, tmp_path, extracts):
    ws = flights.workspace(tmp_path / "home")
    changes = {DAY: first_rows(0)}
    (verdict,) = bring(ws, extracts, source, [DAY], changes).values()
    assert not verdict.accepted
    assert any("no rows, so no row count" in reason for reason in verdict.reasons)
    assert ws.lake.entries(f"validated/{source}") == {}


def test_columns_without_a_value_are_no_pass(ws, extracts):
    """Range and set rules skip nulls: the not-null rules beside them don't."""
    verdict = bring(ws, extracts, "timetable", [DAY], {DAY: edited("carrier", lambda _: "NA")})[DAY]
    assert not verdict.accepted
    assert verdict.accepted_rows == 0
    assert "100% of the rows are quarantined, allowed are 10%" in verdict.reasons


def test_up_to_the_declared_share_is_quarantined_and_beyond_it_rejected(ws, extracts):
    landed = len(flights.rows((extracts / flights.extract("timetable", DAY)).read_bytes())) - 1
    most = int(landed * flight_delays().governance.max_quarantined_share)
    for bad, accepted in ((most, True), (most + 1, False)):
        verdict = bring(ws, extracts, "timetable", [DAY], {DAY: edited("distance", "-{}".format, slice(bad))})[DAY]
        assert (verdict.accepted, verdict.quarantined) == (accepted, bad)


def test_conservation_holds_of_everything_at_once(ws, extracts):
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

    verdict = bring(ws, extracts, "timetable", [DAY], {DAY: spoil})[DAY]
    assert (verdict.quarantined, verdict.duplicates, verdict.superseded) == (3, 2, 0)
    name = flights.extract("timetable", DAY)
    more = (ws.landing.folder / name).with_name(f"timetable_{DAY}.csv")
    more.write_bytes(correction((extracts / name).read_bytes()))
    verdict = flights.gate(ws, "timetable", [DAY])[DAY]
    assert verdict.conserved
    whole = len(flights.rows((extracts / name).read_bytes())) - 1
    assert verdict.landed == whole + 2 + 8
    # of the eight corrections one is a copy, and one brings back the broken line's flight
    assert (verdict.quarantined, verdict.duplicates, verdict.superseded) == (3, 3, 6)
    assert verdict.accepted_rows == whole - 2


def test_a_verdict_that_loses_rows_shows():
    lost = Verdict("s", DAY, True, 10, 7, 1, 1, 0, [], [])
    assert not lost.conserved
    assert Verdict.from_dict(json.loads(json.dumps(lost.to_dict()))) == lost


def test_rules_at_close_wait_for_the_close(ws, extracts):
    """At noon half a day is all there can be; when the day is over it isn't."""
    closes = flight_delays().settled_at(DAY)
    half = {DAY: first_rows(0.4)}
    name = flights.extract("movements", DAY)
    ws.landing.folder.mkdir(parents=True, exist_ok=True)
    flights.deliver(ws, extracts, name, half[DAY])
    suite = suites.load_suite("flight_delays", "movements")
    last = [r.expected for r in suite.partition.rules if r.applies == "after_close"]

    early = checked(ws, "movements", suite, [DAY], closes - timedelta(seconds=1))[DAY]
    assert early.accepted
    assert not early.closed
    assert not {r.expected for r in early.rules} & set(last)
    for moment in (closes, None):
        late = checked(ws, "movements", suite, [DAY], moment)[DAY]
        assert not late.accepted
        assert late.closed
        assert [r.expected for r in late.rules][-len(last) :] == last
    assert ws.lake.entry("validated/movements", DAY).facts["verdict_id"] == early.id


def test_an_hour_without_events_is_accepted_while_the_day_goes_on(ws):
    header = ",".join(flight_delays().sources["movements"].columns) + "\n"
    land_extract(ws.landing, f"movements_{DAY}T05Z.csv", header)
    suite = suites.load_suite("flight_delays", "movements")
    early = checked(ws, "movements", suite, [DAY], flight_delays().closes_at(BEFORE) + timedelta(hours=2))[DAY]
    assert (early.accepted, early.landed) == (True, 0)


# What a verdict, a check and Data Docs may say.


def pages(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.suffix in (".html", ".json")}


def told(verdict: Verdict) -> str:
    """All that a verdict says to the log, to the UI and in the lake."""
    check = verdict_check("contract", verdict, DOCS)
    return json.dumps(verdict.to_dict()) + repr(check)


def test_values_stay_out_of_verdicts_checks_and_pages(ws, extracts, tmp_path):
    columns = ["origin", "sched_dep_time", "carrier", "distance", "year", "time_hour"]

    def plant(content: bytes) -> bytes:
        for n, column in enumerate(columns):
            content = edited(column, lambda _: SENTINEL, slice(n, n + 1))(content)
        return content

    verdict = bring(ws, extracts, "timetable", [DAY], {DAY: plant})[DAY]
    assert (verdict.accepted, verdict.quarantined) == (True, 5)
    assert [r.failed for r in verdict.warnings if r.column == "carrier"] == [1]
    assert SENTINEL not in told(verdict)
    build_docs(ws.use_case, ws.lake, tmp_path / "docs")
    assert not [name for name, text in pages(tmp_path / "docs").items() if SENTINEL in text]


BROKEN = [  # broken lines, no header, an open quote, another delimiter, not text
    lambda c: c.replace(b"\n", b"\n" + SENTINEL.encode() + b"\n", 2)[:-40_000],
    lambda c: edited("dest", lambda _: SENTINEL)(c).split(b"\n", 1)[1],
    lambda c: c[:500] + b'\n"' + SENTINEL.encode() + c[500:],
    lambda c: c.replace(b",", b";" + SENTINEL.encode()),
    lambda c: c[:3000] + SENTINEL.encode() + b"\xff" + c[3000:],
]


def test_values_of_broken_files_stay_out_too(ws, extracts, tmp_path):
    days = flights.MANY[: len(BROKEN)]
    verdicts = bring(ws, extracts, "timetable", days, dict(zip(days, BROKEN, strict=True)))
    assert [v.accepted for v in verdicts.values()] == [False, False, True, False, False]
    for day in days:
        assert SENTINEL.encode() in (ws.landing.folder / flights.extract("timetable", day)).read_bytes()
        assert verdicts[day].quarantined
        assert SENTINEL not in told(verdicts[day])
    build_docs(ws.use_case, ws.lake, tmp_path / "docs")
    found = pages(tmp_path / "docs")
    assert sum("REJECTED" in name for name in found) == 4
    assert not [name for name, text in found.items() if SENTINEL in text]


PERSONAL = suites.Suite(
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
    partition=suites.PartitionRules(
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


def test_personal_columns_and_what_is_made_of_them_are_never_told(tmp_path, monkeypatch):
    ws = make_workspace(tmp_path, sources={"calls": {"personal": ["site"], "derived": {"initial": "site[1:1]"}}})
    land_extract(ws.landing, f"calls_{DAY}.csv", csv_text(CALLS, [[n, SENTINEL, f"{DAY} 1{n}:00", 0.5] for n in range(5)]))
    verdict = checked(ws, "calls", PERSONAL, [DAY])[DAY]
    assert [r.failed for r in verdict.rules if not r.passed] == [5, 5, 1]
    assert not verdict.accepted
    assert verdict.reasons
    unsuspicious = suites.Suite(description="visits")
    monkeypatch.setattr(
        "expectations.data_docs.load_suite", lambda _, source: PERSONAL if source == "calls" else unsuspicious
    )
    build_docs(ws.use_case, ws.lake, tmp_path / "docs")
    found = pages(tmp_path / "docs")
    assert any("(personal data)" in text for name, text in found.items() if name.startswith("validations/calls"))
    for text in (told(verdict), *(text for name, text in found.items() if name != "index.html")):
        assert not re.search(rf"{SENTINEL}|\binitial\b(?!-scale)|first_caller|Adam|\bsite\b", text)


def test_personal_columns_are_told_of_where_they_are_not_personal(tmp_path):
    """The counterpart: the test above would see them."""
    ws = make_workspace(tmp_path, sources={"calls": {"derived": {"initial": "site[1:1]"}}})
    land_extract(ws.landing, f"calls_{DAY}.csv", csv_text(CALLS, [[n, SENTINEL, f"{DAY} 1{n}:00", 0.5] for n in range(5)]))
    verdict = checked(ws, "calls", PERSONAL, [DAY])[DAY]
    assert [r.column for r in verdict.rules] == ["id", "site", "initial", "rows", "first_caller"]
    assert verdict.rules[-1].observed == SENTINEL


# Data Docs


def test_data_docs_have_an_index_and_a_page_for_a_rejected_day(lived, extracts, tmp_path):
    flights.deliver(lived, extracts, flights.extract("movements", DAY), flights.delimited_by(";"), later=True)
    flights.gate(lived, "movements", DAYS)
    index, shown = build_docs(lived.use_case, lived.lake, tmp_path / "docs")
    assert build_docs(lived.use_case, lived.lake, tmp_path / "docs") == (index, shown), "built again, the same"
    assert index == tmp_path / "docs" / "index.html"
    found = pages(tmp_path / "docs")
    assert "movements" in found["index.html"]
    rejected = [text for name, text in found.items() if name.startswith("validations/movements") and "REJECTED" in text]
    assert len(rejected) == 1
    assert DAY in rejected[0]
    assert "Failed" in rejected[0]
    days = [name for name in found if name.startswith("validations/movements")]
    assert len(days) == 4  # the three days in force, and the rejected one
    for source in flight_delays().inputs:
        assert any(name.startswith(f"expectations/{source}") for name in found)
        assert any(name.startswith(f"validations/{source}") for name in found)
    assert not [name for name, text in found.items() if "KeyError" in text or "Traceback" in text]


def test_data_docs_built_by_two_at_once_are_whole(lived, tmp_path):
    """Two retrains at once: each used to delete the pages the other was about to list."""
    folder = tmp_path / "docs"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        built = [pool.submit(build_docs, lived.use_case, lived.lake, folder) for _ in range(4)]
        (index, shown), *others = [b.result() for b in built]
    assert all(other == (index, shown) for other in others)
    links = re.findall(r'href="([^"]+)"', index.read_text())
    assert len(links) > len(shown)
    assert all((folder / link).is_file() for link in links)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir() and p.name.startswith(".")] == []


def test_data_docs_keep_the_newest_and_forget_what_was_corrected(lived, extracts, tmp_path):
    name = flights.extract("weather", AFTER)
    flights.deliver(lived, extracts, name, first_rows(0.5), later=True)
    flights.gate(lived, "weather", DAYS)
    build_docs(lived.use_case, lived.lake, tmp_path / "docs")
    assert any("REJECTED" in text for text in pages(tmp_path / "docs").values())
    flights.deliver(lived, extracts, name, lambda content: content)
    flights.gate(lived, "weather", DAYS)
    build_docs(lived.use_case, lived.lake, tmp_path / "docs")
    assert not any("REJECTED" in text for text in pages(tmp_path / "docs").values())
