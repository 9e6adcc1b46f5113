"""Write usage accounts: what people did with the decisions of each partition, and whether their overrides gained money.

The account of a partition is written again when a response or an outcome arrives late. Accounts identify people by a
pseudonym, and contain neither names nor reasons. If the action may have changed the outcome, no account says whether an
override was right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sixtyforty.accounting.answer_sql import (
    IS_ANSWER,
    accounted_sql,
    difference_sql,
    ranked_sql,
    timely_sql,
    valid_sql,
    void_sql,
)
from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.sql import identifier, identifiers, literal
from sixtyforty.value import candidates
from sixtyforty.value.payoff_sql import priced_sql
from sixtyforty.value.unit_groups import GROUP_COLUMN, GROUPS, group_sql
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

# Fields of PartitionUsage that a manifest stores only if they aren't zero.
EFFECT_FIELDS = ("known_without_effect", "gain_without_effect", "cost_saved", "overrides_paid", "unpriced")
COUNTS = ("decisions", "seen", "accepted", "overridden", "known", "right", "responses", "simulated", "unmatched")
ANSWER_FIELDS = ("accepted", "overridden", "known", "right", "gain")
ANSWER_SUMS = """count(*) filter (event = 'accepted'), count(*) filter (event = 'overridden'), count(gain),
    count(*) filter (gain > 0), coalesce(sum(gain order by response_id), 0)"""

EFFECT_SUMS = """count(gain) filter (not in_force), coalesce(sum(gain order by response_id) filter (not in_force), 0),
    coalesce(sum(cost_saved order by response_id) filter (in_force), 0), count(cost_saved) filter (in_force),
    count(*) filter (is_unpriced)"""
NO_RESPONSES = """(select null::varchar as _partition, null::varchar as decision_id, null::varchar as response_id,
    null::varchar as role, null::integer as rating, null::boolean as simulated, null::timestamp as "at",
    null::varchar as person, null::varchar as event, null::varchar as action where false)"""


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
    """How people used the decisions of one partition: how many they saw, answered and rated.

    `seen` counts the decisions that a person looked at. `unmatched` counts the responses whose decision doesn't exist.
    Three fields are grouped by the ISO week of the response, in the use case's time zone. `active` lists the pseudonyms
    of the deciders who answered. `weeks` contains the numbers of accepted and overridden decisions, and `ratings` the
    sum and the number of the ratings.

    A withdrawn answer, and an answer that comes second, count as responses only. `known_without_effect` counts the
    overrides in `known` that weren't in force (see `answers_in_force`), and `gain_without_effect` is their gain. In an
    experiment, `cost_saved` is the cost of the decided actions minus the cost of the actions taken instead, over the
    `overrides_paid` overrides in force with a known outcome. `unpriced` counts the answers in force to an action whose
    price isn't known. They count as decided.

    `unanswered` counts the decisions of the KPI ledger that differ from the current process, and to which no answer is
    in force. `unanswered_gain` is the money of the current process's actions minus the money of these decisions; in an
    experiment, it is the difference of their costs. None: an earlier version wrote the account without these figures.

    If units recur, `group_gains` is the gain of the overrides in force by group of units (see `unit_groups.py`), and
    `unanswered_group_gains` is `unanswered_gain` by group. Both are empty otherwise, and in an experiment.
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
    known_without_effect: int = 0
    gain_without_effect: float = 0.0
    cost_saved: float = 0.0
    overrides_paid: int = 0
    unpriced: int = 0
    unanswered: int | None = None
    unanswered_gain: float = 0.0
    group_gains: list[float] = field(default_factory=list)
    unanswered_group_gains: list[float] = field(default_factory=list)

    @classmethod
    def from_entry(cls, entry: Entry) -> PartitionUsage:
        """Read the usage of a partition's decisions from the manifest of the partition's account."""
        roles = {role: AnswerCounts(**counts) for role, counts in entry.facts["roles"].items()}
        return cls(**entry.facts | {"roles": roles})

    def to_facts(self) -> dict[str, Any]:
        """Return what people did with the partition's decisions, as facts for the manifest of its usage account."""
        optional = (*EFFECT_FIELDS, "group_gains", "unanswered_group_gains")
        return {name: fact for name, fact in asdict(self).items() if fact or name not in optional}


def usage_dataset(track: Track) -> str:
    """Return the name of the lake dataset with a track's usage accounts."""
    return f"acceptance/{track}"


