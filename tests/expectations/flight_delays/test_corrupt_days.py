"""A corrupt day of the flights is rejected, or its bad rows are quarantined with the reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sixtyforty.modeling.features import BuiltPartitions, FeatureWindow
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.verdicts import Verdict, read_verdict
from sixtyforty.workspace import Workspace
from tests import flights
from tests.corruption import FEW, QUARANTINED, REJECTED, Rejected, junk_without_zeros, negate, spoiled
from tests.flights import AFTER, BEFORE, DAY, DAYS, MANY, edited, land_and_validate


@dataclass
class Range:
    """The whole range after validation, one pass per source, and its features."""

    ws: Workspace
    verdicts: dict[str, dict[str, Verdict]]
    built: BuiltPartitions


@pytest.fixture(scope="module")
def clean(with_days: Path) -> Range:
    """Return the range without faults."""
    ws = flights.workspace(with_days)
    verdicts = {
        source: {day: read_verdict(e) for day, e in ws.lake.entries(f"validated/{source}").items()}
        for source in flights.SOURCES
    }
    return Range(ws, verdicts, FeatureWindow(ws.use_case, ws.lake, MANY).build())


@pytest.fixture(scope="module")
def corrupt(tmp_path_factory: pytest.TempPathFactory, extracts: Path, clean: Range) -> Callable[[str], Range]:
    """Return a function that gives the range with one source's faults, one per day."""

    @cache
    def made(source: str) -> Range:
        home = Path(shutil.copytree(clean.ws.home, tmp_path_factory.mktemp(source) / "home"))
        ws = flights.workspace(home)
        for kind in ("raw", "validated"):
            shutil.rmtree(ws.lake.root / kind / source)
        (ws.lake.root / "arrivals" / f"{source}.json").unlink()
        changes = {day: fault.change for day, fault in spoiled(source).items()}
        verdicts = land_and_validate(ws, extracts, source, MANY, changes)
        return Range(ws, {source: verdicts}, FeatureWindow(ws.use_case, ws.lake, MANY).build())

    return made


def table(lake: Lake, dataset: str, day: str = DAY) -> list[dict[str, Any]]:
    entry = lake.entry(dataset, day)
    return pq.read_table(lake.local_file(entry)).to_pylist() if entry else []


def content(ws: Workspace, source: str, day: str = DAY) -> bytes:
    return (ws.landing.folder / flights.extract(source, day)).read_bytes()


def lines(text: bytes) -> int:
    """Return the number of lines after the header; an unreadable file counts as one."""
    return max(1, len(text.removesuffix(b"\n").split(b"\n")) - 1)


def check_conserved(ws: Workspace, verdict: Verdict) -> None:
    """Check that landed rows = accepted + quarantined + duplicates + superseded, by the file and by the lake."""
    assert verdict.conserved
    assert verdict.landed == lines(content(ws, verdict.source, verdict.partition))
    if verdict.accepted:
        row_counts = [
            len(table(ws.lake, f"{kind}/{verdict.source}", verdict.partition)) for kind in ("validated", "quarantine")
        ]
        assert row_counts == [verdict.accepted_rows, verdict.quarantined]


@pytest.mark.parametrize("name", REJECTED)
def test_a_day_that_cannot_be_trusted_is_rejected(name, corrupt, clean):
    fault = REJECTED[name]
    source, range_ = fault.source, corrupt(fault.source)
    day = next(d for d, f in spoiled(source).items() if f is fault)
    ws, verdict = range_.ws, range_.verdicts[source][day]

    assert not verdict.accepted
    for reason in fault.reasons:
        assert reason in "; ".join(verdict.reasons)
    if "header only" in name:
        assert verdict.landed == verdict.accepted_rows == verdict.quarantined == 0
    else:
        check_conserved(ws, verdict)
    assert ws.lake.entry(f"validated/{source}", day) is None
    rejected = ws.lake.entry(f"rejected/{source}", day)
    assert rejected is not None
    assert (rejected.rows, rejected.facts["verdict_id"]) == (0, verdict.id)
    if fault.last_line:
        last = lines(content(ws, source, day)) + 1
        assert (last, fault.last_line) in [
            (r["_row"], r["_reason"]) for r in table(ws.lake, f"quarantine/{source}", day)
        ]

    assert all(day not in parts.get(f"validated/{source}", {}) for parts in range_.built.inputs.values())
    if source == "timetable":  # without it there are no units
        assert day not in range_.built.tables
    else:
        assert range_.built.tables[day].num_rows == clean.built.tables[day].num_rows


