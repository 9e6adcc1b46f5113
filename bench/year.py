"""The backfill: chain, plain DuckDB and plain pandas, each from landed extracts to money, each in a process of its own.

A first round, over four months, warms up; its homes are those that later items go on in. Then the year, in pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from bench.chain import chain, home_with, same, script, stages
from bench.measure import Found, Row, Settings, in_turns, median, ratio, seconds

FIRST, LAST = date(2013, 1, 1), date(2014, 1, 1)
CUT = date(2013, 4, 30)  # the last day of the shorter span
ENGINES = ("duckdb", "pandas")
FITTING = {"chain": "challenger", "script": "fit monthly"}
AIM = 1.3


def measure(settings: Settings) -> Found:
    """The warm-up, then the year as often as `pairs` says."""
    from pipelines.demo import flights

    found = Found("Backfill: extracts in, money out")
    spans = {
        "four months": (settings.work / "landing-4", CUT, 1),
        "year": (settings.work / "landing-12", LAST, settings.pairs),
    }
    for span, (landing, last, rounds) in spans.items():
        if span == "year" and settings.small:
            found.remarks.append("The year was left out (--small).")
            continue
        flights.land(landing, FIRST, last)
        pairs = in_turns(runs(settings.work / span.replace(" ", "-"), landing, last), rounds, warm_up_days=False)
        for one in pairs:
            for engine in ENGINES:
                same(one["chain"], one[engine])
        found.figures[span] = pairs
        if span == "year" or settings.small:
            found.rows += rows(span, pairs)
            found.remarks.append(in_the_way(span, pairs))
            found.remarks.append(f"Seconds of the chain's steps, {span}: {told(pairs, 'chain')}")
            found.remarks.append(f"Seconds of the DuckDB script's steps, {span}: {told(pairs, 'duckdb')}")
    return found


def begun(settings: Settings) -> Path:
    """Where the warm-up left its homes."""
    return settings.work / "four-months" / "0"


def runs(work: Path, landing: Path, last: date) -> dict[str, Callable[[int], dict[str, Any]]]:
    """Each side as it is run, in a folder of each round.

    Nothing is taken away before the end: some file systems are slow to make files where many were just deleted.
    """

    def chained(number: int) -> dict[str, Any]:
        home = home_with(work / f"{number}" / "chain", landing)
        return chain(home, FIRST, last, stages(), work / f"chain{number}")

    def plain(engine: str) -> Callable[[int], dict[str, Any]]:
        def scripted(number: int) -> dict[str, Any]:
            given = ["backfill", "--landing", str(landing), "--out", str(work / f"{number}" / engine)]
            return script(engine, given, work / f"{engine}{number}")

        return scripted

    return {"chain": chained} | {engine: plain(engine) for engine in ENGINES}


def rows(span: str, pairs: list[dict[str, Any]]) -> list[Row]:
    """Wall and CPU against both scripts, the same but for the fits, and peak memory."""
    found, n = [], len(pairs)
    for engine in ENGINES:
        told = f"{span}, against plain {'DuckDB' if engine == 'duckdb' else 'pandas'}"
        aimed = engine == "duckdb" and span == "year"
        r = ratio(pairs, "chain", engine, "wall_s")
        found.append(
            Row(
                f"{told}: wall",
                seconds(median(pairs, "chain", "wall_s")),
                seconds(median(pairs, engine, "wall_s")),
                r,
                f"≤ {AIM}×" if aimed else "",
                r <= AIM if aimed else None,
                n,
            )
        )
        found.append(
            Row(
                f"{told}: CPU",
                seconds(median(pairs, "chain", "cpu_s")),
                seconds(median(pairs, engine, "cpu_s")),
                ratio(pairs, "chain", engine, "cpu_s"),
                runs=n,
            )
        )
    for one in pairs:
        for side in ("chain", "duckdb"):
            fits = one[side]["steps"][FITTING["chain" if side == "chain" else "script"]]
            one[side]["but_fits_s"] = one[side]["wall_s"] - fits
    found.append(
        Row(
            f"{span}, but for the fits, against plain DuckDB: wall",
            seconds(median(pairs, "chain", "but_fits_s")),
            seconds(median(pairs, "duckdb", "but_fits_s")),
            ratio(pairs, "chain", "duckdb", "but_fits_s"),
            runs=n,
        )
    )
    peak = [median(pairs, side, "peak_rss_mb") for side in ("chain", "duckdb")]
    found.append(
        Row(
            f"{span}: peak memory",
            f"{peak[0]:,.0f} MB",
            f"{peak[1]:,.0f} MB",
            peak[0] / peak[1],
            "< 2 GB",
            peak[0] < 2000,
            n,
        )
    )
    return found


def in_the_way(span: str, pairs: list[dict[str, Any]]) -> str:
    """What lies between chain and script: fits against fits, and the rest."""
    fits = [
        median([{"s": p[side]["steps"]} for p in pairs], "s", FITTING[of])
        for side, of in (("chain", "chain"), ("duckdb", "script"))
    ]
    rest = [median(pairs, side, "but_fits_s") for side in ("chain", "duckdb")]
    return (
        f"What lies between them, {span}: the fits take {fits[0]:.1f} s here and {fits[1]:.1f} s there; all else"
        f" {rest[0]:.1f} s here and {rest[1]:.1f} s there. The script checks nothing, keeps no versions, writes no"
        " manifests, flushes nothing to disk and delivers to no table: where the chain's time goes is told next."
    )


def told(pairs: list[dict[str, Any]], side: str) -> str:
    """The seconds of the steps, the longest first; those below a tenth are left out."""
    steps = {k: median([{"s": p[side]["steps"]} for p in pairs], "s", k) for k in pairs[0][side]["steps"]}
    said = ", ".join(f"{k} {v:.1f}" for k, v in sorted(steps.items(), key=lambda kv: -kv[1]) if v >= 0.1)
    rest = median(pairs, side, "wall_s") - sum(steps.values())
    return f"{said}; outside of steps {rest:.1f}"
