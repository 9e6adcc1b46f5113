"""Growth: one more day on 1, 10 and 100 years of history, and a backfill of one and of more years.

History is put into the lake directly: real days for the last four months, before them copies of these with shifted
dates, a manifest and a file a day in every dataset, each naming the versions it is made from, their extracts in the
arrivals ledgers: to a sensor's look nothing is behind. Rows of those copies keep the dates they had: no window of a new
day reaches back to them, and nothing may open what it doesn't need. Dagster's own record of runs doesn't grow with it.
The backfill takes what grows with the data (raw to outcomes) over the year's extracts and the same again, 364 days
later; `--years` says how many.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.chain import CASE
from bench.day import SOURCES
from bench.measure import ENVIRONMENT, BenchError, ItemReport, Row, Settings, median, run_in_turns, run_process, seconds
from bench.use_cases import copied
from bench.year import CUT, FIRST, LAST, begun
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.files import canonical_json, digest

YEARS = (1, 10, 100)
FLAT = 1.3
DAY, INPUTS, EXTRACTS = "@day@", "@inputs@", "@extracts@"  # where a copy's own are to stand
ROWS = 900  # of an archived file's day
DECISIONS = "decisions/replay"
GROWING = [f"{kind}/{s}" for s in SOURCES for kind in ("raw", "validated")] + ["features", "outcomes"]
CHAIN = [*GROWING, DECISIONS, "review/replay", "kpi/replay"]
REFERENCE = [f"{kind}/{s}" for s in ("planes", "airports", "airlines") for kind in ("raw", "validated")]
SHIFTED = ("time_hour", "event_hour")
WHOLE = FIRST + timedelta(days=363)  # 52 weeks: the next begin on the same weekday


def measure(settings: Settings) -> ItemReport:
    """After `year.measure`: on a copy of its last home."""
    found = ItemReport("Growth: with history, and with the data")
    histories(settings, found)
    backfills(settings, found)
    return found


def histories(settings: Settings, found: ItemReport) -> None:
    """One more day on each length of history, in turns: the machine may have other work at one time than at another."""
    days = 1 if settings.small else settings.pairs
    after = CUT + timedelta(days=settings.pairs + 2)  # those of `day` are there
    lengths = YEARS[:2] if settings.small else YEARS
    homes = {y: grown(begun(settings) / "chain", settings.work / f"history-{y}", y) for y in lengths}
    with ExitStack() as running:
        asked = {y: running.enter_context(_asked(home)) for y, home in homes.items()}
        turns = run_in_turns({f"{y}": _day(ask, after) for y, ask in asked.items()}, days)
    figures = {years: [one[f"{years}"] for one in turns] for years in lengths}
    found.figures["history"] = figures
    first = figures[1]
    for what, figure in (
        ("one more day, landed to delivered, but for start-up", "delivered_s"),
        ("start-up of its run", "start_up_s"),
        ("its money accounted for, and the whole's summed up", "money_s"),
        ("the day with its money, landed to summed up", "whole_s"),
        ("a sensor's look: what is behind, and what is due", "look_s"),
    ):
        for years, one in figures.items():
            value, base = (median([{"d": d} for d in days_], "d", figure) for days_ in (one, first))
            aimed = years == YEARS[-1] and figure in ("delivered_s", "whole_s")
            found.rows.append(
                Row(
                    f"{what}: {years} years" if years > 1 else f"{what}: 1 year",
                    seconds(value),
                    seconds(base),
                    value / base,
                    f"≤ {FLAT}×" if aimed else "",
                    value / base <= FLAT if aimed else None,
                    len(one),
                )
            )
    found.remarks.append("“Other” is one year of history, or of data.")


@contextmanager
def _asked(home: Path) -> Iterator[Callable[[date], dict[str, Any]]]:
    """A process that takes on one more day each time it is asked."""
    root = home.parent
    environment = {"PYTHONPATH": str(root), "SIXTYFORTY_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    with (
        (root / "grown.err").open("w") as said,
        subprocess.Popen(
            [sys.executable, "-m", "bench.grown"],
            env={**os.environ, **ENVIRONMENT, **environment},
            cwd=root,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as process,
    ):

        def ask(day: date) -> dict[str, Any]:
            print(day, file=process.stdin, flush=True)
            for line in process.stdout or ():
                if line.startswith("{"):
                    return dict(json.loads(line))
            raise BenchError(f"{day} on {root.name} failed:\n{(root / 'grown.err').read_text()[-3000:]}")

        yield ask


def _day(ask: Callable[[date], dict[str, Any]], first: date) -> Callable[[int], dict[str, Any]]:
    return lambda number: ask(first + timedelta(days=number))


def grown(home_before: Path, root: Path, years: int) -> Path:
    """A project whose use case begins so many years before the real days, and a home with that history."""
    copied(root)
    declared = root / "pipelines" / "use_cases" / CASE / "defs.yaml"
    said = declared.read_text()
    old = f"start: {FIRST}"
    assert said.count(old) == 1
    declared.write_text(said.replace(old, f"start: {FIRST.replace(year=FIRST.year - years)}"))
    home = root / "home"
    shutil.copytree(home_before, home, symlinks=True, ignore=shutil.ignore_patterns("dvc", ".dvc", "dagster"))
    landing = home / "data" / "landing" / CASE
    files = landing.resolve()
    landing.unlink()
    shutil.copytree(files, landing)
    days = [FIRST - timedelta(days=n) for n in range(1, (FIRST - FIRST.replace(year=FIRST.year - years)).days + 1)]
    _history(home / "data" / "lake" / CASE, home / "data" / "deliveries" / CASE / "replay", days)
    return home


def _history(lake: Path, delivered: Path, before: list[date]) -> None:
    """Every dataset's copies, stage by stage, each made from those of the stages before: nothing is behind."""
    made: dict[str, dict[str, str]] = {
        d: {f.stem: digest(f.read_bytes()) for f in (lake / d).glob("*.json")} for d in CHAIN
    }
    originals = [f.stem for f in sorted((lake / DECISIONS).glob("*.json")) if f.stem < f"{CUT}"]
    months = {source: _arrivals(lake / "arrivals" / f"{source}.json", source, before) for source in SOURCES}
    # the first real days now have days before them to look back on, and are decided on
    again = [FIRST + timedelta(days=n) for n in range((date.fromisoformat(originals[0]) - FIRST).days)]
    for dataset in CHAIN:
        templates = [Template(lake / dataset, day) for day in originals]
        anew = again if dataset == "features" or dataset not in GROWING else []
        for number, day in enumerate([*before, *anew]):
            arrived = months[dataset.removeprefix("raw/")][f"{day:%Y-%m}"] if dataset.startswith("raw/") else "[]"
            made[dataset][f"{day}"] = templates[number % len(templates)].copy(day, made, arrived)
    for day in [*before, *again]:
        (delivered / f".{day}.delivered").write_text(f'{{"decisions":"{made[DECISIONS][f"{day}"]}"}}')


