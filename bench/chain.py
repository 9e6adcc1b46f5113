"""Run the use case's chain in a separate home, and read the seconds of its steps and the value of its decisions."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from bench.measure import BenchError, run_process
from bench.use_case import STAGES_WITHOUT_SCRIPT, USE_CASE

POLICIES = ("model", "current_process", "random_choice", "perfect_foresight")
TOLERANCE = 0.011  # dollars per 1,000 decisions: both sides round to the cent


@dataclass(frozen=True)
class Money:
    """The number of decisions with a known outcome, and dollars per 1,000 of them by each way of deciding.

    Without such decisions, the values are None.
    """

    decisions: int
    per_1000: Mapping[str, float | None]


@dataclass(frozen=True)
class Run:
    """One measured run of the chain, of a plain script or of another tool: wall and CPU seconds, memory, and values.

    `start_up_s` is the part of `wall_s` before the first step, or 0 if unknown. `steps` holds the seconds of each step.
    """

    wall_s: float
    cpu_s: float
    peak_rss_mb: int | None = None
    start_up_s: float = 0.0
    steps: Mapping[str, float] = field(default_factory=dict)
    money: Money | None = None
    run_id: str = ""

    @property
    def net_s(self) -> float:
        """Wall seconds without the start-up of the run."""
        return self.wall_s - self.start_up_s


def create_home(folder: Path, landing: Path) -> Path:
    """Create an empty home whose landing folder is a link to `landing`. Return its path. An older home is deleted."""
    shutil.rmtree(folder, ignore_errors=True)
    landing_folder = folder / "data" / "landing"
    landing_folder.mkdir(parents=True)
    (landing_folder / USE_CASE).symlink_to(landing, target_is_directory=True)
    return folder


def list_stages() -> list[str]:
    """Return the names of the chain's stages whose work the plain scripts do as well."""
    from pipelines.authoring import catalog
    from pipelines.component import build_chain

    assets = build_chain(catalog.load_use_case(USE_CASE)).assets or []
    stages = {"/".join(key.path[1:]) for asset in assets for key in asset.keys}  # type: ignore[union-attr]
    return sorted(stages - {*STAGES_WITHOUT_SCRIPT})


def chain_command(first: date, last: date, stages: Sequence[str]) -> list[str]:
    """Return the command that runs stages of the chain on the local days `first` to `last`."""
    command = [sys.executable, "-m", "pipelines.cli", "run", USE_CASE, "--json"]
    return [*command, "--from", f"{first}", "--to", f"{last}", "--select", ",".join(stages)]


def run_chain(home: Path, first: date, last: date, stages: Sequence[str], log: Path) -> Run:
    """Run stages of the chain in a process on the local days `first` to `last`, and return the measured run.

    Raises BenchError if the process fails.
    """
    process = run_process(chain_command(first, last, stages), log, {"SIXTYFORTY_HOME": str(home)})
    run_id = process.printed["run_id"]
    return Run(
        wall_s=process.wall_s,
        cpu_s=process.cpu_s,
        peak_rss_mb=process.peak_rss_mb,
        steps=read_step_seconds(home, run_id),
        money=read_money(home, first, last),
        run_id=run_id,
    )


def read_step_seconds(home: Path, run_id: str) -> dict[str, float]:
    """Return the seconds of each step of a run, by the name of the stage, in order of the steps' starts."""
    os.environ["SIXTYFORTY_HOME"] = str(home)
    from pipelines.settings import prepare_dagster_home

    prepare_dagster_home()
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        steps = sorted(instance.get_run_step_stats(run_id), key=lambda step: step.start_time or 0)
    stage_by_step = {s.step_key: s.step_key.removeprefix(f"{USE_CASE}__").replace("__", "/") for s in steps}
    return {stage_by_step[s.step_key]: round((s.end_time or 0) - (s.start_time or 0), 2) for s in steps}


def read_money(home: Path, first: date, last: date) -> Money:
    """Return the value of the replay's decisions on the local days `first` to `last`, from the chain's accounts.

    The random choice takes each action as often as the model does on these days, as in the plain scripts.
    """
    os.environ["SIXTYFORTY_HOME"] = str(home)
    from pipelines.authoring import catalog
    from sixtyforty.accounting.kpi_ledger import read_daily_values
    from sixtyforty.value.daily_values import deal_over_period

    daily_values = read_daily_values(catalog.open_workspace(USE_CASE), "replay")
    days = deal_over_period([day for day in daily_values if f"{first}" <= day.partition <= f"{last}"])
    decisions = sum(day.decisions for day in days)
    totals = {policy: sum(getattr(day, policy) for day in days) for policy in POLICIES}
    per_1000 = {p: round(1000 * total / decisions, 2) if decisions else None for p, total in totals.items()}
    return Money(decisions, per_1000)


def check_same_money(run: Run, other: Run) -> None:
    """Raise BenchError unless both runs took as many decisions, with the same value by each way of deciding."""
    if run.money is None or other.money is None:
        raise BenchError("one of the two runs has no measured value of decisions, so the runs can't be compared")
    figures, other_figures = (
        {"decisions": money.decisions, **{policy: money.per_1000[policy] for policy in POLICIES}}
        for money in (run.money, other.money)
    )
    differences = [
        f"{name}: {figures[name]} and {other_figures[name]}"
        for name in figures
        if not _are_equal(figures[name], other_figures[name])
    ]
    if differences:
        raise BenchError(f"the chain and the other tool did not do the same work: {', '.join(differences)}")


def _are_equal(amount: float | None, other: float | None) -> bool:
    if amount is None or other is None:
        return amount is other
    return abs(amount - other) <= TOLERANCE