def write_accounts(ws: Workspace, partitions: Sequence[str], track: Track) -> dict[str, Entry]:
    """Write the usage accounts of some partitions. Return the manifests of the accounts, by partition.

    Partitions without decisions are left out. A partition without responses has an account, because it tells an
    unanswered decision from an answer that isn't counted yet. The facts of a manifest are those of PartitionUsage.
    """
    import pyarrow as pa

    source = ws.use_case.people.responses
    decisions = ws.lake.entries(decisions_dataset(track), partitions) if source else {}
    if not decisions:
        return {}
    responses = ws.lake.entries(f"validated/{source}", list(decisions))
    outcomes = ws.lake.entries("outcomes", list(decisions))
    with ws.lake.open_session(ws.use_case.timezone) as db:
        join = _join_outcomes(db, ws, decisions, outcomes) if outcomes else ""
        decided = _decisions_sql(ws, decisions)
        _load_responses(db, ws, track, responses, decided, join)
        usages = _count_responses(db, {p: entry.rows for p, entry in decisions.items()})
        if join:
            _count_unanswered(db, ws.use_case, track, f"{decided} d {join}", usages)
            if ws.use_case.units_recur and not ws.use_case.is_randomized(track):
                _add_groups(db, usages)
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


def is_current(account: Entry | None, inputs: Mapping[str, Mapping[str, str]]) -> bool:
    """Return whether a partition has a usage account of the current inputs, with its unanswered decisions.

    account: the manifest of the usage account; None without one. inputs: see `current_inputs`.
    """
    return account is not None and account.inputs == inputs and account.facts.get("unanswered") is not None


def _decisions_sql(ws: Workspace, decisions: Mapping[str, Entry]) -> str:
    """Return SQL in parentheses for the decisions, with the columns that the accounts need."""
    columns = identifiers(
        ["_partition", "decision_id", "action", "current_action", "decided_by", "decided_at", "policy"]
    )
    key = identifiers(ws.use_case.decision.key)
    group = f", {group_sql(ws.use_case.decision.key)} as {GROUP_COLUMN}" if ws.use_case.units_recur else ""
    return f"(select {columns}, {key}{group} from {ws.lake.select_rows(decisions.values())})"


def _load_responses(
    db: duckdb.DuckDBPyConnection,
    ws: Workspace,
    track: Track,
    responses: Mapping[str, Entry],
    decided: str,
    join: str,
) -> None:
    """Create the table `track_responses`, with one row for each response to a decision of the track.

    decided: SQL of the decisions. join: see `_join_outcomes`; empty if no outcome is known. Columns of the table:

    - decided_action: null if the response's decision doesn't exist.
    - event: `void` in place of an answer that doesn't count, or of an answer that was withdrawn in time.
    - gain: null except for overrides with a known outcome. Always null in an experiment.
    - cost_saved: null except for an experiment's overrides with a known outcome.
    - is_answered: whether the response is an answer in force (see `answers_in_force`).
    - in_force: whether also the decision counts in the KPI ledger, and the price of the answer's action is known.
      `is_unpriced`: whether only this price is unknown.
    """
    use_case = ws.use_case
    gain, saved, is_accounted, is_priced = "null::double", "null::double", "false", "false"
    if join:
        is_accounted, is_priced = accounted_sql(use_case, track), priced_sql(use_case.kpi, "r.action")
        difference = difference_sql(use_case, track, "r.action")
        if use_case.is_randomized(track):
            saved = f"case when {is_accounted} and {is_priced} then {difference} end"
        else:
            gain = difference
    group = f"d.{GROUP_COLUMN}" if use_case.units_recur else "null::integer"
    rows = ws.lake.select_rows(responses.values()) if responses else NO_RESPONSES
    db.execute(
        f"""create temp table track_responses as
        select _partition, decision_id, response_id, role, rating, simulated, week, decided_action, pseudonym, event,
            {GROUP_COLUMN}, case when event = 'overridden' then gain end as gain,
            case when event = 'overridden' then cost_saved end as cost_saved, is_answered,
            is_answered and is_accounted and is_priced as in_force,
            is_answered and is_accounted and not is_priced as is_unpriced
        from (
            select r._partition, r.decision_id, r.response_id, r.role, r.rating, r.simulated,
                strftime(local(r."at"), '%G-W%V') as week, d.action as decided_action, {group} as {GROUP_COLUMN},
                left(sha256({literal(use_case.first_name + "|")} || r.person), 16) as pseudonym,
                case when {void_sql(use_case)} then 'void' else r.event end as event,
                {gain} as gain, {saved} as cost_saved, {is_accounted} as is_accounted, {is_priced} as is_priced,
                coalesce({timely_sql(use_case)} and {valid_sql(use_case.kpi)} and not ({void_sql(use_case)}), false)
                    as is_answered
            from ({ranked_sql(rows)}) r
            left join {decided} d using (_partition, decision_id)
            {join}
            where starts_with(r.decision_id, {literal(f"{track}-")}))"""
    )