class Template:
    """A real day's manifest and file. A hundred years take 800,000 files of copies: the text is made up once."""

    def __init__(self, dataset: Path, day: str) -> None:
        said = json.loads((dataset / f"{day}.json").read_bytes())
        own = date.fromisoformat(day)
        self.inputs = {
            d: [(p, v, None if p == SNAPSHOT else date.fromisoformat(p) - own) for p, v in of.items()]
            for d, of in said["inputs"].items()
        }
        if "extracts" in said["facts"]:
            said["facts"]["extracts"] = EXTRACTS
        self.text = canonical_json(said | {"inputs": INPUTS}).replace(day, DAY)
        self.folder, self.file, self.ending = f"{dataset}/", f"{dataset}/{said['file']}", said["file"][len(day) :]

    def copy(self, day: date, made: dict[str, dict[str, str]], extracts: str) -> str:
        """The same of another day, made from what is as many days from it; returns its version."""
        inputs: dict[str, dict[str, str]] = {}
        for dataset, of in self.inputs.items():
            there = inputs.setdefault(dataset, {})
            for partition, old, apart in of:
                name = partition if apart is None else f"{day + apart}"
                one = old if apart is None else made[dataset].get(name)
                if one:  # the first day of all has none before it
                    there[name] = one
        text = self.text.replace(DAY, f"{day}").replace(f'"{INPUTS}"', canonical_json(inputs))
        manifest = text.replace(f'"{EXTRACTS}"', extracts).encode()
        with open(f"{self.folder}{day}.json", "wb") as out:  # noqa: PTH123 (it takes half the time of Path's)
            out.write(manifest)
        with suppress(FileExistsError):
            os.link(self.file, f"{self.folder}{day}{self.ending}")
        return digest(manifest)