@pytest.mark.parametrize("name", QUARANTINED)
def test_bad_rows_are_quarantined_with_their_reason(name, corrupt, clean):
    fault = QUARANTINED[name]
    source, range_ = fault.source, corrupt(fault.source)
    day = next(d for d, f in spoiled(source).items() if f is fault)
    ws, verdict, was = range_.ws, range_.verdicts[source][day], clean.verdicts[source][day]
    before, after = flights.rows(content(clean.ws, source, day)), flights.rows(content(ws, source, day))
    changed = [n for n, (a, b) in enumerate(zip(before, after, strict=True), 1) if a != b]
    assert changed

    bad = table(ws.lake, f"quarantine/{source}", day)
    assert [r["_row"] for r in bad] == changed
    assert {r["_extract"] for r in bad} == {e.id for e in ws.landing.known(source) if day in e.partitions}
    assert all(fault.reason in r["_reason"] for r in bad)
    assert verdict.accepted
    assert (verdict.quarantined, verdict.accepted_rows) == (len(changed), was.accepted_rows - len(changed))
    check_conserved(ws, verdict)
    assert not set(changed) & {r["_row"] for r in table(ws.lake, f"validated/{source}", day)}

    units = {tuple(str(r[k]) for k in ("carrier", "flight", "origin")) for r in range_.built.tables[day].to_pylist()}
    lost_units = {
        tuple(before[n - 1][before[0].index(k)] for k in ("carrier", "flight", "origin"))
        for n in changed
        if source == "timetable"
    }
    assert not units & lost_units
    assert len(units) == clean.built.tables[day].num_rows - len(lost_units)


@pytest.mark.parametrize("source", flights.SOURCES)
def test_the_other_days_of_the_range_are_unchanged(source, corrupt, clean):
    range_ = corrupt(source)
    assert list(range_.verdicts[source]) == MANY
    sound = [day for day in MANY if day not in spoiled(source)]
    assert {MANY[0], MANY[6], MANY[-1]} <= set(sound)
    for day in sound:
        corrupt_entry, clean_entry = (r.ws.lake.entry(f"validated/{source}", day) for r in (range_, clean))
        assert range_.verdicts[source][day].id == clean.verdicts[source][day].id
        assert range_.verdicts[source][day].accepted
        assert corrupt_entry.sha256 == clean_entry.sha256
        assert range_.ws.lake.entry(f"quarantine/{source}", day) is None
        assert range_.built.tables[day].num_rows == clean.built.tables[day].num_rows


@pytest.mark.parametrize("source", flights.SOURCES)
def test_features_are_as_if_the_rejected_days_had_never_landed(source, corrupt, extracts, clean, tmp_path):
    range_ = corrupt(source)
    ws = flights.workspace(Path(shutil.copytree(range_.ws.home, tmp_path / "home")))
    for day, fault in spoiled(source).items():
        if isinstance(fault, Rejected):
            ws.lake.drop(f"rejected/{source}", day)
            ws.lake.drop(f"quarantine/{source}", day)
            ws.lake.drop(f"raw/{source}", day)
    built = FeatureWindow(ws.use_case, ws.lake, MANY).build()
    assert list(built.tables) == list(range_.built.tables)
    assert all(built.tables[day].equals(range_.built.tables[day]) for day in built.tables)
    first = MANY[0]
    assert built.tables[first].equals(clean.built.tables[first])


RESTATED = ["timetable cut mid-line", "timetable, a header only", "movements, delays in seconds", "weather, empty"]


@pytest.mark.parametrize("fault", [REJECTED[name] for name in RESTATED], ids=RESTATED)
def test_the_accepted_version_stays_in_force(fault, lived, extracts, clean):
    source, before = fault.source, lived.lake.entries(f"validated/{fault.source}")
    was = FeatureWindow(lived.use_case, lived.lake, DAYS).build()
    flights.deliver(lived, extracts, flights.extract(source, DAY), fault.change, later=True)
    verdicts = flights.validate_landed(lived, source, DAYS)

    assert {d: v.accepted for d, v in verdicts.items()} == {BEFORE: True, DAY: False, AFTER: True}
    assert lived.lake.entries(f"validated/{source}") == before
    assert {d: verdicts[d].id for d in (BEFORE, AFTER)} == {d: clean.verdicts[source][d].id for d in (BEFORE, AFTER)}
    rejected = lived.lake.entry(f"rejected/{source}", DAY)
    assert rejected is not None
    assert rejected.facts["verdict"]["reasons"] == verdicts[DAY].reasons
    now = FeatureWindow(lived.use_case, lived.lake, DAYS).build()
    assert now.inputs == was.inputs
    assert all(now.tables[d].equals(was.tables[d]) for d in DAYS)

    flights.deliver(lived, extracts, flights.extract(source, DAY), lambda content: content)
    again = flights.validate_landed(lived, source, DAYS)
    assert again[DAY].accepted
    assert lived.lake.entry(f"rejected/{source}", DAY) is None
    assert lived.lake.entry(f"quarantine/{source}", DAY) is None


def test_a_restated_day_loses_its_bad_rows(lived, extracts, clean):
    flights.deliver(lived, extracts, flights.extract("timetable", DAY), edited("distance", negate, FEW), later=True)
    verdict, was = flights.validate_landed(lived, "timetable", DAYS)[DAY], clean.verdicts["timetable"][DAY]
    assert verdict.accepted
    assert verdict.quarantined == 5
    assert lived.lake.entry("validated/timetable", DAY).rows == was.accepted_rows - 5
    assert FeatureWindow(lived.use_case, lived.lake, DAYS).build().tables[DAY].num_rows == was.accepted_rows - 5


