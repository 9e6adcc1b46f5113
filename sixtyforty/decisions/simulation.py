"""SIMULATED responses, for demonstrations: what six people might have done with decisions of the past.

The model, all of it assumed. Six people take shifts of eight hours in turn, by the moment of the decision; the sixth
joins in the ninth week, the second leaves in the twentieth. Whoever is on shift looks at SEEN of the decisions that
differ from the current process, half an hour after they were taken, and answers ANSWERED of those. A person overrides
with a probability of their own (TEMPER), which is doubled where they happen to know better (the decision would turn
out worse than the current process's) and halved where they don't: so overrides are right more often than chance. One
answer in forty comes with a rating, of 4 on average and lower after an override. Seeded: the same decisions and seed
give the same responses, whatever the range asked for. Every row says `simulated`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.responses import add_responses
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.response_log import Event, Response
from sixtyforty.value import candidates
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

TRACK = "replay"  # nobody's real decisions
TEMPER = (0.02, 0.05, 0.08, 0.12, 0.18, 0.30)
JOINS, LEAVES = {5: 9}, {1: 20}  # person to the week, counted from the first decision of all
SEEN, ANSWERED, RATED = 0.5, 0.8, 0.025
REASONS = (
    "the crew is in the building anyway",
    "the inbound aircraft is here already",
    "a storm is on its way",
    "the gate told me otherwise",
    "too few people on standby today",
)
CHUNK = 60  # partitions a time: what bounds the memory


def simulate_responses(ws: Workspace, partitions: Sequence[str], seed: int = 0) -> int:
    """Adds simulated responses to the replayed decisions of these partitions; returns how many are new.

    Raises ValueError when nothing was decided there, or the outcomes aren't known: run the chain first.
    """
    decided = ws.lake.entries(decisions_dataset(TRACK))
    if not any(p in decided for p in partitions):
        raise ValueError(f"{ws.use_case.name}: no replayed decisions there yet: run the chain first")
    first, added = min(decided), 0
    wanted = [p for p in partitions if p in decided]
    for start in range(0, len(wanted), CHUNK):
        added += add_responses(ws, draw_responses(ws, _differing(ws, wanted[start : start + CHUNK]), first, seed))
    return added


def _differing(ws: Workspace, partitions: Sequence[str]) -> pd.DataFrame:
    key, outcome = ", ".join(f'"{c}"' for c in ws.use_case.decision.key), f'o."{ws.use_case.kpi.outcome}"'
    decided, outcomes = ws.lake.entries(decisions_dataset(TRACK), partitions), ws.lake.entries("outcomes", partitions)
    if not outcomes:
        raise ValueError(f"{ws.use_case.name}: what became of {partitions[0]} isn't known yet: run the chain first")
    with connect(ws.use_case.timezone) as db:
        priced = ws.use_case.kpi.payoff_sql
        knew = (
            f"left join {candidates.candidates_sql(ws.use_case, ws.lake, db, decided, [], priced)} using (_partition, {key})"
            if priced
            else ""
        )
        also = "".join(f', "{c}"' for c in (*priced, *ws.use_case.kpi.outcome_columns[1:]))
        return db.execute(
            f"""select _partition, decision_id, d.decided_at, action, current_action, {outcome}::double as outcome{also}
            from {ws.lake.select_rows(decided.values())} d join {ws.lake.select_rows(outcomes.values())} o using (_partition, {key})
            {knew} where action <> current_action and outcome is not null order by decision_id"""
        ).df()


def draw_responses(ws: Workspace, rows: pd.DataFrame, first: str, seed: int) -> list[Response]:
    """Simulated responses to decisions that differ from the current process.

    Rows: decision_id, decided_at (UTC), action, current_action, outcome. first: the first partition ever decided.
    """
    import numpy as np
    import pandas as pd

    kpi, outcome = ws.use_case.kpi, rows["outcome"].to_numpy(float)
    # chance by decision, not by order: asked for in parts, each decision meets with the same
    bits = [hashlib.sha256(f"{seed}|{i}".encode()).digest() for i in rows["decision_id"]]
    chance = np.frombuffer(b"".join(bits), "<u4").reshape(-1, 8) / 2**32
    weeks = (rows["decided_at"] - pd.Timestamp(first)).dt.days.to_numpy() // 7
    shift = (rows["decided_at"].astype("int64") // (8 * 3600 * 10**6)).to_numpy()  # microseconds
    person = shift % len(TEMPER)
    for who, week in JOINS.items():
        person = np.where((person == who) & (weeks < week), (who + 1) % len(TEMPER), person)
    for who, week in LEAVES.items():
        person = np.where((person == who) & (weeks >= week), (who + 1) % len(TEMPER), person)
    pays = build_payoffs(kpi, rows)
    worse = pays.realized(rows["action"].tolist(), outcome) < pays.realized(rows["current_action"].tolist(), outcome)
    temper = np.asarray(TEMPER)[person] * np.where(worse, 2.0, 0.5)
    seen = chance[:, 0] < SEEN
    answered = seen & (chance[:, 1] < ANSWERED)
    overridden, rated = answered & (chance[:, 2] < temper), answered & (chance[:, 3] < RATED)
    found, moments = [], [m.to_pydatetime() for m in rows["decided_at"]]
    for i, (decision, decided_at, action, present) in enumerate(
        zip(rows["decision_id"], moments, rows["action"], rows["current_action"], strict=True)
    ):
        if not seen[i]:
            continue
        said = partial(_said, decision, f"simulated person {person[i] + 1}", decided_at)
        found.append(said("seen", 30))
        if overridden[i]:
            why = f"(simulated) {REASONS[int(chance[i, 4] * len(REASONS))]}"
            found.append(said("overridden", 31, action=present, reason=why))
        elif answered[i]:
            found.append(said("accepted", 31, action=action))
        if rated[i]:
            stars = 1 + int(5 * chance[i, 5]) if overridden[i] else 3 + int(3 * chance[i, 5])
            found.append(said("rated", 32, rating=stars))
    return found


def _said(decision: str, person: str, decided_at: datetime, event: Event, minutes: int, **more: Any) -> Response:
    """Its id is that of the decision and the event: simulated twice is simulated once."""
    at = decided_at + timedelta(minutes=minutes)
    return Response(
        decision, person, "decider", event, at=at, simulated=True, response_id=f"{decision}-{event}", **more
    )