def _arrivals(ledger: Path, source: str, before: list[date]) -> dict[str, str]:
    """A file a month in the arrivals ledger, none of which lies there any more: it was archived.

    Returns what raw says of each month's.
    """
    known, told = json.loads(ledger.read_bytes()), dict[str, str]()
    months: dict[str, list[date]] = {}
    for day in before:
        months.setdefault(f"{day:%Y-%m}", []).append(day)
    for number, (month, days) in enumerate(sorted(months.items())):
        one = {"name": f"{source}_{month}.csv", "sha256": f"{number:064x}", "seq": 1_000_000 + number}
        known.append(known[0] | one | {"partitions": dict.fromkeys(map(str, days), ROWS), "there": False})
        told[month] = canonical_json([one | {"rows": ROWS, "refused": 0, "problem": None}])
    ledger.write_text(json.dumps(known))
    return told


def backfills(settings: Settings, found: ItemReport) -> None:
    """Raw to outcomes over one year and over more, each in a process of its own."""
    from pipelines.demo import flights

    last, figures = (CUT if settings.small else WHOLE), {}
    landed = settings.work / "landing-weeks"
    flights.land(landed, FIRST, last)
    for years in (1, settings.years):
        root = settings.work / f"backfill-{years}"
        copied(root)
        declared = root / "pipelines" / "use_cases" / CASE / "defs.yaml"
        end = last + timedelta(days=364 * (years - 1))
        declared.write_text(declared.read_text().replace(f"end: {LAST}", f"end: {max(end, LAST)}"))
        landing = root / "home" / "data" / "landing" / CASE
        shutil.copytree(landed, landing)
        for file in [f for f in landing.iterdir() if f.name.split("_")[0] in SOURCES]:
            for year in range(1, years):
                file.with_name(
                    f"{file.stem.split('_')[0]}_later{year}_{file.name.split('_', 1)[1].replace('-', '')}"
                ).write_text("".join(shifted(file, 364 * year)))
        environment = {"PYTHONPATH": str(root), "SIXTYFORTY_HOME": str(root / "home"), "PYTHONWARNINGS": "ignore"}
        command = [
            sys.executable,
            "-m",
            "pipelines.cli",
            "run",
            CASE,
            "--json",
            "--from",
            f"{FIRST}",
            "--to",
            f"{end}",
            "--select",
            ",".join([*REFERENCE, *GROWING]),
        ]
        one = run_process(command, root / "backfill", environment, cwd=root)
        rows = sum(
            json.loads(f.read_text())["rows"]
            for f in (root / "home" / "data" / "lake" / CASE / "features").glob("*.json")
        )
        figures[years] = one | {"rows": rows}
    found.figures["backfill"] = figures
    first = figures[1]
    for years, one in list(figures.items())[1:]:
        grew = one["rows"] / first["rows"]
        r = one["wall_s"] / first["wall_s"]
        peaks = [x["peak_rss_mb"] for x in (one, first)]
        found.rows += [
            Row(
                f"raw to outcomes of {grew:.1f} times the departures ({one['rows']:,})",
                seconds(one["wall_s"]),
                seconds(first["wall_s"]),
                r,
                "linear",
                r <= grew * 1.1,
            ),
            Row(
                "its peak memory",
                f"{peaks[0]:,} MB",
                f"{peaks[1]:,} MB",
                peaks[0] / peaks[1],
                "< 2 GB",
                peaks[0] < 2000,
            ),
        ]
        if years < 10:
            found.remarks.append(
                f"Ten years of backfill don't fit in the half hour: {years} were run. `--years 10` runs them all."
            )


def shifted(file: Path, days: int) -> Iterator[str]:
    """A file's lines with their dates so many days later."""
    import pandas as pd

    rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    day = pd.to_datetime(rows[["year", "month", "day"]].astype(int)) + pd.Timedelta(days=days)
    rows["year"], rows["month"], rows["day"] = day.dt.year, day.dt.month, day.dt.day
    for column in SHIFTED:
        if column in rows:
            moment = pd.to_datetime(rows[column], format="%Y-%m-%dT%H:%M:%SZ") + pd.Timedelta(days=days)
            rows[column] = moment.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    yield rows.to_csv(index=False)
