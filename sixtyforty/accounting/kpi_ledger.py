"""Write and read the KPI ledger: one account per partition and track, with the money of decisions with known outcomes.

`kpi_audit` recomputes the accounts in SQL; `kpi_summary` adds up the accounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sixtyforty.accounting import experiment_ledger, experiment_results, unit_sums_ledger
from sixtyforty.accounting.account_columns import read_columns
from sixtyforty.accounting.champion_predictions import VERSION, ChampionPredictions, read_predictions
from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.due_units import read_frames
from sixtyforty.decisions.partition_portions import Cut, cut_at_partitions
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.track import Track
from sixtyforty.storage.files import canonical_json
from sixtyforty.storage.manifest_index import ManifestIndex
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value import candidates, segments
from sixtyforty.value.daily_value import CANDIDATE_PREFIX, POLICIES, DailyValue, ValueSums, sum_values
from sixtyforty.value.daily_values import FIGURES, NUMBERS_BY_KEY, deal_over_period
from sixtyforty.value.payoff_sql import priced_sql
from sixtyforty.value.segments import SegmentMoney
from sixtyforty.value.unit_groups import GROUP_COLUMN, group_sql
from sixtyforty.value.unit_sums import NO_SUMS, UnitSums
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


OPTIONAL = ("amounts", "unit_groups")
TEXTS = ("amounts", "weights")  # fields of DailyValue that the index keeps as JSON; null if there are none
SEGMENT_FIELDS = ("column", "name", "decisions", "gain")


@dataclass(frozen=True, kw_only=True)
class KpiAccount(DailyValue):
    """The KPI account of a partition: the money by way of deciding, and how many decisions the money leaves out.

    It is stored in the facts of the account's manifest, and adds three fields to those of DailyValue:

    - unknown: the number of decisions whose outcome isn't known yet.
    - held_back: the number of decisions in shadow or held out, which say nothing about the model.
    - segments: the money of each segment, in the KPI's currency.
    """

    unknown: int = 0
    held_back: int = 0
    segments: SegmentMoney = field(default_factory=dict)

    @classmethod
    def from_entry(cls, entry: Entry) -> KpiAccount:
        """Read a partition's KPI account from the manifest of the account."""
        return cls.from_dict(entry.facts)

    def to_facts(self) -> dict[str, Any]:
        """Return the fields of this KPI account, which its manifest stores as facts.

        Groups of units and amounts are left out if there are none.
        """
        return {name: figure for name, figure in self.to_dict().items() if figure or name not in OPTIONAL}


@dataclass(frozen=True)
class AccountSums:
    """The sums of money and counts over a portion of a partition's decisions. KpiAccount describes the fields."""

    sums: ValueSums
    unknown: int
    held_back: int
    segments: SegmentMoney

    def __add__(self, other: AccountSums) -> AccountSums:
        return AccountSums(
            self.sums + other.sums,
            self.unknown + other.unknown,
            self.held_back + other.held_back,
            segments.add_segments(self.segments, other.segments),
        )

    def of_partition(self, partition: str) -> KpiAccount:
        """Return the KPI account of a partition. The sums must cover all decisions of the partition."""
        return KpiAccount(
            **vars(self.sums.of_partition(partition)),
            unknown=self.unknown,
            held_back=self.held_back,
            segments=self.segments,
        )


def kpi_dataset(track: Track) -> str:
    """Return the name of the lake dataset with a track's KPI accounts."""
    return f"kpi/{track}"


