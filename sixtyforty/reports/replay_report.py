"""Walking through the past as it looked then: what had been seen, what was decided on it, and what happened.

What had been seen is what the decisions' data could draw on; of it counts what was known by each one's own moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sixtyforty.decisions.deciding import dataset
from sixtyforty.decisions.provenance import as_it_was
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.workspace import Workspace


def walk(ws: Workspace, partitions: Sequence[str], track: str) -> Iterator[dict[str, Any]]:
    """A partition after the other: `seen` (what its decisions rested on), `decided` and `happened`.

    seen: of each source the partitions and rows as they were then, up to which one, and how many were refused or gone;
    `restated`, where what it rested on is different by now. decided: how often each action, by whom, the models in
    force. happened: outcomes known by now, and the money; None before any is known.
    """
    for partition in partitions:
        entry = ws.lake.entry(dataset(track), partition)
        if entry is None:
            yield {"partition": partition, "seen": None, "decided": None, "happened": None}
            continue
        with connect(ws.use_case.timezone) as db:
            rows = db.execute(
                f"""select data_version, champion_version, decided_by, action::varchar, count(*),
                count(*) filter (action is distinct from current_action), min(decided_at), max(decided_at)
                from {ws.lake.rows([entry])} group by 1, 2, 3, 4 order by 1, 2, 3, 4"""
            ).fetchall()
        yield {
            "partition": partition,
            "seen": _seen(ws, partition, sorted({r[0] for r in rows})),
            "decided": _decided(ws, rows),
            "happened": _happened(ws, partition, track),
        }


def _seen(ws: Workspace, partition: str, versions: list[str]) -> dict[str, Any]:
    """Of the version decided on last: within a growing partition earlier ones were parts of it."""
    features = [e for v in versions if (e := as_it_was(ws, "features", partition, v)) is not None]
    now = ws.lake.entry("features", partition)
    sources: dict[str, Any] = {}
    for name, parts in (features[-1].inputs if features else {}).items():
        then = {p: as_it_was(ws, name, p, v) for p, v in parts.items()}
        there = {p: e for p, e in then.items() if e is not None}
        source = name.partition("/")[2]
        sources[source] = {
            "partitions": len(parts),
            "to": max(parts, default=None),
            "rows": sum(e.rows for e in there.values()),
            "set_aside": sum(e.facts["verdict"]["quarantined"] for e in there.values() if "verdict" in e.facts),
            "gone": len(parts) - len(there),
        }
    return {"sources": sources, "restated": now is None or now.version not in versions}


def _decided(ws: Workspace, rows: list[Any]) -> dict[str, Any]:
    actions: dict[str, int] = {}
    by: dict[str, int] = {}
    for _, _, who, action, count, *_ in rows:
        actions[action] = actions.get(action, 0) + count
        by[who] = by.get(who, 0) + count
    versions = sorted({r[1] for r in rows if r[1]})
    return {
        "decisions": sum(by.values()),
        "from": f"{min(r[6] for r in rows):%Y-%m-%d %H:%M}",
        "to": f"{max(r[7] for r in rows):%Y-%m-%d %H:%M}",
        "actions": actions,
        "by": by,
        "differ": sum(r[5] for r in rows),
        "models": [{"version": v, "learned_to": ws.models.card(v)["last"]} for v in versions],
    }


def _happened(ws: Workspace, partition: str, track: str) -> dict[str, Any] | None:
    account = ws.lake.entry(f"kpi/{track}", partition)
    if account is None or not account.facts.get("decisions"):
        return None
    f = account.facts
    present = float(f["present"] if "held" in f else f["current_process"])  # of arms: what those who kept it were worth
    return {
        "known": f["decisions"],
        "unknown": f["unknown"],
        "worth": round(f["model"], 2),
        "current_process": round(present, 2),
        "unit": ws.use_case.kpi.unit,
    }


def told(one: dict[str, Any]) -> str:
    """A partition in a few lines."""
    if one["decided"] is None:
        return f"{one['partition']}  nothing was decided"
    seen, d, h = one["seen"], one["decided"], one["happened"]
    lines = [
        f"{one['partition']}  decided {d['from']} to {d['to']} UTC",
        "  seen      "
        + ("; ".join(_source(n, s) for n, s in seen["sources"].items()) or "nothing that is left")
        + (" (restated since)" if seen["restated"] else ""),
        f"  decided   {', '.join(f'{a} {n:,}' for a, n in d['actions'].items())}; {d['differ']:,} otherwise than the"
        f" current process; by {', '.join(f'{who} {n:,}' for who, n in d['by'].items())}"
        + "".join(f"; {m['version']} had learned up to {m['learned_to']}" for m in d["models"]),
    ]
    if h is None:
        return "\n".join([*lines, "  happened  not known yet"])
    left = f", of {h['unknown']:,} nothing is known" if h["unknown"] else ""
    lines.append(
        f"  happened  worth {h['worth']:+,.0f} {h['unit']}, the current process {h['current_process']:+,.0f}:"
        f" {h['worth'] - h['current_process']:+,.0f} ({h['known']:,} known{left})"
    )
    return "\n".join(lines)


def _source(name: str, s: dict[str, Any]) -> str:
    aside = f", {s['set_aside']:,} set aside" if s["set_aside"] else ""
    gone = f", {s['gone']} replaced since" if s["gone"] else ""
    until = "" if s["to"] == SNAPSHOT else f" of {s['partitions']} partitions up to {s['to']}"
    return f"{name} {s['rows']:,} rows{until}{aside}{gone}"
