"""The KPI ledger: one row of money a partition and track, from decisions and the outcomes known of them."""

from __future__ import annotations

from collections.abc import Sequence

from sixtyforty.decisions import dataset
from sixtyforty.impact import Day, day
from sixtyforty.lake import Entry, connect, versions
from sixtyforty.workspace import Workspace


def account(ws: Workspace, partitions: Sequence[str], track: str) -> dict[str, Entry]:
    """Accounts for these partitions (a chunk): decisions whose outcome isn't known yet are left out and counted."""
    import pyarrow as pa

    decisions = ws.lake.entries(dataset(track), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    key = ", ".join(f'"{c}"' for c in ws.use_case.decision.key)
    both = {p: decisions[p] for p in outcomes}
    if not both:
        return {}
    with connect(ws.use_case.timezone) as db:
        frame = db.execute(
            f"""select _partition, action, present_action, decided_by, o."{ws.use_case.kpi.outcome}" as outcome
            from {ws.lake.rows(both.values())} d join {ws.lake.rows(outcomes.values())} o using (_partition, {key})
            order by _partition, decision_id"""
        ).df()
    found = {}
    for partition, rows in frame.groupby("_partition", sort=True):
        known = rows[rows["outcome"].notna()]
        one = day(
            ws.use_case.kpi,
            str(partition),
            known["action"].tolist(),
            known["present_action"].tolist(),
            known["outcome"].to_numpy(float),
            int((known["decided_by"] != "model").sum()),
        )
        inputs = {dataset(track): versions({str(partition): both[str(partition)]}),
                  "outcomes": versions({str(partition): outcomes[str(partition)]})}  # fmt: skip
        facts = one.__dict__ | {"unknown": len(rows) - len(known)}
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
