"""What the chain costs beside plain scripts that do the same work: pair by pair, same extracts, same answers.

    python bench/run.py [--pairs N] [--what year day] [--daily] [--work DIR] [--out FILE.json]

A pair is the chain and `plain_duckdb.py`, each in a process of its own, one after the other, in turns of who is first.
Year: everything from the landed extracts to the money, in a fresh home, but for EXTRA. Day: one more day on a history
of the days before, without a retrain; each pair takes the next day. Both print the money of every policy: where they
differ, the bench stops. The chain's day is a run that a warm server is asked for, as the daemon does, the script's a
process as cron would start it. CPU seconds hold still where other work shares the machine; wall seconds don't.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench.warm import Warm

ROOT = Path(__file__).resolve().parents[1]
PLAIN = ROOT / "bench" / "plain_duckdb.py"
CASE = "flight_delays"
FIRST, LAST = date(2013, 1, 1), date(2014, 1, 1)
NEXT = date(2013, 12, 10)  # the first of the "one more" days
SOURCES = ("timetable", "movements", "weather")
DAY = [f"{kind}/{s}" for s in SOURCES for kind in ("raw", "validated")]
DAY += ["features", "outcomes", "decisions", "delivery", "kpi_impact"]
EXTRA = ("degradation", "break_even")  # what the script doesn't do
POLICIES = ("model", "present_process", "coin_flip", "perfect_foresight")
FITTING = {"chain": "challenger", "plain": "fit monthly and score, of it fits"}


def measured(command: list[str], home: Path, log: Path) -> dict[str, Any]:
    """Runs a command to its end: wall and CPU seconds, peak memory, and the JSON it printed last."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "SIXTYFORTY_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"}
    begun = time.perf_counter()
    with (log.with_suffix(".out")).open("w+") as out, (log.with_suffix(".err")).open("w") as err:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=err, cwd=ROOT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        out.seek(0)
        said = ("\n" + out.read()).partition("\n{")  # the JSON is last, and begins a line
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{log.with_suffix('.err').read_text()[-3000:]}")
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_rss_mb": used.ru_maxrss // 1024,
        "said": json.loads("{" + said[2]) if said[1] else {},
    }


def chain(home: Path, first: date, last: date, select: list[str], log: Path) -> dict[str, Any]:
    """A run of the chain, with its steps' seconds and its money on the days from first to last."""
    command = [sys.executable, "-m", "pipelines.cli", "run", CASE, "--json", "--from", f"{first}", "--to", f"{last}"]
    found = measured([*command, *(["--select", *select] if select else [])], home, log)
    return found | {"steps": steps_of(home, found.pop("said")["run_id"]), **money_of(home, first, last)}


def plain(home: Path, arguments: list[str], log: Path) -> dict[str, Any]:
    """A run of the plain script."""
    found = measured([sys.executable, str(PLAIN), *arguments], home, log)
    said = found.pop("said")
    return found | {k: said[k] for k in ("steps", "decisions", "per_1000")}


def steps_of(home: Path, run_id: str) -> dict[str, float]:
    """Seconds of each step of a run, as Dagster recorded them."""
    os.environ["SIXTYFORTY_HOME"] = str(home)
    from pipelines.profiles import prepare

    prepare()
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        stats = sorted(instance.get_run_step_stats(run_id), key=lambda s: s.start_time or 0)
    name = {s.step_key: s.step_key.removeprefix(f"{CASE}__").replace("__", "/") for s in stats}
    return {name[s.step_key]: round((s.end_time or 0) - (s.start_time or 0), 2) for s in stats}


def money_of(home: Path, first: date, last: date) -> dict[str, Any]:
    """Value per 1,000 decisions of each policy, as the chain accounted for it."""
    os.environ["SIXTYFORTY_HOME"] = str(home)
    from pipelines import catalog
    from sixtyforty.kpi import days

    found = [d for d in days(catalog.workspace(CASE), "replay") if f"{first}" <= d.partition <= f"{last}"]
    n = sum(d.decisions for d in found)
    per = {p: round(1000 * sum(getattr(d, p) for d in found) / n, 2) if n else None for p in POLICIES}
    return {"decisions": n, "per_1000": per}


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Stops unless both gave the same money."""
    a, b = ({"decisions": x["decisions"], **x["per_1000"]} for x in (one, other))
    differ = [k for k in a if (a[k] is None) != (b[k] is None) or abs((a[k] or 0) - (b[k] or 0)) > 0.011]
    if differ:
        sys.exit("not the same work: " + ", ".join(f"{k}: chain {a[k]}, script {b[k]}" for k in differ))


def home_with(folder: Path, landing: Path) -> Path:
    """A fresh home whose landing folder is that one."""
    shutil.rmtree(folder, ignore_errors=True)
    place = folder / "data" / "landing"
    place.mkdir(parents=True)
    (place / CASE).symlink_to(landing, target_is_directory=True)
    return folder


def stages() -> list[str]:
    """The stages of the chain whose work the script does as well."""
    from pipelines import catalog
    from pipelines.component import chain as declared

    keys = {"/".join(key.path[1:]) for asset in declared(catalog.load(CASE)).assets or [] for key in asset.keys}  # type: ignore[union-attr]
    return sorted(keys - {*EXTRA})


def year(work: Path, number: int) -> dict[str, Any]:
    """One pair of the year."""
    home, landing = home_with(work / f"year{number}", work / "landing"), work / "landing"
    out = work / f"year{number}-plain"
    runs = {
        "chain": lambda: chain(home, FIRST, LAST, stages(), work / f"year{number}-chain"),
        "plain": lambda: plain(home, ["backfill", "--landing", str(landing), "--out", str(out)], out),
    }
    return pair(runs, number)


def history(work: Path) -> None:
    """What "one more day" is added to: all the days before, in both."""
    from pipelines import demo

    before, landing = NEXT - timedelta(days=1), work / "growing"
    demo.land(landing, FIRST, before)
    home = home_with(work / "day", landing)
    a = chain(home, FIRST, before, [], work / "history-chain")
    b = plain(home, ["backfill", "--landing", str(landing), "--out", str(work / "day-plain")], work / "history-plain")
    same(a, b)
    (work / "history").touch()


def one_day(work: Path, number: int, hourly: bool, warm: Warm) -> dict[str, Any]:
    """One pair of one more day: the chain's run as the daemon would start it, and the script as cron would."""
    from pipelines import demo

    day, home, landing = NEXT + timedelta(days=number), work / "day", work / "growing"
    demo.land(landing, day, day, hourly)
    given = ["day", "--landing", str(landing), "--out", str(work / "day-plain"), "--date", f"{day}"]

    def launched() -> dict[str, Any]:
        found = warm.run(day, day, DAY)
        return found | {"steps": steps_of(home, found["run_id"]), **money_of(home, day, day)}

    return pair({"chain": launched, "plain": lambda: plain(home, given, work / f"day{number}-plain")}, number)


