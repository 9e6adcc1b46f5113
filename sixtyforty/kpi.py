"""The KPI ledger: one row of money a partition and track, from decisions and the outcomes known of them."""

from __future__ import annotations

from collections.abc import Sequence

from sixtyforty import segments
from sixtyforty.decisions import dataset
from sixtyforty.impact import Day, day
from sixtyforty.lake import Entry, connect, versions
from sixtyforty.segments import Segment
from sixtyforty.workspace import Workspace


def account(ws: Workspace, partitions: Sequence[str], track: str) -> dict[str, Entry]:
    """Accounts for these partitions (a chunk): decisions whose outcome isn't known yet are left out and counted."""
    import pyarrow as pa

    decisions = ws.lake.entries(dataset(track), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    key = ", ".join(f'"{c}"' for c in ws.use_case.decision.key)
    both, kpi = {p: decisions[p] for p in outcomes}, ws.use_case.kpi
    if not both:
        return {}
    beyond = [c for c in kpi.segments if c not in ws.use_case.decision.key]
    also = "".join(f', "{c}"' for c in kpi.segments)
    said = ""
    if beyond:
        features = ws.lake.rows(ws.lake.entries("features", list(both)).values())
        columns = "".join(f', "{c}"' for c in beyond)
        said = f"left join (select _partition, {key}{columns} from {features}) using (_partition, {key})"
    with connect(ws.use_case.timezone) as db:
        frame = db.execute(
            f"""select _partition, d.action, d.present_action, d.decided_by, o."{kpi.outcome}" as outcome{also}
            from {ws.lake.rows(both.values())} d join {ws.lake.rows(outcomes.values())} o using (_partition, {key})
            {said} order by _partition, d.decision_id"""
        ).df()
    apart = segments.money(kpi, frame[frame["outcome"].notna()])
    found = {}
    for partition, rows in frame.groupby("_partition", sort=True):
        known = rows[rows["outcome"].notna()]
        one = day(
            kpi,
            str(partition),
            known["action"].tolist(),
            known["present_action"].tolist(),
            known["outcome"].to_numpy(float),
            int((known["decided_by"] != "model").sum()),
        )
        inputs = {dataset(track): versions({str(partition): both[str(partition)]}),
                  "outcomes": versions({str(partition): outcomes[str(partition)]})}  # fmt: skip
        facts = one.__dict__ | {"unknown": len(rows) - len(known), "segments": apart.get(str(partition), {})}
        found[str(partition)] = ws.lake.write(
            f"kpi/{track}",
            str(partition),
            pa.Table.from_pylist([one.__dict__]),
            inputs=inputs,
            code=ws.code,
            facts=facts,
        )
    return found


def days(ws: Workspace, track: str) -> list[Day]:
    """Every day of which some outcome is known, in order: one that is still decided on has no money yet."""
    found = (_day(e) for e in ws.lake.entries(f"kpi/{track}").values())
    return [day for day in found if day.decisions]


def by_segment(ws: Workspace, track: str) -> list[Segment]:
    """Every segment over all days."""
    return segments.over([e.facts.get("segments", {}) for e in ws.lake.entries(f"kpi/{track}").values()])


def _day(entry: Entry) -> Day:
    return Day(**{k: v for k, v in entry.facts.items() if k in Day.__dataclass_fields__})


def audit(ws: Workspace, track: str, partitions: Sequence[str]) -> list[str]:
    """Invariants 7 and 8: each day's money again, by SQL over decisions and outcomes; one line a difference."""
    kpi, key = ws.use_case.kpi, ", ".join(f'"{c}"' for c in ws.use_case.decision.key)
    accounts = ws.lake.entries(f"kpi/{track}", partitions)
    decisions = ws.lake.entries(dataset(track), list(accounts))
    outcomes = ws.lake.entries("outcomes", list(accounts))
    if not accounts:
        return []
    with connect(ws.use_case.timezone) as db:
        db.execute("create temp table pays (action varchar, gain double, cost double)")
        db.executemany("insert into pays values (?, ?, ?)", [(a, x.gain, x.cost) for a, x in kpi.actions.items()])
        sums = {
            p: (m, r)
            for p, m, r in db.execute(
                f"""select d._partition, sum(m.gain * o."{kpi.outcome}" - m.cost),
                    sum(r.gain * o."{kpi.outcome}" - r.cost)
                from {ws.lake.rows(decisions.values())} d
                join {ws.lake.rows(outcomes.values())} o using (_partition, {key})
                join pays m on m.action = d.action join pays r on r.action = d.present_action
                where o."{kpi.outcome}" is not null group by 1"""
            ).fetchall()
        }
    found = []
    for partition, entry in accounts.items():
        one, (model, present) = _day(entry), sums.get(partition, (0.0, 0.0))
        if abs(one.model - model) > 0.005 or abs(one.present_process - present) > 0.005:
            found.append(
                f"{partition}: {one.model:.2f} and {one.present_process:.2f}, by SQL {model:.2f}, {present:.2f}"
            )
    return found
