"""A home whose accounts, ledgers and verdicts are written by hand: reports need no run of the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from sixtyforty.accounting import break_even, degradation
from sixtyforty.accounting.break_even import CurvePoint
from sixtyforty.accounting.degradation import FaultImpact
from sixtyforty.accounting.kpi_ledger import kpi_dataset
from sixtyforty.accounting.usage import AnswerCounts, PartitionUsage, usage_dataset
from sixtyforty.decisions.decision_facts import DecisionFacts
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.declared_version import declared_version
from sixtyforty.decisions.review_queue import QueuedReview, QueueFigures, review_dataset
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.track import Track
from sixtyforty.storage.champion_ledger import ChampionRow, GateVerdict
from sixtyforty.storage.files import canonical_json, write_atomic
from sixtyforty.storage.verdicts import Verdict, verdict_facts
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import Interval
from sixtyforty.workspace import Workspace
from tests.helpers import day_range, make_workspace

FIRST, LAST = date(2013, 4, 1), date(2013, 6, 30)
LOSING_MONTH = "2013-05"
KPI = {
    "costs": {"build": 1000, "per_month": 100},
    "segments": ["site"],
    "candidates": {"by_load": {"description": "Act on heavy loads", "action": "case when load > 0.5 then 'act' end"}},
    "target": 500,
    "target_date": "2013-06-30",
}


def make_daily_value(partition: str, gain: float, decisions: int = 20) -> DailyValue:
    """Return a day whose current process earned 40 and whose candidate earned 45; the decisions earned `gain` more."""
    return DailyValue(partition, decisions, 40.0 + gain, 40.0, 10.0, 90.0, 6, 4, 1, {"by_load": 45.0})


def make_daily_values(first: date = FIRST, last: date = LAST) -> list[DailyValue]:
    """Return days that gain about 20 each, and lose as much in the losing month; no two neighbours are equal."""
    return [
        make_daily_value(p, (-20.0 if p.startswith(LOSING_MONTH) else 20.0) + (i * 7 % 11 - 5))
        for i, p in enumerate(day_range(first, last))
    ]


def write_accounts(
    ws: Workspace, daily_values: Sequence[DailyValue], track: Track = "replay", unknown: int = 0
) -> None:
    """Write these days into the KPI ledger, half of each in the north and half in the south.

    unknown: the number of decisions of each day whose value is unknown.
    """
    for day in daily_values:
        half = day.decisions // 2, day.model / 2, day.current_process / 2
        facts = day.__dict__ | {"unknown": unknown, "segments": {"site": {"north": half, "south": half}}}
        table = pa.table({"decisions": [day.decisions]})
        ws.lake.write(kpi_dataset(track), day.partition, table, facts=facts)


def append_verdict(
    ws: Workspace, as_of: str, verdict: GateVerdict = "PROMOTE", track: Track = "replay", **changes: Any
) -> ChampionRow:
    """Append a row to the champion ledger, and write its version's card.

    changes: fields of the row, and `forecast`: the (value, low, high) that the gate gave, or None.
    """
    version, forecast = f"{as_of}-0000{verdict[:2].lower()}", changes.pop("forecast", (1000.0, 700.0, 1300.0))
    card = {
        "version": version,
        "use_case": ws.use_case.name,
        "as_of": as_of,
        "rows": 600,
        "first": "2013-03-01",
        "last": "2013-03-31",
        "missing_days": [],
        "features": ["site", "load"],
        "recipe_version": "cafe",
        "recipe": ws.use_case.model.model_dump(),
        "data_version": "beef",
        "libraries": {},
        "files": {},
        "data": {"features": {}, "outcomes": {}},
    }
    write_atomic(ws.models.folder(version) / "card.json", canonical_json(card).encode())
    row = {
        "track": track,
        "version": version,
        "verdict": verdict,
        "kind": "refresh",
        "as_of": as_of,
        "effective_from": ws.use_case.day_start(date.fromisoformat(as_of)).isoformat(),
        "reasons": ["the figures said so"],
        "evidence": {"forecast": dict(zip(("value", "low", "high"), forecast, strict=True))} if forecast else {},
    }
    return ws.champion_ledger.append(**row | changes)


def write_drill(ws: Workspace) -> None:
    """Write the impacts of a degradation drill, and a break-even curve.

    Without visits the current process decides; with stale calls the decisions continue.
    """
    good, gone, bad = (Interval(v, v - 50, v + 50) for v in (900.0, 0.0, -400.0))
    impacts = [
        FaultImpact("", "none", good, good, 0.0, False),
        FaultImpact("visits", "missing", bad, gone, 0.99, False),
        FaultImpact("calls", "stale", bad, Interval(300, 200, 400), 0.0, True),
    ]
    facts: dict[str, Any] = {"impacts": [i.to_dict() for i in impacts], "basis": "x", "days": 16, "as_of": str(LAST)}
    ws.lake.write(degradation.DATASET, SNAPSHOT, pa.table({"x": [1]}), facts=facts)
    points = [
        CurvePoint(i / 10, *(Interval(v, v - 50, v + 50) for v in (900 - 200 * i, 1500 - 150 * i))) for i in range(11)
    ]
    facts = {"points": [point.to_dict() for point in points]}
    ws.lake.write(break_even.DATASET, SNAPSHOT, pa.table({"x": [1]}), facts=facts)


def write_verdicts(ws: Workspace, first: date = FIRST, last: date = LAST, rejected: Sequence[str] = ()) -> None:
    """Write the verdicts on the visits of these days: one row a day quarantined, some days rejected."""
    for partition in day_range(first, last):
        accepted = partition not in rejected
        rows, quarantined = (19, 1) if accepted else (0, 20)
        verdict = Verdict("visits", partition, accepted, 20, rows, quarantined, 0, 0, [], [])
        dataset = "validated/visits" if accepted else "rejected/visits"
        ws.lake.write(dataset, partition, pa.table({"id": range(verdict.accepted_rows)}), facts=verdict_facts(verdict))
        ws.lake.write("quarantine/visits", partition, pa.table({"id": range(verdict.quarantined)}))


def write_decisions(ws: Workspace, day: str, track: Track = "replay", queued: int = 3) -> None:
    """Write 12 decisions of a day, some of them queued for review."""
    at = ws.use_case.closes_at(day)
    rows = {
        "decision_id": [f"{track}-{day}-{number:016x}" for number in range(12)],
        "id": range(12),
        "decided_at": [at] * 12,
        "action": ["act"] * 5 + ["wait"] * 7,
        "decided_by": ["model"] * 10 + ["fallback"] * 2,
        "reason": [None] * 10 + ["late"] * 2,
    }
    facts = DecisionFacts(model=10, fallback=2, declared_versions=[declared_version(ws.use_case)])
    ws.lake.write(decisions_dataset(track), day, pa.table(rows), facts=facts.to_facts())
    reviews = [
        QueuedReview(f"{track}-{day}-{i:016x}", at, i + 1, 411.5, "shift_manager", "Nearly even.", "act", "wait", 5.0)
        for i in range(queued)
    ]
    table = pa.Table.from_pylist([review.__dict__ for review in reviews])
    figures = QueueFigures(queued + 2, 5.0 * queued, 2, queued, 411.5 * queued)
    ws.lake.write(review_dataset(track), day, table, facts=asdict(figures))


def write_usage(ws: Workspace, day: str, track: Track = "replay", simulated: int = 0) -> None:
    """Write the usage account of a day: 10 decisions seen, 6 accepted, 2 overridden."""
    answers = AnswerCounts(accepted=6, overridden=2, known=2, right=1, gain=30.0)
    usage = PartitionUsage(
        **answers.__dict__,
        decisions=12,
        seen=10,
        responses=19,
        simulated=simulated,
        roles={"decider": answers},
        active={"2013-W26": ["ann", "bob"]},
        weeks={"2013-W26": [6, 2]},
        ratings={"2013-W26": [9, 2]},
    )
    ws.lake.write(usage_dataset(track), day, pa.table({"decisions": [12]}), facts=usage.to_facts())


def make_accounted_home(folder: Path, track: Track = "replay", **changes: Any) -> Workspace:
    """Return a home with three months of accounts, one of which loses.

    It has one champion a month, one rejected challenger and one that was held.
    """
    ws = make_workspace(folder, kpi=KPI, **changes)
    write_accounts(ws, make_daily_values(), track)
    reasons = ["it lost money on past days"]
    append_verdict(ws, "2013-03-01", "REJECT", track, forecast=(-200.0, -300.0, -100.0), reasons=reasons)
    for month in ("2013-04-01", "2013-05-01", "2013-06-01"):
        append_verdict(ws, month, track=track)
    append_verdict(ws, "2013-06-15", "HOLD", track, reasons=["not better by more than the margin"])
    write_verdicts(ws, date(2013, 6, 10), rejected=["2013-06-12"])
    write_drill(ws)
    return ws
