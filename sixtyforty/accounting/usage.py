"""Write usage accounts: what people did with the decisions of each partition, and whether their overrides gained money.

The account of a partition is written again when a response or an outcome arrives late. Accounts identify people by a
pseudonym, and contain neither names nor reasons. If the action may have changed the outcome, no account says whether an
override was right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.track import Track
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.response_log import ANSWERS
from sixtyforty.storage.sql import identifier, identifiers, literal
from sixtyforty.value import candidates
from sixtyforty.value.payoff_sql import payoff_sql
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

COUNTS = ("decisions", "seen", "accepted", "overridden", "known", "right", "responses", "simulated", "unmatched")
ANSWER_FIELDS = ("accepted", "overridden", "known", "right", "gain")
IS_ANSWER = f"event in ({', '.join(map(literal, ANSWERS))})"
ANSWER_SUMS = """count(*) filter (event = 'accepted'), count(*) filter (event = 'overridden'), count(gain),
    count(*) filter (gain > 0), coalesce(sum(gain order by response_id), 0)"""


@dataclass
class AnswerCounts:
    """The number of answers to decisions, and the gain of the overrides.

    `known` counts the overrides with a known outcome, of which `right` gained money. `gain` is the money of the
    overrides with a known outcome minus the money of the replaced decisions, in the KPI's currency.
    """

    accepted: int = 0
    overridden: int = 0
    known: int = 0
    right: int = 0
    gain: float = 0.0


@dataclass
class PartitionUsage(AnswerCounts):
    """The usage of one partition's decisions.

    `seen` counts the decisions that a person looked at. `unmatched` counts the responses whose decision doesn't exist.
    Three fields are grouped by the ISO week of the response, in the use case's time zone. `active` lists the pseudonyms
    of the deciders who answered. `weeks` contains the numbers of accepted and overridden decisions, and `ratings` the
    sum and the number of the ratings.
    """

    decisions: int = 0
    seen: int = 0
    responses: int = 0
    simulated: int = 0
    unmatched: int = 0
    roles: dict[str, AnswerCounts] = field(default_factory=dict)
    active: dict[str, list[str]] = field(default_factory=dict)
    weeks: dict[str, list[int]] = field(default_factory=dict)
    ratings: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def from_entry(cls, entry: Entry) -> PartitionUsage:
        """Read the usage of a partition's decisions from the manifest of the partition's account."""
        roles = {role: AnswerCounts(**counts) for role, counts in entry.facts["roles"].items()}
        return cls(**entry.facts | {"roles": roles})

    def to_facts(self) -> dict[str, Any]:
        """Return the usage as facts for the manifest of the partition's account."""
        return asdict(self)


def usage_dataset(track: Track) -> str:
    """Return the name of the lake dataset with a track's usage accounts."""
    return f"acceptance/{track}"


def write_accounts(ws: Workspace, partitions: Sequence[str], track: Track) -> dict[str, Entry]:
    """Write the usage accounts of some partitions. Return the manifests of the accounts, by partition.

    Partitions without decisions or without responses are left out. The facts of a manifest are those of PartitionUsage.
    """
    import pyarrow as pa

    source = ws.use_case.people.responses
    responses = ws.lake.entries(f"validated/{source}", partitions) if source else {}
    decisions = ws.lake.entries(decisions_dataset(track), list(responses))
    if not decisions:
        return {}
    outcomes = {} if ws.use_case.is_randomized(track) else ws.lake.entries("outcomes", list(decisions))
    with connect(ws.use_case.timezone) as db:
        _load_responses(db, ws, track, {p: responses[p] for p in decisions}, decisions, outcomes)
        usages = _count_responses(db, {p: entry.rows for p, entry in decisions.items()})
    accounts = {}
    for partition, usage in usages.items():
        row = {name: getattr(usage, name) for name in (*COUNTS, "gain")}
        accounts[partition] = ws.lake.write(
            usage_dataset(track),
            partition,
            pa.Table.from_pylist([row]),
            inputs=current_inputs(ws, track, partition),
            code=ws.code_version,
            facts=usage.to_facts(),
        )
    return accounts


def current_inputs(ws: Workspace, track: Track, partition: str) -> dict[str, dict[str, str]]:
    """Return the current versions of the inputs of a partition's usage account, as {dataset: {partition: version}}."""
    datasets = (f"validated/{ws.use_case.people.responses}", decisions_dataset(track), "outcomes")
    entries = {name: ws.lake.entry(name, partition) for name in datasets}
    return {name: versions_by_partition({partition: entry}) for name, entry in entries.items() if entry}


