"""Taking decisions: each unit once, when its moment has come, by the champion in force at that moment.

A decision row: `decision_id`, `use_case`, `track`, the unit's key, `decided_at` (UTC), `action`, `present_action`,
`expected` (the expected outcome, null without a model), `decided_by` (model, present_process or fallback),
`reason`, `champion_version`, `data_version` (of the features), `verdict_id`, `policy` and `code_version`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sixtyforty.lake import Entry, connect, split
from sixtyforty.policy import POLICY, choose, decision_ids
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Taken:
    """What happened to one partition: `entry` holds all its decisions, `new` of them were taken now."""

    entry: Entry
    new: int
    by_model: int
    fallback: int

    @classmethod
    def of(cls, entry: Entry, new: int) -> Taken:
        """From a decisions partition's manifest."""
        return cls(entry, new, entry.facts["model"], entry.facts["fallback"] + entry.facts["present_process"])


def dataset(track: str) -> str:
    """Where a track's decisions lie in the lake."""
    return f"decisions/{track}"


def decide(ws: Workspace, partitions: Sequence[str], track: str, as_of: datetime | None) -> dict[str, Taken]:
    """Takes the decisions of these partitions (a chunk) that have come due by `as_of` (UTC; None: all of them).

    Decisions already taken stay as they are. Partitions without features, or with none due, are absent.
    """
    features = ws.lake.entries("features", partitions)
    if not features:
        return {}
    before = ws.lake.entries(dataset(track), partitions)
    due = f"where decided_at <= timestamp '{as_of}'" if as_of else ""
    with connect(ws.use_case.timezone) as db:
        frame = db.execute(f"select * from {ws.lake.rows(features.values())} {due}").df()
        taken_ids = (
            {r[0] for r in db.execute(f"select decision_id from {ws.lake.rows(before.values())}").fetchall()}
            if before
            else set()
        )
    frame["decision_id"] = _ids(ws, track, frame)
    frame = frame[~frame["decision_id"].isin(taken_ids)].reset_index(drop=True)
    new = split(_decided(ws, frame, track, features), "_partition", list(features)) if len(frame) else {}
    result = {p: Taken.of(e, 0) for p, e in before.items() if p not in new}
    for partition, rows in new.items():
        result[partition] = _write(ws, track, partition, rows, before.get(partition), features[partition])
    return result


def _ids(ws: Workspace, track: str, frame: pd.DataFrame) -> list[str]:
    keys = zip(*(frame[c].tolist() for c in ws.use_case.decision.key), strict=True)
    parts = frame["_partition"].tolist()
    return [decision_ids(ws.use_case.name, track, p, [k])[0] for p, k in zip(parts, keys, strict=True)]


def _decided(ws: Workspace, frame: pd.DataFrame, track: str, features: dict[str, Entry]) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    kpi, champions = ws.use_case.kpi, ws.ledger.champions(track)
    begins = [np.datetime64(c.effective_from) for c in champions]
    # rows in order of effect: the last that has begun by a unit's moment is in force for it
    in_force = np.searchsorted(np.array(begins, "datetime64[us]"), frame["decided_at"].to_numpy(), side="right") - 1
    columns: dict[str, Any] = {
        "action": frame["present_action"].to_numpy(object),
        "expected": np.full(len(frame), np.nan),
        "decided_by": np.full(len(frame), "present_process", object),
        "reason": np.full(len(frame), "no champion in force", object),
        "champion_version": np.full(len(frame), None, object),
    }
    suspect = frame["suspect"].notna().to_numpy()
    for number in np.unique(in_force[in_force >= 0]):
        mine = in_force == number
        version = champions[number].version
        columns["champion_version"][mine] = version
        sound = mine & ~suspect
        if sound.any():
            score = ws.models.load(version).score(frame[sound])
            columns["expected"][sound] = score
            columns["action"][sound] = choose(kpi, score)
        columns["decided_by"][sound], columns["reason"][sound] = "model", "highest expected payoff"
        columns["decided_by"][mine & suspect] = "fallback"
        columns["reason"][mine & suspect] = frame["suspect"][mine & suspect].to_numpy(object)
    partitions = frame["_partition"]
    result = frame[["_partition", "decision_id", *ws.use_case.decision.key, "decided_at", "present_action"]].assign(
        use_case=ws.use_case.name,
        track=track,
        **columns,
        data_version=partitions.map({p: e.version for p, e in features.items()}),
        verdict_id=partitions.map({p: e.facts["verdict_id"] for p, e in features.items()}),
        policy=POLICY,
        code_version=ws.code,
    )
    result = result.sort_values(["_partition", "decided_at", "decision_id"], ignore_index=True)
    columns_ = pa.schema([("_partition", pa.string()), *schema(ws)])
    return pa.Table.from_pandas(result[columns_.names], schema=columns_, preserve_index=False)


def schema(ws: Workspace) -> pa.Schema:
    """Columns of a decisions partition; the key's types are those of the unit source's contract."""
    import pyarrow as pa

    unit, text = ws.use_case.sources[ws.use_case.decision.unit], pa.string()
    kinds = {"INTEGER": pa.int32(), "BIGINT": pa.int64(), "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us")}
    fields = [("decision_id", text), ("use_case", text), ("track", text)]
    fields += [(c, kinds.get(unit.columns[c].upper(), text)) for c in ws.use_case.decision.key]
    fields += [
        ("decided_at", pa.timestamp("us")),
        ("action", text),
        ("present_action", text),
        ("expected", pa.float64()),
    ]
    fields += [(c, text) for c in ("decided_by", "reason", "champion_version", "data_version", "verdict_id", "policy",
                                   "code_version")]  # fmt: skip
    return pa.schema(fields)


def _write(ws: Workspace, track: str, partition: str, new: pa.Table, before: Entry | None, features: Entry) -> Taken:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = new
    if before is not None:
        table = pa.concat_tables([pq.read_table(ws.lake.path(before)), new])
        table = table.sort_by([("decided_at", "ascending"), ("decision_id", "ascending")])
    by = table["decided_by"].to_pylist()
    facts = {kind: by.count(kind) for kind in ("model", "present_process", "fallback")}
    inputs = {"features": {partition: features.version}}  # the latest; each row names the one it was taken on
    entry = ws.lake.write(dataset(track), partition, table, inputs=inputs, code=ws.code, facts=facts)
    return Taken.of(entry, new.num_rows)


def decisions_of(ws: Workspace, partition: str, track: str) -> list[dict[str, Any]]:
    """A partition's decisions, in order of their moment; empty when none were taken."""
    entries = ws.lake.entries(dataset(track), [partition])
    if not entries:
        return []
    with connect(ws.use_case.timezone) as db:
        found = db.sql(
            f"select * exclude _partition from {ws.lake.rows(entries.values())} order by decided_at, decision_id"
        )
        return list(found.to_arrow_table().to_pylist())
