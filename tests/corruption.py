"""Faults of a day's extract, and the verdict that each must get."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests import flights
from tests.flights import MANY, Bytes, edited, first_rows


def negate(field: str) -> str:
    """Return a field with a minus sign."""
    return f"-{field}"


def convert_to_seconds(field: str) -> str:
    """Return minutes as seconds."""
    return field if field == "NA" else str(60 * int(field))


def junk(content: bytes) -> bytes:
    """Return random bytes of the same length."""
    return random.Random(0).randbytes(len(content))


def junk_without_zeros(content: bytes) -> bytes:
    """Return random bytes without a zero byte, which would show at once that this is no text."""
    return junk(content).replace(b"\0", b"\xff")


def empty(content: bytes) -> bytes:
    """Return no bytes."""
    return b""


@dataclass(frozen=True)
class Rejected:
    """The day is rejected.

    reasons: texts that its verdict must contain. last_line: the reason of the last line in quarantine.
    """

    source: str
    change: Bytes
    reasons: tuple[str, ...]
    last_line: str = ""


@dataclass(frozen=True)
class Quarantined:
    """The day is accepted without the changed lines. Each of them is quarantined with this reason."""

    source: str
    change: Bytes
    reason: str


HEADER = "columns missing from the header: "
REJECTED = {
    "timetable cut mid-line": Rejected(
        "timetable",
        flights.cut_mid_line,
        ("an incomplete timetable misleads", "the evening departures are missing"),
        "the line has 4 fields, the header has 13",
    ),
    "timetable cut to half": Rejected("timetable", first_rows(0.5), ("an incomplete timetable misleads",)),
    "timetable without its evening": Rejected("timetable", first_rows(0.9), ("the evening departures are missing",)),
    "timetable with carets": Rejected("timetable", flights.delimited_by("^"), (HEADER,)),
    "timetable, a column renamed": Rejected(
        "timetable", flights.renamed("carrier", "carrier_code"), (HEADER + "'carrier' (is it 'carrier_code'?)",)
    ),
    "timetable, all distances negative": Rejected(
        "timetable", edited("distance", negate), ("of the rows are quarantined",)
    ),
    "timetable, binary junk": Rejected("timetable", junk, ("not UTF-8",)),
    "timetable, a zip": Rejected("timetable", lambda c: b"PK\x03\x04\x14\0\0\0\x08\0" + c, ("a zip archive",)),
    "timetable, empty": Rejected("timetable", empty, ("the file is empty",)),
    "timetable, a header only": Rejected(
        "timetable", first_rows(0), ("no rows, so no row count", "an incomplete timetable misleads")
    ),
    "movements cut mid-line": Rejected(
        "movements",
        flights.cut_mid_line,
        ("the feed of movements stopped before the day was over",),
        "the line has 4 fields, the header has 19",
    ),
    "movements cut to half": Rejected(
        "movements", first_rows(0.5), ("the feed of movements stopped before the day was over",)
    ),
    "movements with tildes": Rejected("movements", flights.delimited_by("~"), (HEADER,)),
    "movements, a column renamed": Rejected(
        "movements", flights.renamed("dep_delay", "departure_delay"), (HEADER + "'dep_delay' (is it",)
    ),
    "movements, delays in seconds": Rejected(
        "movements", edited("dep_delay", convert_to_seconds), ("of the rows are quarantined",)
    ),
    "movements, binary junk": Rejected("movements", junk_without_zeros, ("not UTF-8",)),
    "movements, empty": Rejected("movements", empty, ("the file is empty",)),
    "movements, a header only": Rejected(
        "movements", first_rows(0), ("no rows, so no row count", "even on a stormy day there are a few hundred")
    ),
    "weather cut to half": Rejected("weather", first_rows(0.5), ("report 69 to 75 rows a day",)),
    "weather with colons": Rejected("weather", flights.delimited_by(":"), (HEADER,)),
    "weather, a column renamed": Rejected("weather", flights.renamed("visib", "visibility"), (HEADER + "'visib'",)),
    "weather, binary junk": Rejected("weather", junk, ("not UTF-8",)),
    "weather, empty": Rejected("weather", empty, ("the file is empty",)),
    "weather, a header only": Rejected("weather", first_rows(0), ("no rows, so no row count",)),
}
FEW = slice(40, 45)
QUARANTINED = {
    "timetable, a few distances negative": Quarantined(
        "timetable", edited("distance", negate, FEW), "distance: the distance, in miles, is impossible"
    ),
    "timetable, words for numbers": Quarantined(
        "timetable", edited("flight", lambda _: "soon", FEW), "flight is 'soon', expected INTEGER"
    ),
    "timetable, an impossible month": Quarantined(
        "timetable", edited("month", lambda _: "13", FEW), "no readable date, so its partition is unknown"
    ),
    "timetable, an impossible day": Quarantined(
        "timetable", edited("day", lambda _: "31", FEW), "no readable date, so its partition is unknown"
    ),
    "timetable, no day": Quarantined(
        "timetable", edited("day", lambda _: "NA", FEW), "no readable date, so its partition is unknown"
    ),
    "timetable, another year": Quarantined("timetable", edited("year", lambda _: "2012", FEW), "the date 2012-06-"),
    "timetable, an hour off": Quarantined(
        "timetable",
        edited("time_hour", lambda v: f"{v[:11]}{int(v[11:13]) + 1:02}{v[13:]}", FEW),
        "local_hour, hour: the scheduled UTC time differs from the local hour",
    ),
    "movements, a few delays in seconds": Quarantined(
        "movements", edited("dep_delay", convert_to_seconds, FEW), "delay_gap: the delay differs from the minutes"
    ),
    "movements, invalid clock times": Quarantined(
        "movements", edited("dep_time", lambda _: "9:15", FEW), "dep_time: the departure time is not a clock time"
    ),
    "movements, invalid scheduled times": Quarantined(
        "movements",
        edited("sched_dep_time", lambda _: "noon", FEW),
        "sched_dep_time: the scheduled departure time is not",
    ),
    "movements, no hour": Quarantined(
        "movements", edited("event_hour", lambda _: "NA", FEW), "no readable date, so its partition is unknown"
    ),
    "movements, of another day": Quarantined(
        "movements", edited("day", lambda _: "25", FEW), "day_gap: the flight's date differs"
    ),
    "weather, an impossible wind speed": Quarantined(
        "weather",
        edited("wind_speed", lambda _: "1048.36", slice(40, 41)),
        "wind_speed: the wind speed, in miles per hour, is impossible",
    ),
    "weather, not a number": Quarantined(
        "weather", edited("temp", lambda _: "nan", slice(40, 41)), "temp is 'nan', expected DOUBLE"
    ),
}


FAULTS = REJECTED | QUARANTINED


def spoiled(source: str) -> dict[str, Rejected | Quarantined]:
    """Return the fault of each day of the range, for one source. The first, the last and other days have none."""
    faults = [f for f in FAULTS.values() if f.source == source]
    days = [*MANY[1:6], *MANY[7:-1]]
    return dict(zip(days, faults, strict=False))