def _load_responses(
    db: duckdb.DuckDBPyConnection,
    ws: Workspace,
    track: Track,
    responses: Mapping[str, Entry],
    decisions: Mapping[str, Entry],
    outcomes: Mapping[str, Entry],
) -> None:
    """Create the table `track_responses`, with one row for each response to a decision of the track.

    `decided_action` is null if the response's decision doesn't exist. `gain` is null except for overrides with a known
    outcome.
    """
    key = identifiers(ws.use_case.decision.key)
    join, gain = _gain_sql(db, ws, decisions, outcomes) if outcomes else ("", "null::double")
    db.execute(
        f"""create temp table track_responses as
        select r._partition, r.decision_id, r.response_id, r.role, r.event, r.rating, r.simulated,
            strftime(local(r."at"), '%G-W%V') as week, d.action as decided_action,
            left(sha256({literal(ws.use_case.first_name + "|")} || r.person), 16) as pseudonym,
            case when r.event = 'overridden' then {gain} end as gain
        from {ws.lake.select_rows(responses.values())} r
        left join (select _partition, decision_id, action, {key} from {ws.lake.select_rows(decisions.values())}) d
            using (_partition, decision_id)
        {join}
        where starts_with(r.decision_id, {literal(f"{track}-")})"""
    )


def _gain_sql(
    db: duckdb.DuckDBPyConnection, ws: Workspace, decisions: Mapping[str, Entry], outcomes: Mapping[str, Entry]
) -> tuple[str, str]:
    """Return two SQL texts: joins that add outcomes and payoff columns, and an override's gain over the decision."""
    kpi, key = ws.use_case.kpi, identifiers(ws.use_case.decision.key)
    columns = "".join(f", {identifier(c)}" for c in kpi.outcome_columns[1:])
    join = f"""left join (select _partition, {key}, {identifier(kpi.outcome)} as known_outcome{columns}
        from {ws.lake.select_rows(outcomes.values())}) using (_partition, {key})"""
    if kpi.payoff_sql:
        prices = candidates.candidates_sql(ws.use_case, ws.lake, db, decisions, [], kpi.payoff_sql)
        join += f" left join {prices} using (_partition, {key})"
    done, decided = (payoff_sql(kpi, action, "known_outcome") for action in ("r.action", "d.action"))
    return join, f"{done} - {decided}"


def _count_responses(db: duckdb.DuckDBPyConnection, decisions: Mapping[str, int]) -> dict[str, PartitionUsage]:
    """Return the usage of each partition, counted from the table `track_responses`.

    decisions: the number of decisions by partition.
    """
    usages = {partition: PartitionUsage(decisions=count) for partition, count in decisions.items()}
    totals = db.execute(
        f"""select _partition, count(*), count(*) filter (simulated), count(*) filter (decided_action is null),
            count(distinct decision_id) filter (decided_action is not null), {ANSWER_SUMS}
        from track_responses group by 1"""
    ).fetchall()
    for partition, responses, simulated, unmatched, seen, *sums in totals:
        usage = usages[partition]
        usage.responses, usage.simulated, usage.unmatched, usage.seen = responses, simulated, unmatched, seen
        usage.accepted, usage.overridden, usage.known, usage.right, usage.gain = sums
    roles = db.execute(
        f"""select _partition, role, {ANSWER_SUMS} from track_responses
        where {IS_ANSWER} and decided_action is not null group by 1, 2 order by 2"""
    ).fetchall()
    for partition, role, *sums in roles:
        usages[partition].roles[role] = AnswerCounts(*sums)
    _count_weeks(db, usages)
    return usages


def _count_weeks(db: duckdb.DuckDBPyConnection, usages: Mapping[str, PartitionUsage]) -> None:
    """Add the answers, deciders and ratings of each week to the usage of each partition, in place."""
    weeks = db.execute(
        f"""select _partition, week, count(*) filter (event = 'accepted'), count(*) filter (event = 'overridden'),
            sum(rating)::bigint, count(rating),
            list_sort(list(distinct pseudonym) filter (role = 'decider' and {IS_ANSWER}))
        from track_responses where event <> 'seen' and decided_action is not null group by 1, 2 order by 2"""
    ).fetchall()
    for partition, week, accepted, overridden, stars, ratings, deciders in weeks:
        usage = usages[partition]
        if accepted or overridden:
            usage.active[week], usage.weeks[week] = deciders or [], [accepted, overridden]
        if ratings:
            usage.ratings[week] = [stars, ratings]
