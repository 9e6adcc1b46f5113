"""The KPI ledger: one row of money a partition and track, from decisions and the outcomes known of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from sixtyforty.accounting import experiment_ledger
from sixtyforty.decisions import candidates
from sixtyforty.decisions.deciding import dataset
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.lake import Entry, canonical, versions
from sixtyforty.storage.manifest_index import Gathered
from sixtyforty.value import experiment, lift, segments
from sixtyforty.value.lift import CANDIDATE, POLICIES, Day, day
from sixtyforty.value.payoff_sql import paid_sql
from sixtyforty.value.segments import Segment
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

FIGURES = [f for f in Day.__dataclass_fields__ if f not in ("partition", "candidates")]
ASSUMED = (
    "The action may change the outcome. What it brings is assumed, as declared: that isn't known, and no impact is"
    " claimed. The holdout tells, once it is live."
)


def account(ws: Workspace, partitions: Sequence[str], track: str) -> dict[str, Entry]:
    """Accounts for these partitions (a chunk): decisions whose outcome isn't known yet are left out and counted.

    Raises CandidateError, with nothing written, where a candidate's SQL doesn't give an action for each of them.
    """
    import pyarrow as pa

    if experiment_ledger.randomized(ws.use_case, track):
        return experiment_ledger.account(ws, partitions)
    decisions = ws.lake.entries(dataset(track), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    key = ", ".join(f'"{c}"' for c in ws.use_case.decision.key)
    both, kpi = {p: decisions[p] for p in outcomes}, ws.use_case.kpi
    if not both:
        return {}
    beyond = [*(c for c in kpi.segments if c not in ws.use_case.decision.key), *kpi.priced]
    also = "".join(f', "{c}"' for c in (*kpi.segments, *kpi.priced, *kpi.became[1:]))
    also += "".join(f', "{CANDIDATE}{n}"' for n in kpi.candidates) + (", known" if kpi.candidates else "")
    said = ""
    with connect(ws.use_case.timezone) as db:
        if beyond or kpi.candidates:
            knew = candidates.answers(ws, db, both, list(kpi.candidates), beyond)
            said = f"left join {knew} using (_partition, {key})"
        frame = db.execute(
            f"""select _partition, d.decided_at, d.action, d.current_action, d.decided_by,
                {_known(kpi)} as outcome{also}
            from {ws.lake.rows(both.values())} d join {ws.lake.rows(outcomes.values())} o using (_partition, {key})
            {said} order by _partition, d.decided_at, {key}"""
        ).df()
    frame = frame.assign(**{CANDIDATE + n: candidates.proposed(ws.use_case, frame, n) for n in kpi.candidates})
    apart = segments.money(kpi, frame[frame["outcome"].notna()])
    tables, inputs, facts = {}, {}, {}
    for partition, rows in frame.groupby("_partition", sort=True):
        known = rows[rows["outcome"].notna()]
        p, taken = str(partition), {n: known[CANDIDATE + n].tolist() for n in kpi.candidates}
        one = day(kpi, p, known, known["outcome"].to_numpy(float), taken)
        tables[p] = pa.Table.from_pylist([_row(one)])
        inputs[p] = {dataset(track): versions({p: both[p]}), "outcomes": versions({p: outcomes[p]})}
        facts[p] = one.__dict__ | {"unknown": len(rows) - len(known), "segments": apart.get(p, {})}
    with _accounts(ws, track).following() as made:
        made |= ws.lake.write_all(f"kpi/{track}", tables, inputs=inputs, code=ws.code, facts=facts)
    return made


def _known(kpi: Kpi) -> str:
    """SQL of the outcome, where all is known that money needs: what the unit got, too, and what its action pays."""
    needed = [*(f'o."{c}"' for c in kpi.became[1:]), *(f'"{c}"' for c in kpi.priced)]
    whole = " and ".join(f"{c} is not null" for c in needed) or "true"
    return f"""case when {whole} then o."{kpi.outcome}" end"""


def label(case: UseCase, track: str) -> Literal["exact", "assumed", "randomized"]:
    """How sure a track's money is; randomized by a holdout is assumed all the same until both arms have outcomes."""
    if case.kpi.label == "exact":
        return "exact"
    return "randomized" if case.kpi.treatment or experiment_ledger.randomized(case, track) else "assumed"


def days(ws: Workspace, track: str, until: str | None = None) -> list[Day]:
    """Every day of which some outcome is known, in order, up to a partition if one is given.

    One that is still decided on has no money yet.
    """
    if experiment_ledger.randomized(ws.use_case, track):
        return experiment_ledger.days(
            ws, [p for p in ws.lake.partitions(experiment_ledger.ACCOUNT) if until is None or p <= until]
        )
    rows = _accounts(ws, track).table()
    columns = [rows["_partition"].to_pylist(), *(rows[c].to_pylist() for c in FIGURES)]
    columns.append(json.loads(f"[{','.join(rows['candidates'].to_pylist())}]"))
    found = (Day(*said) for said in zip(*columns, strict=True))
    return [day for day in found if day.decisions and (until is None or day.partition <= until)]


def _accounts(ws: Workspace, track: str) -> Gathered:
    """Each day's account, in order; not that of arms dealt at random."""
    import pyarrow as pa

    one = {"column": pa.string(), "name": pa.string(), "decisions": pa.int64(), "gain": pa.float64()}
    figures = {name: pa.float64() if name in POLICIES else pa.int64() for name in FIGURES}
    schema = pa.schema({**figures, "candidates": pa.string(), "segments": pa.list_(pa.struct(one))})

    def row(entry: Entry) -> dict[str, Any]:
        said = entry.facts
        parts = [
            dict(zip(one, (column, name, n, model - present), strict=True))
            for column, segments in said.get("segments", {}).items()
            for name, (n, model, present) in segments.items()
        ]
        candidates_ = canonical(said.get("candidates", {}))
        return {name: said[name] for name in FIGURES} | {"candidates": candidates_, "segments": parts}

    return Gathered(ws.lake, f"kpi/{track}", ws.cache, schema, row)


