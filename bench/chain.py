"""The chain as the benchmark runs it, in a home of its own; its steps' seconds and its money."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import date
from pathlib import Path
from typing import Any

from bench.measure import ROOT, BenchError, run_process

CASE = "flight_delays"
EXTRA = ("degradation", "break_even", "current_state")  # what the scripts don't do: drill, value curve, profile
POLICIES = ("model", "current_process", "random_choice", "perfect_foresight")


def home_with(folder: Path, landing: Path) -> Path:
    """A fresh home whose landing folder is that one."""
    shutil.rmtree(folder, ignore_errors=True)
    place = folder / "data" / "landing"
    place.mkdir(parents=True)
    (place / CASE).symlink_to(landing, target_is_directory=True)
    return folder


def stages() -> list[str]:
    """The stages of the chain whose work the scripts do as well."""
    from pipelines.authoring import catalog
    from pipelines.component import build_chain as declared

    keys = {"/".join(key.path[1:]) for asset in declared(catalog.load_use_case(CASE)).assets or [] for key in asset.keys}  # type: ignore[union-attr]
    return sorted(keys - {*EXTRA})


def chain(home: Path, first: date, last: date, select: list[str], log: Path) -> dict[str, Any]:
    """A run of the chain, with its steps' seconds and its money on the days from first to last."""
    command = [sys.executable, "-m", "pipelines.cli", "run", CASE, "--json", "--from", f"{first}", "--to", f"{last}"]
    found = run_process([*command, *(["--select", ",".join(select)] if select else [])], log, {"SIXTYFORTY_HOME": str(home)})
    return found | {"steps": steps_of(home, found.pop("printed")["run_id"]), **money_of(home, first, last)}


def script(engine: str, arguments: list[str], log: Path) -> dict[str, Any]:
    """A run of a plain script, but for what it says isn't counted."""
    found = run_process([sys.executable, str(ROOT / "bench" / f"plain_{engine}.py"), *arguments], log)
    said = found.pop("printed")
    counted = {k: round(found[k] - said["not_counted_s"], 3) for k in ("wall_s", "cpu_s")}
    return found | counted | {k: said[k] for k in ("steps", "decisions", "per_1000")}


def steps_of(home: Path, run_id: str) -> dict[str, float]:
    """Seconds of each step of a run, as Dagster recorded them."""
    os.environ["SIXTYFORTY_HOME"] = str(home)
    from pipelines.settings import prepare_dagster_home

    prepare_dagster_home()
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        stats = sorted(instance.get_run_step_stats(run_id), key=lambda s: s.start_time or 0)
    name = {s.step_key: s.step_key.removeprefix(f"{CASE}__").replace("__", "/") for s in stats}
    return {name[s.step_key]: round((s.end_time or 0) - (s.start_time or 0), 2) for s in stats}


def money_of(home: Path, first: date, last: date) -> dict[str, Any]:
    """Value per 1,000 decisions of each policy, as the chain accounted for it."""
    os.environ["SIXTYFORTY_HOME"] = str(home)
    from pipelines.authoring import catalog
    from sixtyforty.accounting.kpi_ledger import read_daily_values

    found = [d for d in read_daily_values(catalog.open_workspace(CASE), "replay") if f"{first}" <= d.partition <= f"{last}"]
    n = sum(d.decisions for d in found)
    per = {p: round(1000 * sum(getattr(d, p) for d in found) / n, 2) if n else None for p in POLICIES}
    return {"decisions": n, "per_1000": per}


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Raises BenchError unless both gave the same money."""
    a, b = ({"decisions": x["decisions"], **x["per_1000"]} for x in (one, other))
    differ = [k for k in a if (a[k] is None) != (b[k] is None) or abs((a[k] or 0) - (b[k] or 0)) > 0.011]
    if differ:
        raise BenchError("not the same work: " + ", ".join(f"{k}: {a[k]} and {b[k]}" for k in differ))
