"""Taking decisions: each unit once, when its moment has come, by the champion in force at that moment.

A decision row: `decision_id`, `use_case`, `track`, the unit's key, `decided_at` (UTC), `action`, `current_action`,
`expected` (the expected outcome, null without a model), `decided_by` (model, current_process, fallback or review: the
model abstained, and the current process decides until a reviewer has answered; live also holdout or shadow: the current
process though there is a model), `reason`, `champion_version`, `data_version` (of the features), `verdict_id`, `policy`
and `code_version`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions import assignment
from sixtyforty.modeling.lineage import find_outdated
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.files import run_in_parallel
from sixtyforty.storage.lake import split_by_partition
from sixtyforty.storage.manifests import Entry
from sixtyforty.value.choice_payoffs import decision_groups
from sixtyforty.value.decision_ids import make_decision_ids
from sixtyforty.value.payoff_base import ActionCounts
from sixtyforty.value.policy import POLICY_VERSION, Policy
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

LATE_REASON = "late: what it is decided on came after its moment"


@dataclass(frozen=True)
class TakenDecisions:
    """What happened to one partition: `entry` holds all its decisions, `new` of them were taken now."""

    entry: Entry
    new: int
    by_model: int
    fallback: int
    kept: int  # that keep the current process, by holdout or in shadow

    @classmethod
    def of(cls, entry: Entry, new: int) -> TakenDecisions:
        """From a decisions partition's manifest."""
        by = entry.facts
        fallback = by["fallback"] + by["current_process"] + by.get("review", 0)
        return cls(entry, new, by["model"], fallback, sum(by.get(k, 0) for k in assignment.HELD_OUT))


def decisions_dataset(track: str) -> str:
    """Where a track's decisions lie in the lake."""
    return f"decisions/{track}"


def live_since(ws: Workspace, track: str) -> datetime | None:
    """The UTC moment (naive) from which a track decides: live, since its first champion; None: it isn't live yet."""
    if track != "live":
        return datetime.min
    champions = ws.champion_ledger.promotions(track)
    return datetime.fromisoformat(champions[0].effective_from) if champions else None


def count_due(ws: Workspace, partitions: Sequence[str], track: str, moment: datetime) -> dict[str, int]:
    """How many decisions of each of these partitions have come due by a UTC moment and aren't taken."""
    start = live_since(ws, track)
    if start is None:
        return {}
    first = ws.use_case.shift(ws.use_case.partition_at(start), -1) if start > datetime.min else ""
    taken, features = (ws.lake.entries(d, partitions) for d in (decisions_dataset(track), "features"))
    open_ = {
        p: e
        for p, e in features.items()
        if p >= first
        and not (p in taken and taken[p].rows == e.rows and taken[p].inputs == {"features": {p: e.version}})
    }
    open_ = {p: open_[p] for p in ws.use_case.decision_partitions(open_)}
    if not open_:
        return {}
    key = ", ".join(f'"{c}"' for c in ws.use_case.decision.key)
    there = [taken[p] for p in open_ if p in taken]
    known = f"anti join {ws.lake.select_rows(there)} d using (_partition, {key})" if there else ""
    with connect(ws.use_case.timezone) as db:
        return dict(
            db.execute(
                f"""select _partition, count(*) from {ws.lake.select_rows(open_.values())} f {known}
                where f.decided_at between timestamp '{start}' and timestamp '{moment}' and {_reach(ws, track)}
                group by 1 order by 1"""
            ).fetchall()
        )