def _count_unanswered(
    db: duckdb.DuckDBPyConnection, use_case: UseCase, track: Track, joined: str, usages: Mapping[str, PartitionUsage]
) -> None:
    """Add to the usage of each partition the decisions without an answer in force, and their money, in place.

    joined: SQL of the decisions `d` with their outcomes. Reads the table `track_responses`. An answer that is late,
    withdrawn or invalid isn't in force (see `answers_in_force`), so its decision is unanswered.
    """
    held_out = ", ".join(map(literal, HELD_OUT))
    group = f"d.{GROUP_COLUMN}" if use_case.units_recur else "null::integer"
    db.execute(
        f"""create temp table unanswered as
        select _partition, decision_id, {group} as {GROUP_COLUMN},
            {difference_sql(use_case, track, "d.current_action")} as gain
        from {joined} where d.action <> d.current_action and d.decided_by not in ({held_out})
            and {accounted_sql(use_case, track)} and decision_id not in (
                select decision_id from track_responses where is_answered)"""
    )
    rows = db.execute(
        "select _partition, count(*), coalesce(sum(gain order by decision_id), 0) from unanswered group by 1"
    ).fetchall()
    for usage in usages.values():
        usage.unanswered = 0
    for partition, unanswered, gain in rows:
        usages[partition].unanswered, usages[partition].unanswered_gain = unanswered, gain


def _add_groups(db: duckdb.DuckDBPyConnection, usages: Mapping[str, PartitionUsage]) -> None:
    """Add the gains of answers and of unanswered decisions by group of units to the usage of each partition, in place.

    Reads the tables `track_responses` and `unanswered`.
    """
    sums = {
        "group_gains": "sum(gain order by response_id) filter (in_force) from track_responses",
        "unanswered_group_gains": "sum(gain order by decision_id) from unanswered",
    }
    for name, gains in sums.items():
        for usage in usages.values():
            setattr(usage, name, [0.0] * GROUPS)
        for partition, group, gain in db.execute(
            f"select _partition, {GROUP_COLUMN}, {gains} group by 1, 2"
        ).fetchall():
            if gain:
                getattr(usages[partition], name)[group] = gain


def _join_outcomes(
    db: duckdb.DuckDBPyConnection, ws: Workspace, decisions: Mapping[str, Entry], outcomes: Mapping[str, Entry]
) -> str:
    """Return SQL of joins that add the outcomes, as `known_outcome`, and the payoff columns to decisions."""
    kpi, key = ws.use_case.kpi, identifiers(ws.use_case.decision.key)
    columns = "".join(f", {identifier(c)}" for c in kpi.outcome_columns[1:])
    join = f"""left join (select _partition, {key}, {identifier(kpi.outcome)} as known_outcome{columns}
        from {ws.lake.select_rows(outcomes.values())}) using (_partition, {key})"""
    if kpi.payoff_sql:
        prices = candidates.candidates_sql(ws.use_case, ws.lake, db, decisions, [], kpi.payoff_sql)
        join += f" left join {prices} using (_partition, {key})"
    return join


def _count_responses(db: duckdb.DuckDBPyConnection, decisions: Mapping[str, int]) -> dict[str, PartitionUsage]:
    """Return the usage of each partition, counted from the table `track_responses`.

    decisions: the number of decisions by partition.
    """
    usages = {partition: PartitionUsage(decisions=count) for partition, count in decisions.items()}
    totals = db.execute(
        f"""select _partition, count(*), count(*) filter (simulated), count(*) filter (decided_action is null),
            count(distinct decision_id) filter (decided_action is not null), {ANSWER_SUMS}, {EFFECT_SUMS}
        from track_responses group by 1"""
    ).fetchall()
    for partition, responses, simulated, unmatched, seen, *sums in totals:
        usage = usages[partition]
        usage.responses, usage.simulated, usage.unmatched, usage.seen = responses, simulated, unmatched, seen
        usage.accepted, usage.overridden, usage.known, usage.right, usage.gain = sums[: len(ANSWER_FIELDS)]
        for name, effect in zip(EFFECT_FIELDS, sums[len(ANSWER_FIELDS) :], strict=True):
            setattr(usage, name, effect)
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
