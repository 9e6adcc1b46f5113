"""One more day, landed hour by hour, to decisions delivered and accounted for; and the nightly retrain after it.

The history is that of the four months' backfill. The chain's runs are asked of a warm server, as the daemon does; their
start-up, from the wish to the first step, is told apart. The script is a process as cron would start it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from bench.chain import CASE, money_of, same, script, steps_of
from bench.landed import land
from bench.measure import Found, Row, Settings, in_turns, median, ratio, seconds
from bench.warm import Warm
from bench.year import CUT, begun

SOURCES = ("timetable", "movements", "weather")
DAY = [f"{kind}/{s}" for s in SOURCES for kind in ("raw", "validated")]
DELIVERED = [*DAY, "features", "outcomes", "decisions", "delivery"]
NIGHTLY = ["training_set", "challenger", "backtest", "champion"]
OVER = 1.0  # seconds


def measure(settings: Settings) -> Found:
    """After `year.measure`, in its homes."""
    found, homes = Found("One more day: files landed to decisions delivered"), begun(settings)
    home, landing, work = homes / "chain", settings.work / "landing-4", settings.work / "day"
    warm = Warm(home, CASE)
    warm.run(CUT, CUT, ["raw/airlines"])  # the server starts

    def day_of(number: int) -> date:
        return CUT + timedelta(days=number + 1)

    def chained(number: int) -> dict[str, Any]:
        day = day_of(number)
        land(settings.work, landing, day)
        one = warm.run(day, day, [*DELIVERED, "kpi_impact"])
        one["steps"] = steps_of(home, one["run_id"])
        one["net_s"] = one["wall_s"] - one["start_up_s"]
        return one | money_of(home, day, day)

    def plain(engine: str, number: int) -> dict[str, Any]:
        day = day_of(number)
        land(settings.work, landing, day)
        given = ["day", "--landing", str(landing), "--out", str(homes / engine), "--date", f"{day}"]
        one = script(engine, given, work / f"{engine}{number}")
        return one | {"net_s": one["wall_s"]}

    pairs = in_turns(
        {"chain": chained, "duckdb": lambda n: plain("duckdb", n), "pandas": lambda n: plain("pandas", n)},
        settings.pairs,
    )
    for one in pairs:
        same(one["chain"], one["duckdb"])
        same(one["chain"], one["pandas"])
    found.figures["day"] = pairs
    n, over = len(pairs), median(pairs, "chain", "net_s") - median(pairs, "duckdb", "wall_s")
    for engine, name in (("duckdb", "DuckDB"), ("pandas", "pandas")):
        found.rows.append(
            Row(
                f"a day, with the run's start-up, against plain {name}",
                seconds(median(pairs, "chain", "wall_s")),
                seconds(median(pairs, engine, "wall_s")),
                ratio(pairs, "chain", engine, "wall_s"),
                runs=n,
            )
        )
    found.rows += [
        Row("of it, start-up of the run", seconds(median(pairs, "chain", "start_up_s")), runs=n),
        Row(
            "a day, but for start-up: over plain DuckDB",
            seconds(median(pairs, "chain", "net_s")),
            seconds(median(pairs, "duckdb", "wall_s")),
            ratio(pairs, "chain", "duckdb", "net_s"),
            f"≤ {OVER:.0f} s over it ({over:+.2f} s)",
            over <= OVER,
            n,
        ),
    ]
    steps = {k: median([{"s": p["chain"]["steps"]} for p in pairs], "s", k) for k in pairs[0]["chain"]["steps"]}
    gate, known = sum(v for k, v in steps.items() if k.startswith("validated/")), steps["features"]
    found.remarks.append(
        f"Of the chain's day, Great Expectations with quarantine and verdicts takes {gate:.1f} s (three sources; its"
        " price hardly depends on how many rows they have), features with their gate and the check against time travel"
        f" {known:.1f} s, all other steps {sum(steps.values()) - gate - known:.1f} s."
    )
    found.remarks.append("Seconds of the chain's steps, a day: " + ", ".join(f"{k} {v:.2f}" for k, v in steps.items()))
    retrain(settings, found, warm, day_of(settings.pairs))
    return found


def retrain(settings: Settings, found: Found, warm: Warm, last: date) -> None:
    """The nightly retrain on the days so far, and the script's, with a start of its own for each."""
    work, homes = settings.work / "night", begun(settings)
    nights = 1 if settings.small else 3

    def chained(number: int) -> dict[str, Any]:
        night = last - timedelta(days=nights - number - 1)  # the local day it is after, so each has a model of its own
        one = warm.run(night, night, NIGHTLY, as_of=f"{night + timedelta(days=1)}T08:30:00")
        return one | {"net_s": one["wall_s"] - one["start_up_s"]}

    def plain(number: int) -> dict[str, Any]:
        night = last - timedelta(days=nights - number - 1)
        given = [
            "day",
            "--landing",
            str(settings.work / "landing-4"),
            "--out",
            str(homes / "duckdb"),
            "--date",
            f"{night}",
            "--retrain",
        ]
        one = script("duckdb", given, work / f"duckdb{number}")
        return one | {"wall_s": one["steps"]["retrain on the trailing window"] + one["steps"]["import"]}

    pairs = in_turns({"chain": chained, "duckdb": plain}, nights, warm_up_days=False)
    found.figures["night"] = pairs
    found.rows.append(
        Row(
            "nightly retrain: recorded, fitted, judged, published; the script fits alone",
            seconds(median(pairs, "chain", "wall_s")),
            seconds(median(pairs, "duckdb", "wall_s")),
            ratio(pairs, "chain", "duckdb", "wall_s"),
            runs=len(pairs),
        )
    )
    found.rows.append(Row("of it, start-up of the run", seconds(median(pairs, "chain", "start_up_s")), runs=len(pairs)))