def take_decisions(
    ws: Workspace, partitions: Sequence[str], track: str, as_of: datetime | None
) -> dict[str, TakenDecisions]:
    """Takes the decisions of these partitions (a chunk) that have come due by `as_of` (UTC; None: all of them).

    Decisions already taken stay as they are. Partitions without features, or with none due, are absent, and so are
    those whose features are older than the validated data in force: whichever run asks, they are made anew first.
    """
    start = live_since(ws, track)
    partitions = ws.use_case.decision_partitions(partitions)
    old = find_outdated(ws.use_case, ws.lake, partitions)
    features = {p: e for p, e in ws.lake.entries("features", partitions).items() if p not in old}
    if not features or start is None:
        return {}
    before = ws.lake.entries(decisions_dataset(track), partitions)
    until = f"and decided_at <= timestamp '{as_of}'" if as_of else ""
    rows_ = ws.lake.select_rows(features.values())
    if assignment.has_assignment(ws.use_case, track):
        rows_ = assignment.add_draw_columns(ws, rows_, list(features))
    with connect(ws.use_case.timezone) as db:
        key = ", ".join(f'"{c}"' for c in ws.use_case.decision.key)
        frame = db.execute(
            f"select * from {rows_} where decided_at >= timestamp '{start}' {until} and {_reach(ws, track)}"
            f" order by _partition, decided_at, {key}"
        ).df()
        there = f"select decision_id, action, decided_at, _partition from {ws.lake.select_rows(before.values())}"
        taken = db.execute(there).df() if before else frame.iloc[:0].assign(decision_id="", action="")
    frame["decision_id"] = _ids(ws, track, frame)
    frame = frame[~frame["decision_id"].isin(taken["decision_id"])].reset_index(drop=True)
    new = split_by_partition(_decided(ws, frame, track, features, as_of, taken), "_partition", list(features)) if len(frame) else {}
    result = {p: TakenDecisions.of(e, 0) for p, e in before.items() if p not in new}
    written = run_in_parallel(lambda p: _write(ws, track, p, new[p], before.get(p), features[p]), new)
    return result | dict(zip(new, written, strict=True))


def _reach(ws: Workspace, track: str) -> str:
    """SQL: whether the stage in force at its moment reaches a unit. A pilot begins further down the organisation."""
    return (ws.stage_ledger.scope_sql() if track == "live" else None) or "true"


def _ids(ws: Workspace, track: str, frame: pd.DataFrame) -> list[str]:
    keys = zip(*(frame[c].tolist() for c in ws.use_case.decision.key), strict=True)
    by_partition = groupby(zip(frame["_partition"].tolist(), keys, strict=True), itemgetter(0))
    return [i for p, of in by_partition for i in make_decision_ids(ws.use_case.name, track, p, map(itemgetter(1), of))]


def _unfit(ws: Workspace, frame: pd.DataFrame, track: str, as_of: datetime | None) -> NDArray[Any]:
    """Why the model doesn't decide a row, or None: misleading features, or live, a moment that has passed."""
    import numpy as np

    reasons = np.array([w if isinstance(w, str) else None for w in frame["suspect"]], object)
    if track == "live" and as_of is not None:
        late = (frame["decided_at"] < as_of - timedelta(minutes=ws.use_case.automation.late_after_minutes)).to_numpy()
        reasons[late] = LATE_REASON
    return reasons


def _over(ws: Workspace, frame: pd.DataFrame) -> NDArray[Any]:
    """Why the use case is over at each row's moment, stopped at its gate or retired; None: it isn't."""
    import numpy as np

    ended = ws.stage_ledger.endings()
    at = np.searchsorted(np.array([m for m, _ in ended], "datetime64[us]"), frame["decided_at"].to_numpy(), "right")
    return np.array([None, *(f"{why}: the current process decides" if why else None for _, why in ended)], object)[at]


