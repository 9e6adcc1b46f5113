"""Ways in which a day's extract can be wrong, and what governance must make of each."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests import flights
from tests.flights import MANY, Bytes, edited, first_rows


def negative(value: str) -> str:
    return f"-{value}"


def in_seconds(value: str) -> str:
    return value if value == "NA" else str(60 * int(value))


def junk(content: bytes) -> bytes:
    return random.Random(0).randbytes(len(content))


def junk_without_zeros(content: bytes) -> bytes:
    return junk(content).replace(b"\0", b"\xff")


def empty(content: bytes) -> bytes:
    return b""


@dataclass(frozen=True)
class Rejected:
    """Nothing of the day passes; each of `says` stands in its reasons. `line`: why the file's last line is bad."""

    source: str
    change: Bytes
    says: tuple[str, ...]
    line: str = ""


@dataclass(frozen=True)
class Quarantined:
    """The day passes without the changed lines, each kept apart with the reason."""

    source: str
    change: Bytes
    why: str


HEADER = "columns missing from the header: "
REJECTED = {
    "timetable cut mid-line": Rejected(
        "timetable",
        flights.cut_mid_line,
        ("half a timetable misleads", "the evening is missing"),
        "line doesn't fit the header: 4 fields, 13 expected",
    ),
    "timetable cut to half": Rejected("timetable", first_rows(0.5), ("half a timetable misleads",)),
    "timetable without its evening": Rejected("timetable", first_rows(0.9), ("the evening is missing",)),
    "timetable with semicolons": Rejected("timetable", flights.delimited_by(";"), ("wrong delimiter ';'",)),
    "timetable, a column renamed": Rejected(
        "timetable", flights.renamed("carrier", "carrier_code"), (HEADER + "'carrier' (is it 'carrier_code'?)",)
    ),
    "timetable, all distances negative": Rejected("timetable", edited("distance", negative), ("of the rows are bad",)),
    "timetable, binary junk": Rejected("timetable", junk, ("not a text file",)),
    "timetable, a zip": Rejected("timetable", lambda c: b"PK\x03\x04\x14\0\0\0\x08\0" + c, ("not a text file",)),
    "timetable, empty": Rejected("timetable", empty, ("the file is empty",)),
    "timetable, a header only": Rejected("timetable", first_rows(0), ("rows is None", "half a timetable misleads")),
    "movements cut mid-line": Rejected(
        "movements",
        flights.cut_mid_line,
        ("the feed stopped before the day was over",),
        "line doesn't fit the header: 4 fields, 19 expected",
    ),
    "movements cut to half": Rejected("movements", first_rows(0.5), ("the feed stopped before the day was over",)),
    "movements with tabs": Rejected("movements", flights.delimited_by("\t"), ("wrong delimiter '\\t'",)),
    "movements, a column renamed": Rejected(
        "movements", flights.renamed("dep_delay", "departure_delay"), (HEADER + "'dep_delay' (is it",)
    ),
    "movements, delays in seconds": Rejected("movements", edited("dep_delay", in_seconds), ("of the rows are bad",)),
    "movements, binary junk": Rejected("movements", junk_without_zeros, ("not UTF-8 text",)),
    "movements, empty": Rejected("movements", empty, ("the file is empty",)),
    "movements, a header only": Rejected("movements", first_rows(0), ("rows is None", "a few hundred messages")),
    "weather cut to half": Rejected("weather", first_rows(0.5), ("hours make 69 to 75 rows",)),
    "weather with bars": Rejected("weather", flights.delimited_by("|"), ("wrong delimiter '|'",)),
    "weather, a column renamed": Rejected("weather", flights.renamed("visib", "visibility"), (HEADER + "'visib'",)),
    "weather, binary junk": Rejected("weather", junk, ("not a text file",)),
    "weather, empty": Rejected("weather", empty, ("the file is empty",)),
    "weather, a header only": Rejected("weather", first_rows(0), ("rows is None",)),
}
FEW = slice(40, 45)
QUARANTINED = {
    "timetable, a few distances negative": Quarantined(
        "timetable", edited("distance", negative, FEW), "column_values_to_be_between: distance"
    ),
    "timetable, words for numbers": Quarantined(
        "timetable", edited("flight", lambda _: "soon", FEW), "flight is not INTEGER"
    ),
    "timetable, a month that isn't one": Quarantined(
        "timetable", edited("month", lambda _: "13", FEW), "its day can't be told"
    ),
    "timetable, a day the month hasn't": Quarantined(
        "timetable", edited("day", lambda _: "31", FEW), "its day can't be told"
    ),
    "timetable, no day": Quarantined("timetable", edited("day", lambda _: "NA", FEW), "its day can't be told"),
    "timetable, another year": Quarantined("timetable", edited("year", lambda _: "2012", FEW), "its date 2012-06-"),
    "timetable, an hour off": Quarantined(
        "timetable",
        edited("time_hour", lambda v: f"{v[:11]}{int(v[11:13]) + 1:02}{v[13:]}", FEW),
        "column_pair_values_to_be_equal: local_hour, hour",
    ),
    "movements, a few delays in seconds": Quarantined(
        "movements", edited("dep_delay", in_seconds, FEW), "column_values_to_be_in_set: delay_gap"
    ),
    "movements, clock times that aren't": Quarantined(
        "movements", edited("dep_time", lambda _: "9:15", FEW), "column_values_to_match_regex: dep_time"
    ),
    "movements, scheduled times that aren't": Quarantined(
        "movements", edited("sched_dep_time", lambda _: "noon", FEW), "column_values_to_match_regex: sched_dep_time"
    ),
    "movements, no moment": Quarantined(
        "movements", edited("event_hour", lambda _: "NA", FEW), "its day can't be told"
    ),
    "movements, of another day": Quarantined(
        "movements", edited("day", lambda _: "25", FEW), "column_values_to_be_in_set: day_gap"
    ),
    "weather, a storm no one saw": Quarantined(
        "weather", edited("wind_speed", lambda _: "1048.36", slice(40, 41)), "column_values_to_be_between: wind_speed"
    ),
    "weather, not a number": Quarantined(
        "weather", edited("temp", lambda _: "nan", slice(40, 41)), "temp is not DOUBLE"
    ),
}


FAULTS = REJECTED | QUARANTINED


def spoiled(source: str) -> dict[str, Rejected | Quarantined]:
    """Which day of the range gets which fault of a source; the first, the last and others have none."""
    faults = [f for f in FAULTS.values() if f.source == source]
    days = [*MANY[1:6], *MANY[7:-1]]
    return dict(zip(days, faults, strict=False))
