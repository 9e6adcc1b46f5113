"""Write usage accounts: what people did with the decisions of each partition, and whether their overrides gained money.

The account of a partition is written again when a response or an outcome arrives late. Accounts identify people by a
pseudonym, and contain neither names nor reasons. If the action may have changed the outcome, no account says whether an
override was right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.response_log import ANSWERS
from sixtyforty.storage.sql import identifier, identifiers, literal
from sixtyforty.value import candidates
from sixtyforty.value.payoff_sql import cost_sql, payoff_sql, priced_sql
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

# Fields of PartitionUsage that a manifest stores only if they aren't zero.
EFFECT_FIELDS = ("known_without_effect", "gain_without_effect", "cost_saved", "overrides_paid")
COUNTS = ("decisions", "seen", "accepted", "overridden", "known", "right", "responses", "simulated", "unmatched")
ANSWER_FIELDS = ("accepted", "overridden", "known", "right", "gain")
IS_ANSWER = f"event in ({', '.join(map(literal, ANSWERS))})"
ANSWER_SUMS = """count(*) filter (event = 'accepted'), count(*) filter (event = 'overridden'), count(gain),
    count(*) filter (gain > 0), coalesce(sum(gain order by response_id), 0)"""

EFFECT_SUMS = """count(gain) filter (not in_force), coalesce(sum(gain order by response_id) filter (not in_force), 0),
    coalesce(sum(cost_saved order by response_id) filter (in_force), 0), count(cost_saved) filter (in_force)"""


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

    A withdrawn answer, and a second answer to a decision, count as responses only. `known_without_effect` counts the
    overrides in `known` that weren't in force (see `answers_in_force`), and `gain_without_effect` is their gain. In an
    experiment, `cost_saved` is the cost of the decided actions minus the cost of the actions taken instead, over the
    `overrides_paid` overrides in force with a known outcome.
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

    @classmethod
    def from_entry(cls, entry: Entry) -> PartitionUsage:
        """Read the usage of a partition's decisions from the manifest of the partition's account."""
        roles = {role: AnswerCounts(**counts) for role, counts in entry.facts["roles"].items()}
        return cls(**entry.facts | {"roles": roles})

    def to_facts(self) -> dict[str, Any]:
        """Return what people did with the partition's decisions, as facts for the manifest of its usage account."""
        return {name: fact for name, fact in asdict(self).items() if fact or name not in EFFECT_FIELDS}


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
    outcomes = ws.lake.entries("outcomes", list(decisions))
    with ws.lake.open_session(ws.use_case.timezone) as db:
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

    - decided_action: null if the response's decision doesn't exist.
    - event: `void` in place of a second answer to a decision, or of an answer that was withdrawn in time.
    - gain: null except for overrides with a known outcome. Always null in an experiment.
    - cost_saved: null except for an experiment's overrides with a known outcome.
    - in_force: whether the response is an answer in force to a decision that counts in the KPI ledger.
    """
    kpi, key = ws.use_case.kpi, identifiers(ws.use_case.decision.key)
    join, gain, saved, is_accounted = "", "null::double", "null::double", "false"
    if outcomes:
        join, gain = _gain_sql(db, ws, decisions, outcomes)
        is_accounted = _accounted_sql(ws.use_case, track)
        if ws.use_case.is_randomized(track):
            saved, gain = f"case when {is_accounted} then {_cost_saved_sql(kpi)} end", "null::double"
    db.execute(
        f"""create temp table track_responses as
        select _partition, decision_id, response_id, role, rating, simulated, week, decided_action, pseudonym, event,
            case when event = 'overridden' then gain end as gain,
            case when event = 'overridden' then cost_saved end as cost_saved, is_accounted and is_timely as in_force
        from (
            select r._partition, r.decision_id, r.response_id, r.role, r.rating, r.simulated,
                strftime(local(r."at"), '%G-W%V') as week, d.action as decided_action,
                left(sha256({literal(ws.use_case.first_name + "|")} || r.person), 16) as pseudonym,
                case when {_void_sql(ws.use_case)} then 'void' else r.event end as event,
                {gain} as gain, {saved} as cost_saved, {is_accounted} as is_accounted,
                coalesce({_timely_sql(ws.use_case)}, false) as is_timely
            from ({_ranked_sql(ws.lake.select_rows(responses.values()))}) r
            left join (select _partition, decision_id, action, current_action, decided_by, decided_at, policy, {key}
                from {ws.lake.select_rows(decisions.values())}) d using (_partition, decision_id)
            {join}
            where starts_with(r.decision_id, {literal(f"{track}-")}))"""
    )


def _ranked_sql(responses: str) -> str:
    """Return SQL that numbers the answers to each decision (`nth`), and adds when they were withdrawn (`withdrawn_at`).

    - nth: 1 for the first answer to a decision, 2 for the second one, and so on. It has no meaning for other responses.
    - withdrawn_at: the times at which a person withdrew an answer to the decision; null if nobody did.
    """
    return f"""select *, row_number() over (partition by decision_id, {IS_ANSWER} order by "at", response_id) as nth,
        list("at") filter (event = 'withdrawn') over (partition by decision_id) as withdrawn_at from {responses}"""


def _deadline_sql(use_case: UseCase) -> str:
    minutes = use_case.people.answer_within_minutes
    return "null::timestamp" if minutes is None else f"(d.decided_at + interval {minutes} minute)"


def _void_sql(use_case: UseCase) -> str:
    """Return a SQL condition: the response is a second answer, or an answer that was withdrawn in time."""
    deadline = _deadline_sql(use_case)
    in_time = f'w >= r."at" and ({deadline} is null or w <= {deadline})'
    withdrawn = f"len(list_filter(coalesce(r.withdrawn_at, []), lambda w: {in_time})) > 0"
    return f"{IS_ANSWER} and (r.nth > 1 or ({withdrawn} and {_timely_sql(use_case)}))"


def _timely_sql(use_case: UseCase) -> str:
    """Return a SQL condition: the response came before the deadline for answers, to a decision that isn't held out."""
    held_out, deadline = ", ".join(map(literal, HELD_OUT)), _deadline_sql(use_case)
    return f'(d.decided_by not in ({held_out}) and ({deadline} is null or r."at" <= {deadline}))'


def _accounted_sql(use_case: UseCase, track: Track) -> str:
    """Return a SQL condition: the decision counts in the KPI ledger, and the action taken by people has a known price.

    An experiment counts only decisions at which some units, but not all, were held out. Otherwise the price of the
    current process's action must be known, too, because the ledger compares both.
    """
    kpi = use_case.kpi
    needed = ["known_outcome", *map(identifier, kpi.outcome_columns[1:])]
    known = [f"{column} is not null" for column in needed]
    known += [priced_sql(kpi, action) for action in ("d.action", "r.action")]
    if use_case.is_randomized(track):
        known.append(r"regexp_extract(d.policy, '; holdout=(.+)$', 1) not in ('', '1.0')")
    else:
        known.append(priced_sql(kpi, "d.current_action"))
    return f"({' and '.join(known)})"


def _cost_saved_sql(kpi: Kpi) -> str:
    """Return SQL for the cost of the decided action minus the cost of the action that a person chose instead."""
    if kpi.amount:  # the payoff of an amount has no separate cost
        return "null::double"
    decided, done = (
        f"case {action} {' '.join(f'when {literal(name)} then {cost_sql(kpi, name)}' for name in kpi.actions)} end"
        for action in ("d.action", "r.action")
    )
    return f"({decided}) - ({done})"


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