def _decided(
    ws: Workspace,
    frame: pd.DataFrame,
    track: str,
    features: dict[str, Entry],
    as_of: datetime | None,
    taken: pd.DataFrame,
) -> pa.Table:
    """The decisions of units in `frame`; those `taken` before count to the actions' limits."""
    import numpy as np
    import pyarrow as pa

    policy, champions = Policy.from_use_case(ws.use_case), ws.champion_ledger.promotions(track)
    begins = [np.datetime64(c.effective_from) for c in champions]
    # rows in order of effect: the last that has begun by a unit's moment is in force for it
    in_force = np.searchsorted(np.array(begins, "datetime64[us]"), frame["decided_at"].to_numpy(), side="right") - 1
    columns: dict[str, Any] = {
        "action": frame["current_action"].to_numpy(object),
        "expected": np.full(len(frame), np.nan),
        "decided_by": np.full(len(frame), "current_process", object),
        "reason": np.full(len(frame), "no champion in force", object),
        "champion_version": np.full(len(frame), None, object),
        "policy": POLICY_VERSION,
    }
    if track == "live":
        over = _over(ws, frame)
        ended = np.array([w is not None for w in over], bool)
        in_force[ended], columns["reason"][ended] = -1, over[ended]
    why = _unfit(ws, frame, track, as_of)
    unfit = np.array([w is not None for w in why], bool)
    keeps = (
        assignment.HeldOutUnits.among(ws, frame, in_force >= 0)
        if assignment.has_assignment(ws.use_case, track)
        else None
    )
    held = keeps.held if keeps else np.zeros(len(frame), bool)
    spent = _spent(taken, frame[unfit | held | (in_force < 0)]) if ws.use_case.kpi.has_limits else None
    numbers = np.unique(in_force[in_force >= 0]).tolist()
    of = {n: [(in_force == n) & ~unfit & (held == h) for h in (False, True)] for n in numbers}

    def scored(number: int) -> list[NDArray[np.float64] | None]:
        if not any(its.any() for its in of[number]):
            return [None, None]
        model = ws.models.load(champions[number].version)
        return [model.score(frame[its]) if its.any() else None for its in of[number]]

    for number, scores in zip(numbers, run_in_parallel(scored, numbers), strict=True):
        mine = in_force == number
        columns["champion_version"][mine] = champions[number].version
        for its, score, counted in zip(of[number], scores, (spent, None), strict=True):
            if score is not None:
                answers = policy.choose_actions(frame[its], score, counted)
                columns["expected"][its] = answers.expected
                columns["action"][its], columns["reason"][its] = answers.action, answers.reason
                columns["decided_by"][its] = np.where(answers.left, "review", "model")
        columns["decided_by"][mine & unfit] = "fallback"
        columns["reason"][mine & unfit] = why[mine & unfit]
    if keeps:
        keeps.hold_back(frame, columns)
    partitions = frame["_partition"]
    result = frame[["_partition", "decision_id", *ws.use_case.decision.key, "decided_at", "current_action"]].assign(
        use_case=ws.use_case.name,
        track=track,
        **columns,
        data_version=partitions.map({p: e.version for p, e in features.items()}),
        verdict_id=partitions.map({p: e.facts["verdict_id"] for p, e in features.items()}),
        code_version=ws.code_version,
    )
    result = result.sort_values(["_partition", "decided_at", "decision_id"], ignore_index=True)
    columns_ = pa.schema([("_partition", pa.string()), *decision_schema(ws)])
    return pa.Table.from_pandas(result[columns_.names], schema=columns_, preserve_index=False)


def _spent(taken: pd.DataFrame, settled: pd.DataFrame) -> ActionCounts:
    """How often each action is taken at a moment already: by decisions taken, and where the current process decides."""
    found: dict[tuple[str, Any], Counter[str]] = {}
    for rows, column in ((taken, "action"), (settled, "current_action")):
        for moment, action in zip(decision_groups(rows), rows[column], strict=True):
            found.setdefault(moment, Counter())[action] += 1
    return found


def decision_schema(ws: Workspace) -> pa.Schema:
    """Columns of a decisions partition; the key's types are those of its contract."""
    import pyarrow as pa

    columns, text = ws.use_case.unit_columns, pa.string()
    kinds = {"INTEGER": pa.int32(), "BIGINT": pa.int64(), "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us")}
    fields = [("decision_id", text), ("use_case", text), ("track", text)]
    fields += [(c, kinds.get(columns[c].upper(), text)) for c in ws.use_case.decision.key]
    fields += [
        ("decided_at", pa.timestamp("us")),
        ("action", text),
        ("current_action", text),
        ("expected", pa.float64()),
    ]
    fields += [
        (c, text)
        for c in ("decided_by", "reason", "champion_version", "data_version", "verdict_id", "policy", "code_version")
    ]
    return pa.schema(fields)


def _write(
    ws: Workspace, track: str, partition: str, new: pa.Table, before: Entry | None, features: Entry
) -> TakenDecisions:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = new
    if before is not None:
        table = pa.concat_tables([pq.read_table(ws.lake.local_file(before)), new])
        table = table.sort_by([("decided_at", "ascending"), ("decision_id", "ascending")])
    by = table["decided_by"].to_pylist()
    facts = {kind: by.count(kind) for kind in ("model", "current_process", "fallback")}
    facts |= {kind: by.count(kind) for kind in ("review", *assignment.HELD_OUT) if kind in by}
    inputs = {"features": {partition: features.version}}  # the latest; each row names the one it was taken on
    entry = ws.lake.write(decisions_dataset(track), partition, table, inputs=inputs, code=ws.code_version, facts=facts)
    return TakenDecisions.of(entry, new.num_rows)


def read_decisions(ws: Workspace, partition: str, track: str) -> list[dict[str, Any]]:
    """A partition's decisions, in order of their moment; empty when none were taken."""
    entries = ws.lake.entries(decisions_dataset(track), [partition])
    if not entries:
        return []
    with connect(ws.use_case.timezone) as db:
        found = db.sql(
            f"select * exclude _partition from {ws.lake.select_rows(entries.values())} order by decided_at, decision_id"
        )
        return list(found.to_arrow_table().to_pylist())