def summary(ws: Workspace, track: str, until: str | None = None, known: Sequence[Day] | None = None) -> dict[str, Any]:
    """The KPI over those days (impact.summary). Of arms dealt at random, the lift is theirs, safe at any look.

    known: the days, where they are at hand.

    `holdout` is what that rests on (null before units of both arms have an outcome). `told`: what can be said where
    the figure isn't exact.
    """
    case = ws.use_case
    known = days(ws, track, until) if known is None else known
    found = lift.summary(case.kpi, known, case.days_apart) | {"label": label(case, track)}
    if experiment_ledger.randomized(case, track):
        shown, target = experiment_ledger.measured(ws, [d.partition for d in known]), case.kpi.target / 1000
        found |= {"label": found["label"] if shown else "assumed", "holdout": shown.plain(target) if shown else None}
        found["lift_vs_current"] = found["holdout"]["lift"] if shown else found["lift_vs_current"]
        found["told"] = experiment.told(shown, case.kpi.unit, case.kpi.noun, case.kpi.target)
    elif found["label"] == "assumed":
        found["told"] = ASSUMED
    return found


def by_segment(ws: Workspace, track: str) -> list[Segment]:
    """Every segment over all days."""
    import numpy as np

    if experiment_ledger.randomized(ws.use_case, track):
        return []
    parts = _accounts(ws, track).table()["segments"].combine_chunks().flatten()
    if not len(parts):
        return []
    (column, columns), (name, names) = (_coded(parts.field(c)) for c in ("column", "name"))
    code = column * len(names) + name
    small = code.astype(np.min_scalar_type(int(code.max())))  # which sorts in a fraction of the time
    order = np.argsort(small, kind="stable")  # of each segment its days, in their order
    codes, starts = np.unique(code[order], return_index=True)
    sums = [np.split(parts.field(c).to_numpy()[order], starts[1:]) for c in ("decisions", "gain")]
    found = {
        (columns[one // len(names)], names[one % len(names)]): (counts, gains)
        for one, counts, gains in zip(codes.tolist(), *sums, strict=True)
    }
    return segments.told(found)


def _coded(texts: pa.StringArray) -> tuple[NDArray[np.int64], list[str]]:
    """Texts as numbers, and what these mean."""
    found = texts.dictionary_encode()
    return found.indices.to_numpy().astype("int64"), found.dictionary.to_pylist()


def _row(one: Day) -> dict[str, Any]:
    return {k: v for k, v in one.__dict__.items() if k != "candidates"} | {
        CANDIDATE + n: v for n, v in one.candidates.items()
    }


def _day(entry: Entry) -> Day:
    return Day(**{k: v for k, v in entry.facts.items() if k in Day.__dataclass_fields__})


def audit(ws: Workspace, track: str, partitions: Sequence[str]) -> list[str]:
    """Invariants 7 and 8: each day's money again, by SQL over decisions and outcomes; one line a difference."""
    if experiment_ledger.randomized(ws.use_case, track):
        return experiment_ledger.audit(ws, partitions)
    kpi, key = ws.use_case.kpi, ", ".join(f'"{c}"' for c in ws.use_case.decision.key)
    accounts = ws.lake.entries(f"kpi/{track}", partitions)
    decisions = ws.lake.entries(dataset(track), list(accounts))
    outcomes = ws.lake.entries("outcomes", list(accounts))
    if not accounts:
        return []
    # what a candidate expects is ranked under a limit: that is as it was accounted for, no second way tells it
    others = [n for n, c in kpi.candidates.items() if not (kpi.limited and c.expected)]
    with connect(ws.use_case.timezone) as db:
        taken = "".join(f", {candidates.action_sql(ws.use_case, n)} as a{i}" for i, n in enumerate(others))
        priced = "".join(f', "{c}"' for c in (*kpi.priced, *kpi.became[1:]))
        knew = candidates.answers(ws, db, accounts, others, kpi.priced) if others or kpi.priced else ""
        who = ["action", "current_action", *(f"a{i}" for i in range(len(others)))]
        sums = {
            p: paid
            for p, *paid in db.execute(
                f"""with rows as (select _partition, d.action, d.current_action, {_known(kpi)} as outcome{priced}{taken}
                    from {ws.lake.rows(decisions.values())} d
                    join {ws.lake.rows(outcomes.values())} o using (_partition, {key})
                    {f"left join {knew} using (_partition, {key})" if knew else ""})
                select _partition{"".join(f", sum({paid_sql(kpi, a, 'outcome')})" for a in who)}
                from rows where outcome is not null group by 1"""
            ).fetchall()
        }
    found = []
    for partition, entry in accounts.items():
        one = _day(entry)
        mine = [one.model, one.current_process, *(one.candidates.get(n) for n in others)]
        again = sums.get(partition, [0.0] * len(mine))
        # a candidate declared since the day was accounted for isn't in its account yet
        if any(x is not None and (y is None or abs(x - y) > 0.005) for x, y in zip(mine, again, strict=True)):
            said = ", ".join("-" if x is None else f"{x:.2f}" for x in mine)
            found.append(f"{partition}: {said}; by SQL {', '.join('-' if y is None else f'{y:.2f}' for y in again)}")
    return found
