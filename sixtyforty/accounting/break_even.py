"""The value of good knowledge and good data: how much of either may be lost before today's process is as good.

Knowledge is taken away by dealing the expected outcomes of a share of the units out among themselves: what is known
of another unit is known of this one. Bad data are those of the degradation drill, of a share of the units, with nobody
looking: hit at random, the lift is in between, in proportion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sixtyforty.accounting import degradation, experiment_ledger
from sixtyforty.accounting.degradation import Finding
from sixtyforty.decisions import candidates
from sixtyforty.decisions.deciding import dataset
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.lake import Entry, versions
from sixtyforty.value.lift import Interval, ratio
from sixtyforty.value.payoffs import payoffs
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

DATASET = "break_even"
SHARES = tuple(i / 10 for i in range(11))
SEED = 0
HAPPENS = {"stale": "stop", "duplicated": "come twice", "wrong unit": "come in a wrong unit"}


@dataclass(frozen=True)
class Point:
    """Lifts per 1,000 decisions with a share of the knowledge lost.

    Over the current process, and over a random choice that acts as often.
    """

    lost: float
    present: Interval
    coin: Interval


def curve(kpi: Kpi, rows: pd.DataFrame) -> list[Point]:
    """The points of SHARES.

    Of units with columns `_partition`, `decided_at`, `expected`, `current_action`, known `outcome` and what payoffs
    need.
    """
    import numpy as np

    pays, outcome, expected = payoffs(kpi, rows), rows["outcome"].to_numpy(float), rows["expected"].to_numpy(float)
    day, days = np.unique(rows["_partition"].to_numpy(str), return_inverse=True)[::-1]
    count = np.bincount(day)
    present = np.bincount(day, pays.paid(rows["current_action"].tolist(), outcome), len(days))

    @cache
    def of_day(action: str) -> NDArray[np.float64]:  # had all units been given it
        return np.bincount(day, pays.paid([action] * len(rows), outcome), len(days)).astype(float)

    rng = np.random.default_rng(SEED)
    luck, deal = rng.random(len(rows)), rng.permutation(len(rows))
    found = []
    for share in SHARES:
        known, hit = expected.copy(), deal[luck[deal] < share]
        known[np.sort(hit)] = expected[hit]
        chosen = pays.choose(known)
        model = np.bincount(day, pays.paid(chosen.tolist(), outcome), len(days))
        dealt = {a: np.bincount(day, chosen == a, len(days)) / count for a in np.unique(chosen.astype(str)).tolist()}
        over = ((model - other).tolist() for other in (present, sum(m * of_day(a) for a, m in dealt.items())))
        found.append(Point(share, *(ratio(o, count.tolist()) for o in over)))
    return found


def crossing(points: Sequence[Point], over: str) -> float | None:
    """The share lost at which the lift over `present` or `coin` is gone, between points in proportion; None: never."""
    lifts = [(p.lost, getattr(p, over).value) for p in points]
    if not lifts or lifts[0][1] <= 0:
        return 0.0 if lifts else None
    for (x, a), (y, b) in pairwise(lifts):
        if b <= 0:
            return x + (y - x) * a / (a - b)
    return None


def bearable(findings: Sequence[Finding]) -> dict[tuple[str, str], float | None]:
    """Feed and fault to the share of units it may hit, unnoticed, before the lift is gone; None: it never is."""
    sound = next((f.ungated.value for f in findings if not f.feed), 0.0)
    if sound <= 0:
        return {(f.feed, f.fault): 0.0 for f in findings if f.feed}
    return {
        (f.feed, f.fault): None if f.ungated.value > 0 else sound / (sound - f.ungated.value)
        for f in findings
        if f.feed
    }


def work_out(ws: Workspace, track: str) -> list[Point]:
    """The curve over all that the model decided and whose outcome is known; empty without any. Kept in the lake.

    Empty, too, where the action taken may have changed the outcome: what another would have brought isn't known.
    """
    import pyarrow as pa

    decided = ws.lake.entries(dataset(track))
    known = ws.lake.entries("outcomes", list(decided))
    decided = {p: decided[p] for p in known}
    if not decided or experiment_ledger.randomized(ws.use_case, track) or ws.use_case.kpi.treatment:
        return []
    kpi, key = ws.use_case.kpi, ", ".join(f'"{c}"' for c in ws.use_case.decision.key)
    priced, said = "".join(f', "{c}"' for c in kpi.priced), ""
    with connect(ws.use_case.timezone) as db:
        if kpi.priced:
            said = f"join {candidates.answers(ws, db, decided, [], kpi.priced)} using (_partition, {key})"
        rows = db.execute(
            f"""select _partition, d.decided_at, d.expected, d.current_action, o."{kpi.outcome}" as outcome{priced}
            from {ws.lake.rows(decided.values())} d join {ws.lake.rows(known.values())} o using (_partition, {key})
            {said} where d.decided_by = 'model' and o."{kpi.outcome}" is not null order by _partition, d.decision_id"""
        ).df()
    if rows.empty:
        return []
    points = curve(kpi, rows)
    facts = {"points": [_plain(p) for p in points], "track": track, "decisions": len(rows)}
    table = pa.Table.from_pylist([{"lost": p.lost, "present": p.present.value, "coin": p.coin.value} for p in points])
    inputs = {dataset(track): versions(decided), "outcomes": versions(known)}
    ws.lake.write(DATASET, SNAPSHOT, table, inputs=inputs, code=ws.code, facts=facts)
    return points


def recorded(ws: Workspace) -> tuple[Entry | None, list[Point]]:
    """What was last worked out."""
    entry = ws.lake.entry(DATASET, SNAPSHOT)
    return entry, [_point(p) for p in entry.facts["points"]] if entry else []


def told(ws: Workspace) -> list[str]:
    """What it says to the owner, a sentence each."""
    _, points = recorded(ws)
    if not points:
        return []
    share, coin = crossing(points, "present"), crossing(points, "coin")
    said = [
        "Even knowing nothing of its own it would do no worse than the current process."
        if share is None
        else f"It may lose {share:.0%} of what it knows before the current process does as well.",
        *([] if coin is None or coin > 0.99 else [f"At {coin:.0%} it is no better than a random choice."]),
    ]
    for (feed, fault), most in bearable(degradation.recorded(ws)).items():
        if most is not None and fault != "missing":
            which = f"{most:.0%} of the {ws.use_case.kpi.noun}"
            said.append(f"The {feed} feed may, unnoticed, {HAPPENS[fault]} for {which} before the gain is gone.")
    return said


def _plain(point: Point) -> dict[str, Any]:
    def interval(i: Interval) -> list[float | None]:
        return [None if math.isnan(v) else round(v, 2) for v in (i.value, i.low, i.high)]

    return {"lost": point.lost, "present": interval(point.present), "coin": interval(point.coin)}


def _point(data: dict[str, Any]) -> Point:
    def interval(values: list[float | None]) -> Interval:
        return Interval(*(math.nan if v is None else v for v in values))

    return Point(data["lost"], interval(data["present"]), interval(data["coin"]))
