"""Check the results of a drill: files equal to a backfill, every departure decided once, and no run unfinished."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.authoring import catalog
from pipelines.demo import flights
from pipelines.demo.drill.home import HISTORY_START, DrillHome, create_home, delivered_decisions, unfinished_runs
from pipelines.demo.drill.live_days import DrillResult
from pipelines.demo.drill.plan import Plan, corrected_name
from sixtyforty.spec.wording import format_plural

if TYPE_CHECKING:
    from sixtyforty.decisions.delivery_table import DeliveredDecision

STAGES = ("raw", "validated", "rejected", "quarantine", "features", "outcomes")
MAY_BE_EMPTY = ("rejected", "quarantine")


@dataclass(frozen=True)
class DecisionCounts:
    """How many decisions of a drill are due, taken or missing, and how many the model and the fallback took.

    The drill plays the example of flights, where each departure of a flight needs one decision. `due` counts
    departures, and `missing` counts departures without a decision. `late` counts decisions that the fallback took
    because the timetable's extract arrived too late. `dead_feed` counts decisions that the fallback took for any other
    reason. `fallback_astray` counts decisions of the fallback that differ from the current process.
    """

    due: int
    taken: int
    distinct: int
    missing: int
    late: int
    dead_feed: int
    by_model: int
    fallback_astray: int


def backfill(home: DrillHome, folder: Path, plan: Plan) -> DrillHome:
    """Return a second home, in which one run has processed all extracts of the drill's home."""
    second = create_home(folder, {})
    shutil.copytree(home.landing_zone, second.landing_zone, copy_function=shutil.copy2)
    last = plan.days[-1] + timedelta(days=1)
    second.run_stages(HISTORY_START, last, "features", "outcomes", as_of=plan.end)
    return second


def check_bytes(home: DrillHome, backfilled: DrillHome, plan: Plan) -> list[DrillResult]:
    """Compare the files of the drill's data stages with those of a backfill, byte by byte.

    The comparison covers the drill's days and the day before.
    """
    first = plan.days[0] - timedelta(days=1)
    results = []
    for stage in STAGES:
        lived, expected = _stage_files(home, stage, first), _stage_files(backfilled, stage, first)
        differing = sorted(name for name in lived.keys() | expected.keys() if lived.get(name) != expected.get(name))
        if differing:
            files = format_plural(len(differing), "file")
            outcome = f"{files} different from a backfill, such as {', '.join(differing[:5])}"
        else:
            outcome = f"{format_plural(len(lived), 'file')}, byte-equal to a backfill"
        results.append(DrillResult(stage, outcome, ok=not differing and bool(lived or stage in MAY_BE_EMPTY)))
    return results


def _stage_files(home: DrillHome, stage: str, first: date) -> dict[str, bytes]:
    root = home.folder / "data" / "lake" / flights.USE_CASE
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted((root / stage).rglob("*"))
        if path.suffix in (".json", ".parquet") and path.name[:10] >= f"{first}"
    }


def check_decisions(home: DrillHome, plan: Plan, delivered: Mapping[str, DeliveredDecision]) -> list[DrillResult]:
    """Check that the drill lost, repeated or changed no decision. Return one line of the drill's table per check.

    Each departure must be decided once, and no decision may change. The fallback must decide departures with late data.
    """
    counts = _count_decisions(home, plan)
    current = delivered_decisions(home)
    return [
        DrillResult(
            "each departure decided exactly once",
            f"{counts.due:,} due, {counts.taken:,} taken, {counts.missing} missing",
            ok=counts.due == counts.taken == counts.distinct and not counts.missing,
        ),
        DrillResult(
            "delivered, and unchanged since",
            f"{len(current):,} rows",
            ok=current == delivered and len(current) == counts.taken,
        ),
        DrillResult("decided by the model", f"{counts.by_model:,}", ok=counts.by_model > 0),
        DrillResult(
            "timetable too late, decided by the fallback",
            f"{counts.late:,}",
            ok=bool(counts.late) == plan.has_fault_in("timetable"),
        ),
        DrillResult(
            "dead feed, decided by the fallback",
            f"{counts.dead_feed:,}",
            ok=bool(counts.dead_feed) == plan.has_fault_in("movements") and not counts.fallback_astray,
        ),
    ]


def _count_decisions(home: DrillHome, plan: Plan) -> DecisionCounts:
    from sixtyforty.decisions.deciding import LATE_REASON
    from sixtyforty.decisions.decision_table import decisions_dataset
    from sixtyforty.storage.sql import identifiers, literal

    ws = home.evaluate(lambda: catalog.open_workspace(flights.USE_CASE))
    key, late = identifiers(ws.use_case.decision.key), literal(LATE_REASON)
    units = ws.lake.select_rows(ws.lake.entries("features").values())
    rows = ws.lake.select_rows(ws.lake.entries(decisions_dataset("live")).values())
    due = f"(from {units} where decided_at between timestamp '{plan.start}' and timestamp '{plan.end}')"
    with ws.lake.open_session(ws.use_case.timezone) as db:
        counts = db.execute(
            f"""select (select count(*) from {due}), (select count(*) from {rows}),
            (select count(distinct ({key})) from {rows}), (select count(*) from {due} anti join {rows} using ({key})),
            (select count(*) from {rows} where reason = {late}),
            (select count(*) from {rows} where decided_by = 'fallback' and reason <> {late}),
            (select count(*) from {rows} where decided_by = 'model'),
            (select count(*) from {rows} where decided_by = 'fallback' and action <> current_action)"""
        ).fetchone()
    assert counts, "an aggregate returns one row"
    return DecisionCounts(*counts)


def check_faults(home: DrillHome, plan: Plan) -> list[DrillResult]:
    """Check that unreadable extracts were rejected, and that their corrections and late extracts were ingested."""
    ws = home.evaluate(lambda: catalog.open_workspace(flights.USE_CASE))
    extracts = {extract.name: extract for source in ws.use_case.sources for extract in ws.landing.known(source)}
    results = []
    for fault in plan.faults:
        extract = extracts[fault.extract]
        if fault.corrupt:
            correction = extracts[corrected_name(fault.extract)]
            outcome = f"rejected: {extract.problem}; its correction has {correction.rows} rows"
            ok = bool(extract.problem and correction.rows)
        else:
            outcome, ok = f"{extract.rows} rows ingested after landing", bool(extract.rows and not extract.problem)
        results.append(DrillResult(fault.description, outcome, ok))
    return results


def check_runs(home: DrillHome) -> DrillResult:
    """Check that no run of the drill's home is unfinished."""
    count = len(home.evaluate(unfinished_runs))
    return DrillResult("runs left unfinished", f"{count}", ok=not count)


def as_table(results: Sequence[DrillResult]) -> str:
    """Return the results of a drill as a text table, with one line per check or event."""
    width = max(len(result.subject) for result in results)
    return "\n".join(
        f"{'ok ' if result.ok else 'NOT'}  {result.subject:<{width}}  {result.outcome}" for result in results
    )