@pytest.mark.parametrize("source", flights.SOURCES)
def test_repeated_rows_are_counted_as_duplicates(source, lived, extracts, clean):
    before = {day: table(lived.lake, f"validated/{source}", day) for day in DAYS}
    was = FeatureWindow(lived.use_case, lived.lake, DAYS).build().tables
    flights.deliver(lived, extracts, flights.extract(source, DAY), flights.tenth_again, later=True)
    verdict, landed = flights.validate_landed(lived, source, DAYS)[DAY], clean.verdicts[source][DAY].landed
    again = (landed + 9) // 10

    assert verdict.accepted
    assert (verdict.landed, verdict.duplicates, verdict.quarantined) == (landed + again, again, 0)
    assert verdict.conserved
    after = {day: table(lived.lake, f"validated/{source}", day) for day in DAYS}
    for rows in (before[DAY], after[DAY]):
        for row in rows:
            del row["_extract"]  # its file differs
    assert after == before
    now = FeatureWindow(lived.use_case, lived.lake, DAYS).build().tables
    assert all(now[d].equals(was[d]) for d in DAYS)


@pytest.mark.parametrize("opened", [[40], [40, 400]], ids=["one quote", "two quotes, far apart"])
def test_an_open_quote_breaks_the_lines_up_to_the_next_quote(opened, ws, extracts, clean):
    """The lines after it may be the middle of a value, so none of them becomes a row."""

    def quoted(content: bytes) -> bytes:
        header, *body = flights.rows(content)
        for row in opened:
            body[row][header.index("carrier")] = '"' + body[row][header.index("carrier")]
        return flights.text([header, *body])

    verdict = land_and_validate(ws, extracts, "movements", [DAY], {DAY: quoted})[DAY]
    bad = table(ws.lake, "quarantine/movements")
    landed = clean.verdicts["movements"][DAY].landed
    last = opened[1] + 2 if len(opened) == 2 else landed + 1
    assert [r["_row"] for r in bad] == list(range(opened[0] + 2, last + 1))
    assert all(r["_reason"].startswith(f"the record that starts in line {opened[0] + 2} has ") for r in bad)
    assert verdict.landed == landed
    assert not verdict.accepted


def test_line_numbers_count_empty_lines(ws, extracts):
    def spaced(content: bytes) -> bytes:
        return edited("distance", negate, slice(10, 11))(content).replace(b"\n", b"\n\n", 3)

    land_and_validate(ws, extracts, "timetable", [DAY], {DAY: spaced})
    (bad,) = table(ws.lake, "quarantine/timetable")
    assert b",-" in content(ws, "timetable").splitlines()[bad["_row"] - 1]


def test_a_truncated_month_rejects_the_missing_days(ws, extracts, clean):
    """History comes in one file per month. Days that are missing from it are rejected."""
    first, *others = ((extracts / flights.extract("movements", d)).read_bytes() for d in DAYS)
    whole = first + b"".join(content.split(b"\n", 1)[1] for content in others)
    month = ws.landing.folder / f"movements_{BEFORE}_{AFTER}.csv"
    month.write_bytes(whole)
    assert all(v.accepted for v in flights.validate_landed(ws, "movements", DAYS).values())
    kept = ws.lake.entries("validated/movements")

    cut = len((extracts / flights.extract("movements", BEFORE)).read_bytes()) + 20_000
    month.write_bytes(whole[:cut])
    verdicts = flights.validate_landed(ws, "movements", DAYS)
    assert {d: v.accepted for d, v in verdicts.items()} == {BEFORE: True, DAY: False, AFTER: False}
    assert verdicts[BEFORE].accepted_rows == clean.verdicts["movements"][BEFORE].accepted_rows
    assert sum(v.landed for v in verdicts.values()) == lines(whole[:cut])
    (broken,) = table(ws.lake, "quarantine/movements", BEFORE)  # the first day in the name of the file
    assert broken["_row"] == lines(whole[:cut]) + 1
    assert {d: ws.lake.entry("validated/movements", d).sha256 for d in (DAY, AFTER)} == {
        d: kept[d].sha256 for d in (DAY, AFTER)
    }


def test_an_hour_of_junk_affects_only_its_own_day(ws, extracts):
    """14:00 UTC belongs to that day in New York, so the day before keeps its verdict."""
    before = land_and_validate(ws, extracts, "movements", [BEFORE, DAY])
    (ws.landing.folder / f"movements_{DAY}T14Z.csv").write_bytes(junk_without_zeros(b"0" * 500))
    after = flights.validate_landed(ws, "movements", [BEFORE, DAY])
    assert after[BEFORE].id == before[BEFORE].id
    (reason,) = after[DAY].reasons
    assert reason.startswith(f"movements_{DAY}T14Z.csv: the header is not UTF-8")
    assert after[DAY].accepted  # the other hours are there
    assert after[DAY].quarantined > 0