def write_accounts(ws: Workspace, partitions: Sequence[str], track: Track) -> dict[str, Entry]:
    """Write the KPI accounts of some partitions. Return the manifests of the accounts, by partition.

    The same pass over the decisions writes the sums that the gain rests on (see `unit_sums_ledger`). Partitions without
    decisions or without outcomes are left out.

    Raises CandidateError, and writes no account, if a candidate's SQL doesn't return an action for each decision.
    """
    if ws.use_case.is_randomized(track):
        return experiment_ledger.write_accounts(ws, partitions)
    decisions = ws.lake.entries(decisions_dataset(track), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    decisions = {p: decisions[p] for p in outcomes}
    if not decisions:
        return {}
    sums: dict[str, UnitSums] = {}
    portions = unit_sums_ledger.add_portions(ws.use_case.kpi, _read_units(ws, decisions, outcomes), sums)
    accounts = {account.partition: account for account in _add_accounts(ws.use_case.kpi, portions)}
    tables = {partition: _account_table(account) for partition, account in accounts.items()}
    facts = {partition: account.to_facts() for partition, account in accounts.items()}
    inputs = {
        p: {
            decisions_dataset(track): versions_by_partition({p: decisions[p]}),
            "outcomes": versions_by_partition({p: outcomes[p]}),
        }
        for p in accounts
    }
    unit_sums_ledger.write_sums(ws, track, {p: sums.get(p, NO_SUMS) for p in accounts}, inputs)
    with _account_index(ws, track).recording() as indexed:
        indexed |= ws.lake.write_all(kpi_dataset(track), tables, inputs=inputs, code=ws.code_version, facts=facts)
    return indexed


def compute_accounts(ws: Workspace, decisions: Mapping[str, Entry], outcomes: Mapping[str, Entry]) -> list[KpiAccount]:
    """Return the KPI accounts of some partitions, without writing them.

    decisions, outcomes: the manifests of the decisions and of the outcomes, by partition. Both have the same
    partitions, at least one. Raises CandidateError if a candidate's SQL doesn't return an action for each decision.
    """
    return _add_accounts(ws.use_case.kpi, _read_units(ws, decisions, outcomes))


def read_daily_values(ws: Workspace, track: Track, until: str | None = None) -> Sequence[DailyValue]:
    """Return the money of every partition that has an account and a known outcome, sorted by partition.

    The random choice is that of the whole period (see `deal_over_period`).

    until: the last partition to include; None includes all.
    """
    if ws.use_case.is_randomized(track):
        accounted = ws.lake.partitions(experiment_ledger.DATASET)
        days = experiment_results.read_daily_values(ws, [p for p in accounted if until is None or p <= until])
        return [replace(day, unit_groups={}) for day in days] if ws.use_case.units_recur else days
    values = read_columns(_account_index(ws, track).table(), ws.use_case.units_recur)
    is_counted = values.columns["decisions"] > 0
    if until is not None:
        is_counted &= values.columns["partition"] <= until
    return deal_over_period(values.select(is_counted))


def value_units_with_champion(ws: Workspace, partitions: Sequence[str], track: Track) -> dict[str, DailyValue]:
    """Return the value of some partitions, summed over the units for which a champion was in force.

    A partition is left out if no such unit has a known outcome. No account is written.
    """
    decisions = ws.lake.entries(decisions_dataset(track), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    decisions = {p: decisions[p] for p in outcomes}
    if not decisions:
        return {}
    portions = (units[units["decided_by"] != "current_process"] for units in _read_units(ws, decisions, outcomes))
    accounts = _add_accounts(ws.use_case.kpi, portions)
    return {account.partition: account for account in accounts if account.decisions}


def read_segment_gains(ws: Workspace, track: Track) -> pa.Table:
    """Return the gain of each segment in each partition: one row per partition and segment, sorted by partition.

    The columns are `_partition`, as a dictionary, and SEGMENT_FIELDS. `gain` is the gain over the current process, in
    the KPI's currency.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = _account_index(ws, track).table()
    segments = table["segments"].combine_chunks()
    days, partitions = pc.list_parent_indices(segments).cast(pa.int32()), table["_partition"].combine_chunks()
    parts = segments.flatten()
    dictionary = pa.DictionaryArray.from_arrays(days, partitions)
    return pa.table({"_partition": dictionary, **{name: parts.field(name) for name in SEGMENT_FIELDS}})


def read_account(entry: Entry) -> KpiAccount | experiment_ledger.ExperimentAccount:
    """Read a partition's account from its manifest: an experiment's account if the manifest counts held-out units."""
    is_experiment = "held_out" in entry.facts
    return experiment_ledger.ExperimentAccount.from_entry(entry) if is_experiment else KpiAccount.from_entry(entry)


def known_outcome_sql(kpi: Kpi) -> str:
    """Return the SQL of a unit's outcome, for a query with the outcomes as table `o` and the decisions as table `d`.

    The outcome is null if another column of the outcome is null, or if the gain or cost of the decided action or of the
    current process's action is unknown. The value of a decision is computed from all of these columns.
    """
    known = [f"o.{identifier(column)} is not null" for column in kpi.outcome_columns[1:]]
    known += [priced_sql(kpi, action) for action in ("d.action", "d.current_action")]
    return f"case when {' and '.join(known)} then o.{identifier(kpi.outcome)} end"


def _read_units(ws: Workspace, decisions: Mapping[str, Entry], outcomes: Mapping[str, Entry]) -> Iterator[pd.DataFrame]:
    """Yield one row per decision: its actions, outcome and prices, ordered by partition, decision time and key.

    The rows come in portions, so that a partition may have more decisions than fit into memory. The counts in a
    CandidateError are those of one portion.

    Columns: `_partition`, `decided_at`, `action`, `current_action`, `decided_by`, `expected`, `champion_version`,
    `outcome` (null if unknown), the segments, the actions' gains and costs, and the action of each candidate as
    `candidate <name>`. In a past experiment, also its columns, and the champion's predictions. If units recur, also the
    unit's group as GROUP_COLUMN.
    """
    kpi, key = ws.use_case.kpi, identifiers(ws.use_case.decision.key)
    predictions = ChampionPredictions(ws, decisions)
    feature_columns = [*(c for c in kpi.segments if c not in ws.use_case.decision.key), *kpi.payoff_sql]
    feature_columns += [c for c in predictions.columns if c not in (*feature_columns, *ws.use_case.decision.key)]
    columns = list(dict.fromkeys([*kpi.segments, *feature_columns, *predictions.columns, *kpi.outcome_columns[1:]]))
    columns += [CANDIDATE_PREFIX + name for name in kpi.candidates]
    columns += ["known"] if kpi.candidates else []
    join, group = "", ""
    if ws.use_case.units_recur:
        group = f", {group_sql(ws.use_case.decision.key, 'd')} as {GROUP_COLUMN}"
    with ws.lake.open_session(ws.use_case.timezone) as db:
        if feature_columns or kpi.candidates:
            known_then = candidates.candidates_sql(
                ws.use_case, ws.lake, db, decisions, list(kpi.candidates), feature_columns
            )
            join = f"left join {known_then} using (_partition, {key})"
        query = f"""select _partition, d.decided_at, d.action, d.current_action, d.decided_by, d.expected, d.{VERSION},
                {known_outcome_sql(kpi)} as outcome{"".join(f", {identifier(c)}" for c in columns)}{group}
            from {ws.lake.select_rows(decisions.values())} d
            left join {ws.lake.select_rows(outcomes.values())} o using (_partition, {key})
            {join} order by _partition, d.decided_at, {key}"""
        frames = read_frames(db, query, [])
        within_limits: Cut = "never within a time" if kpi.has_limits else "anywhere"
        for units in cut_at_partitions(frames, "never" if kpi.has_daily_limits else within_limits):
            proposed = {n: candidates.propose_actions(ws.use_case, units, n) for n in kpi.candidates}
            units = predictions.add_to(units) if predictions.models else units
            yield units.assign(**{CANDIDATE_PREFIX + name: actions for name, actions in proposed.items()})


def _add_accounts(kpi: Kpi, portions: Iterable[pd.DataFrame]) -> list[KpiAccount]:
    """Return the KPI account of each partition. portions: the rows that `_read_units` yields."""
    sums: dict[str, AccountSums] = {}
    for units in portions:
        for partition, part in _sum_units(kpi, units):
            sums[partition] = sums[partition] + part if partition in sums else part
    return [total.of_partition(partition) for partition, total in sums.items()]


def _sum_units(kpi: Kpi, units: pd.DataFrame) -> Iterator[tuple[str, AccountSums]]:
    """Yield each partition of a portion of decisions, with the sums over its decisions in this portion."""
    held_back = units["decided_by"].isin(HELD_OUT)
    segment_money = segments.money_by_segment(kpi, units[units["outcome"].notna() & ~held_back])
    for name, rows in units.groupby("_partition", sort=True):
        partition, is_known = str(name), rows["outcome"].notna()
        known = rows[is_known & ~held_back[rows.index]]
        actions = {candidate: known[CANDIDATE_PREFIX + candidate].tolist() for candidate in kpi.candidates}
        predicted = read_predictions(kpi.actions_by_cost, known) if kpi.treatment else None
        yield (
            partition,
            AccountSums(
                sum_values(kpi, known, known["outcome"].to_numpy(float), actions, predicted),
                unknown=int((~is_known).sum()),
                held_back=int((is_known & held_back[rows.index]).sum()),
                segments=segment_money.get(partition, {}),
            ),
        )


def _account_table(account: KpiAccount) -> pa.Table:
    """Return the account of a partition as a table of one row. The money of a candidate is in `candidate <name>`."""
    import pyarrow as pa

    row = {name: getattr(account, name) for name in ("partition", *FIGURES)}
    return pa.Table.from_pylist([row | {CANDIDATE_PREFIX + name: money for name, money in account.candidates.items()}])


def _account_index(ws: Workspace, track: Track) -> ManifestIndex:
    """Return an index of a track's KPI accounts, from which the figures of all partitions are read in one query.

    The index is sorted by partition. The accounts of experiments are not indexed.
    """
    return ManifestIndex(ws.lake, kpi_dataset(track), ws.cache, index_schema(), _index_row)


def index_schema() -> pa.Schema:
    """Return the columns of the index: the fields of KpiAccount, with the gain of each segment."""
    import pyarrow as pa

    segment_types = (pa.string(), pa.string(), pa.int64(), pa.float64())
    segment_fields = dict(zip(SEGMENT_FIELDS, segment_types, strict=True))
    figures = {name: pa.float64() if name in POLICIES else pa.int64() for name in FIGURES}
    by_key = {name: pa.map_(pa.string(), pa.float64()) for name in NUMBERS_BY_KEY}
    by_key["lost_above"] = pa.map_(pa.string(), pa.list_(pa.float64(), 2))
    texts = dict.fromkeys(TEXTS, pa.string())
    groups = {"group_names": pa.list_(pa.string()), "group_sums": pa.list_(pa.float64())}
    return pa.schema({**figures, **by_key, **texts, **groups, "segments": pa.list_(pa.struct(segment_fields))})


def _index_row(entry: Entry) -> dict[str, object]:
    account = KpiAccount.from_entry(entry)
    parts = [
        dict(zip(SEGMENT_FIELDS, (column, name, decisions, model - current), strict=True))
        for column, names in account.segments.items()
        for name, (decisions, model, current) in names.items()
    ]
    figures = {name: getattr(account, name) for name in FIGURES}
    groups, fields = account.unit_groups or {}, account.to_dict()
    sums = [amount for amounts in groups.values() for amount in amounts]
    lists = {"group_names": list(groups), "group_sums": sums, "segments": parts}
    numbers = {name: fields[name] for name in NUMBERS_BY_KEY}
    return figures | numbers | {name: canonical_json(fields[name]) for name in TEXTS if fields[name]} | lists
