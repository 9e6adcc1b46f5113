"""What people did with a partition's decisions, accounted for, and again when a response or an outcome comes late.

People are told apart by a pseudonym; no name, and no reason, gets in here. Where the action may have changed the
outcome, who was right isn't known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sixtyforty.accounting import experiment_ledger
from sixtyforty.decisions import candidates
from sixtyforty.decisions.deciding import dataset as decisions_of
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.lake import Entry, versions
from sixtyforty.storage.response_log import ANSWERS
from sixtyforty.value.payoff_sql import paid_sql
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

COUNTS = ("decisions", "seen", "accepted", "overridden", "known", "right", "responses", "simulated", "unmatched")
WHO = ("accepted", "overridden", "known", "right", "gain")


def dataset(track: str) -> str:
    """Where a track's acceptance lies in the lake."""
    return f"acceptance/{track}"


def account(ws: Workspace, partitions: Sequence[str], track: str) -> dict[str, Entry]:
    """Accounts for the partitions (a chunk) that have decisions and responses; the others are absent.

    Facts: COUNTS (known: overrides whose outcome is known; unmatched: responses to no decision) and their `gain`, what
    was done less what was decided, in the KPI's unit; `roles`, each with WHO; and by ISO week of the response, on the
    use case's clock: `active` (pseudonyms of the deciders who answered), `weeks` (accepted, overridden) and `ratings`
    (stars, how many).
    """
    import pyarrow as pa

    source = ws.use_case.people.responses
    said = ws.lake.entries(f"validated/{source}", partitions) if source else {}
    decided = ws.lake.entries(decisions_of(track), list(said))
    if not decided:
        return {}
    outcomes = {} if experiment_ledger.randomized(ws.use_case, track) else ws.lake.entries("outcomes", list(decided))
    with connect(ws.use_case.timezone) as db:
        _responses(db, ws, track, {p: said[p] for p in decided}, decided, outcomes)
        facts = _counted(db, {p: e.rows for p, e in decided.items()})
    found = {}
    for p, one in facts.items():
        row = pa.Table.from_pylist([{c: one[c] for c in (*COUNTS, "gain")}])
        found[p] = ws.lake.write(dataset(track), p, row, inputs=inputs(ws, track, p), code=ws.code, facts=one)
    return found


def inputs(ws: Workspace, track: str, partition: str) -> dict[str, dict[str, str]]:
    """What a partition is accounted for with, as it is now: dataset to {partition: version}."""
    wanted = (f"validated/{ws.use_case.people.responses}", decisions_of(track), "outcomes")
    entries = {d: ws.lake.entry(d, partition) for d in wanted}
    return {d: versions({partition: e}) for d, e in entries.items() if e}


def _responses(
    db: duckdb.DuckDBPyConnection,
    ws: Workspace,
    track: str,
    said: Mapping[str, Entry],
    decided: Mapping[str, Entry],
    outcomes: Mapping[str, Entry],
) -> None:
    """Makes the table `said`: a row a response of the track, with what was decided (null: nothing was) and its gain.

    The gain is of an override whose outcome is known, else null.
    """
    kpi, key = ws.use_case.kpi, ", ".join(f'"{c}"' for c in ws.use_case.decision.key)
    known, gain = "", "null::double"
    if outcomes:
        dealt = "".join(f', "{c}"' for c in kpi.became[1:])
        known = f"""left join (select _partition, {key}, "{kpi.outcome}" as became{dealt}
            from {ws.lake.rows(outcomes.values())}) using (_partition, {key})"""
        if kpi.priced:
            known += f" left join {candidates.answers(ws, db, decided, [], kpi.priced)} using (_partition, {key})"
        gain = f"{paid_sql(kpi, 'r.action', 'became')} - {paid_sql(kpi, 'd.action', 'became')}"
    db.execute(
        f"""create temp table said as
        select r._partition, r.decision_id, r.response_id, r.role, r.event, r.rating, r.simulated,
            strftime(local(r."at"), '%G-W%V') as week, d.action as decided,
            left(sha256('{ws.use_case.name}|' || r.person), 16) as who,
            case when r.event = 'overridden' then {gain} end as gain
        from {ws.lake.rows(said.values())} r
        left join (select _partition, decision_id, action, {key} from {ws.lake.rows(decided.values())}) d
            using (_partition, decision_id)
        {known}
        where starts_with(r.decision_id, '{track}-')"""
    )


def _counted(db: duckdb.DuckDBPyConnection, decisions: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    answers = """count(*) filter (event = 'accepted'), count(*) filter (event = 'overridden'), count(gain),
        count(*) filter (gain > 0), coalesce(sum(gain order by response_id), 0)"""
    found: dict[str, dict[str, Any]] = {
        p: dict.fromkeys(COUNTS, 0)
        | {"gain": 0.0, "active": {}, "weeks": {}, "ratings": {}, "roles": {}}
        | {"decisions": count}
        for p, count in decisions.items()
    }
    for p, responses, simulated, unmatched, seen, *told in db.execute(
        f"""select _partition, count(*), count(*) filter (simulated), count(*) filter (decided is null),
            count(distinct decision_id) filter (decided is not null), {answers} from said group by 1"""
    ).fetchall():
        found[p] |= {"responses": responses, "simulated": simulated, "unmatched": unmatched, "seen": seen}
        found[p] |= dict(zip(WHO, told, strict=True))
    for p, role, *told in db.execute(
        f"""select _partition, role, {answers} from said where event in {ANSWERS} and decided is not null
        group by 1, 2 order by 2"""
    ).fetchall():
        found[p]["roles"][role] = dict(zip(WHO, told, strict=True))
    for p, week, accepted, overridden, stars, ratings, people in db.execute(
        f"""select _partition, week, count(*) filter (event = 'accepted'), count(*) filter (event = 'overridden'),
            sum(rating)::bigint, count(rating),
            list_sort(list(distinct who) filter (role = 'decider' and event in {ANSWERS}))
        from said where event <> 'seen' and decided is not null group by 1, 2 order by 2"""
    ).fetchall():
        if accepted or overridden:
            found[p]["active"][week], found[p]["weeks"][week] = people or [], [accepted, overridden]
        if ratings:
            found[p]["ratings"][week] = [stars, ratings]
    return found