def pair(runs: dict[str, Any], number: int) -> dict[str, Any]:
    """Both, in turns of who is first, and the same money from both."""
    found = {name: runs[name]() for name in sorted(runs, reverse=bool(number % 2))}
    same(found["chain"], found["plain"])
    return found


def told(title: str, pairs: list[dict[str, Any]]) -> str:
    """The medians of the pairs as a table, then the seconds of the steps."""
    lines = ["", f"{title}, {len(pairs)} pairs (median)", f"{'':34}{'chain':>10}{'plain':>10}{'ratio':>10}"]

    def line(name: str, a: list[float], b: list[float]) -> None:
        ratio = statistics.median(x / y for x, y in zip(a, b, strict=True))
        lines.append(f"{name:34}{statistics.median(a):>10.1f}{statistics.median(b):>10.1f}{ratio:>10.2f}")

    def all_of(side: str, figure: str) -> list[float]:
        return [p[side][figure] for p in pairs]

    for name, figure in (("wall seconds", "wall_s"), ("CPU seconds", "cpu_s"), ("peak MB", "peak_rss_mb")):
        if figure in pairs[0]["chain"]:
            line(name, all_of("chain", figure), all_of("plain", figure))
    if FITTING["chain"] in pairs[0]["chain"]["steps"]:
        rest = {s: [p[s]["wall_s"] - p[s]["steps"][FITTING[s]] for p in pairs] for s in FITTING}
        line("wall seconds but for the fits", rest["chain"], rest["plain"])
    if "start_up_s" in pairs[0]["chain"]:
        start = all_of("chain", "start_up_s")
        rest = [w - s for w, s in zip(all_of("chain", "wall_s"), start, strict=True)]
        lines.append(f"{'of it, start-up of the run':34}{statistics.median(start):>10.1f}")
        line("wall seconds but for start-up", rest, all_of("plain", "wall_s"))
    for side in ("chain", "plain"):
        lines += ["", f"steps of the {side}, wall seconds"]
        steps = {k: statistics.median(p[side]["steps"][k] for p in pairs) for k in pairs[0][side]["steps"]}
        lines += [f"  {k:40}{v:>9.2f}" for k, v in steps.items()]
        rest_ = statistics.median(all_of(side, "wall_s")) - sum(v for k, v in steps.items() if k != FITTING["plain"])
        lines.append(f"  {'outside of steps':40}{rest_:>9.2f}")
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--pairs", type=int, default=3, help="default 3")
    top.add_argument("--what", nargs="+", choices=["year", "day"], default=["year", "day"])
    top.add_argument("--daily", action="store_true", help="the day comes as a file a source, not hour by hour")
    top.add_argument("--work", type=Path, help="work there and leave it; its history is used again for further days")
    top.add_argument("--out", type=Path, help="keep all figures there, as JSON")
    given = top.parse_args()
    from pipelines import demo

    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="sixtyforty-bench-") as folder:
        work = (given.work or Path(folder)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        if "year" in given.what:
            demo.land(work / "landing")
            found["year"] = [year(work, n) for n in range(given.pairs)]
            print(told("The year", found["year"]), flush=True)
        if "day" in given.what:
            if not (work / "history").exists():
                history(work)
            done, warm = len(list(work.glob("day*-plain.out"))), Warm(work / "day", CASE)
            warm.run(NEXT - timedelta(days=1), NEXT - timedelta(days=1), ["raw/airlines"])  # the server starts
            found["day"] = [one_day(work, done + n, not given.daily, warm) for n in range(given.pairs)]
            print(told("One more day", found["day"]), flush=True)
    if given.out:
        given.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
