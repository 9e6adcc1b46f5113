"""A home with all that reports, digests and records are made from, without a chain having run: figures by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from sixtyforty.accounting import break_even, degradation
from sixtyforty.accounting.degradation import Finding
from sixtyforty.decisions import review_queue
from sixtyforty.decisions.review_queue import Item
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.champion_ledger import Row
from sixtyforty.storage.lake import canonical, write_atomic
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.value.lift import Day, Interval
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, span

FIRST, LAST = date(2013, 4, 1), date(2013, 6, 30)
BAD = "2013-05"  # the month that loses
TOLD = {
    "costs": {"build": 1000, "per_month": 100},
    "segments": ["site"],
    "candidates": {"by_load": {"description": "Act on heavy loads", "action": "case when load > 0.5 then 'act' end"}},
    "target": 500,
    "target_date": "2013-06-30",
}


def a_day(partition: str, gain: float, decisions: int = 20) -> Day:
    """A day whose current process earned 40, its candidate 45, and whose decisions so much more."""
    return Day(partition, decisions, 40.0 + gain, 40.0, 10.0, 90.0, 6, 4, 1, {"by_load": 45.0})


def gains(first: date = FIRST, last: date = LAST) -> list[Day]:
    """Days that gain about 20 each, and lose as much in the bad month; no two alike."""
    days = span(first, last)
    return [a_day(p, (-20.0 if p.startswith(BAD) else 20.0) + (i * 7 % 11 - 5)) for i, p in enumerate(days)]


def account(ws: Workspace, days: Sequence[Day], track: str = "replay") -> None:
    """Puts these days into the KPI ledger."""
    for day in days:
        half = day.decisions // 2, day.model / 2, day.current_process / 2
        facts = day.__dict__ | {"unknown": 0, "segments": {"site": {"north": half, "south": half}}}
        ws.lake.write(f"kpi/{track}", day.partition, pa.table({"decisions": [day.decisions]}), facts=facts)


def judged(ws: Workspace, as_of: str, verdict: str = "PROMOTE", track: str = "replay", **changes: Any) -> Row:
    """A row of the champion ledger, and its version's card. `lift`: (value, low, high) it was judged with, or None."""
    version, lift = f"{as_of}-0000{verdict[:2].lower()}", changes.pop("lift", (1000.0, 700.0, 1300.0))
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
        "files": {},
        "data": {"features": {}, "outcomes": {}},
    }
    write_atomic(ws.models.folder(version) / "card.json", canonical(card).encode())
    evidence = {"lift_vs_current": dict(zip(("value", "low", "high"), lift, strict=True))} if lift else {}
    start = ws.use_case.starts(date.fromisoformat(as_of)).isoformat()
    row = {
        "track": track,
        "version": version,
        "verdict": verdict,
        "kind": "refresh",
        "as_of": as_of,
        "effective_from": start,
        "reasons": ["it was seen to be so"],
        "evidence": evidence,
    }
    return ws.ledger.append(**row | changes)


def deaths(ws: Workspace) -> None:
    """What the drill found: without visits the current process decides, with stale calls it goes on."""
    good, gone, bad = (Interval(v, v - 50, v + 50) for v in (900.0, 0.0, -400.0))
    found = [
        Finding("", "none", good, good, 0.0, False),
        Finding("visits", "missing", bad, gone, 0.99, False),
        Finding("calls", "stale", bad, Interval(300, 200, 400), 0.0, True),
    ]
    facts = {"findings": [f.plain for f in found], "seen": "x", "days": 16, "as_of": str(LAST)}
    ws.lake.write(degradation.DATASET, SNAPSHOT, pa.table({"x": [1]}), facts=facts)
    points = [[i / 10, *([v, v - 50, v + 50] for v in (900 - 200 * i, 1500 - 150 * i))] for i in range(11)]
    said = [{"lost": lost, "present": present, "coin": coin} for lost, present, coin in points]
    ws.lake.write(break_even.DATASET, SNAPSHOT, pa.table({"x": [1]}), facts={"points": said})


def verdicts(ws: Workspace, first: date = FIRST, last: date = LAST, refused: Sequence[str] = ()) -> None:
    """Governance's verdicts on these days' visits: a row a day set aside, some days refused."""
    for partition in span(first, last):
        bad = partition in refused
        verdict = Verdict("visits", partition, not bad, 20, 0 if bad else 19, 20 if bad else 1, 0, 0, [], [])
        facts = {"verdict": verdict.to_dict(), "verdict_id": verdict.id}
        dataset = "rejected/visits" if bad else "validated/visits"
        ws.lake.write(dataset, partition, pa.table({"id": range(verdict.accepted_rows)}), facts=facts)
        ws.lake.write("quarantine/visits", partition, pa.table({"id": range(verdict.quarantined)}))


def decided(ws: Workspace, day: str, track: str = "replay", queued: int = 3) -> None:
    """A day's decisions, 12 of them, and what was queued for review of them."""
    actions = pa.array(["act"] * 5 + ["wait"] * 7)
    facts = {"model": 10, "fallback": 2, "current_process": 0}
    ws.lake.write(f"decisions/{track}", day, pa.table({"action": actions}), facts=facts)
    at = ws.use_case.closes(day)
    items = [
        Item(f"{track}-{day}-{i:016x}", at, i + 1, 411.5, "shift_manager", "Nearly even.", "act", "wait", 5.0)
        for i in range(queued)
    ]
    ws.lake.write(
        review_queue.dataset(track), day, pa.Table.from_pylist([i.__dict__ for i in items]), facts={"overflow": 2}
    )


def answered(ws: Workspace, day: str, track: str = "replay", simulated: int = 0) -> None:
    """What people did with the decisions of a day, as accounted for."""
    answers = {"accepted": 6, "overridden": 2, "known": 2, "right": 1, "gain": 30.0}
    facts = {
        "decisions": 12,
        "seen": 10,
        **answers,
        "responses": 19,
        "simulated": simulated,
        "unmatched": 0,
        "active": {"2013-W26": ["ann", "bob"]},
        "weeks": {"2013-W26": [6, 2]},
        "ratings": {"2013-W26": [9, 2]},
        "roles": {"decider": answers},
    }
    ws.lake.write(f"acceptance/{track}", day, pa.table({"decisions": [12]}), facts=facts)


def told(folder: Path, track: str = "replay", **changes: Any) -> Workspace:
    """A home with three months of it: a champion a month, one challenger refused and one held, a month that loses."""
    ws = make_workspace(folder, kpi=TOLD, **changes)
    account(ws, gains(), track)
    judged(ws, "2013-03-01", "REJECT", track, lift=(-200.0, -300.0, -100.0), reasons=["it lost money on past days"])
    for month in ("2013-04-01", "2013-05-01", "2013-06-01"):
        judged(ws, month, track=track)
    judged(ws, "2013-06-15", "HOLD", track, reasons=["not better by more than the margin"])
    verdicts(ws, date(2013, 6, 10), refused=["2013-06-12"])
    deaths(ws)
    return ws
