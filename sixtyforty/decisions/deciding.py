"""Take decisions: each unit once, at its decision time, by the champion in force at that time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions import assignment
from sixtyforty.decisions.champion_scores import (
    ChampionUnits,
    leave_to_current_process,
    score_units,
    weigh_scored,
)
from sixtyforty.decisions.decision_draft import NO_CHAMPION_REASON, DecisionDraft
from sixtyforty.decisions.decision_rows import keep_sorted
from sixtyforty.decisions.decision_table import TakenDecisions, decision_schema, decisions_dataset, write_decisions
from sixtyforty.decisions.decisions_index import decisions_index
from sixtyforty.decisions.declaration_record import record_declaration
from sixtyforty.decisions.declared_version import declared_version
from sixtyforty.decisions.drafted_portion import DraftedPortion, choose_actions, join_times
from sixtyforty.decisions.due_decisions import live_since, scope_condition
from sixtyforty.decisions.due_units import count_taken, read_due_units
from sixtyforty.decisions.ledger_check import LedgerCheck, check_deciding_ledgers
from sixtyforty.modeling.lineage import find_outdated
from sixtyforty.modeling.taint import select_tainted
from sixtyforty.spec.track import Track
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.storage.files import run_in_parallel
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.stored_tables import Rows, TableStore, run_for_tables
from sixtyforty.storage.verdicts import verdict_id
from sixtyforty.value.action_limits import count_actions
from sixtyforty.value.policy import Policy
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

LATE_REASON = "late: the inputs arrived after the decision time"


def take_decisions(
    ws: Workspace,
    partitions: Sequence[str],
    track: Track,
    as_of: datetime | None,
    anew: bool = False,
    ledgers: LedgerCheck | None = None,
) -> dict[str, TakenDecisions]:
    """Take and store the due decisions of some partitions. Return a summary of each partition's decisions.

    as_of: only units with a decision time up to this UTC time are decided; None decides all units. anew: whether a
    replay's existing decisions are replaced. Existing live decisions are never replaced. ledgers: the comparison of the
    ledgers with their anchors; None compares them here. While they differ, the current process takes live decisions.

    Nothing is decided in partitions without features, or whose features are older than the current validated data.
    Their features must be built again first. Partitions without any decision are absent from the returned dict.
    """
    start = live_since(ws, track)
    partitions = ws.use_case.decision_partitions(partitions)
    outdated = find_outdated(ws.use_case, ws.lake, partitions)
    features = {p: entry for p, entry in ws.lake.entries("features", partitions).items() if p not in outdated}
    if not features or start is None:
        return {}
    is_replaced = anew and track == "replay"
    before = {} if is_replaced else ws.lake.entries(decisions_dataset(track), partitions)
    doubt = (ledgers or check_deciding_ledgers(ws)).reason if track == "live" else ""
    terms = _Terms(track, start, as_of, "true" if doubt else scope_condition(ws, track), doubt)
    new: dict[str, Rows] = {}
    for group in ws.lake.group_by_columns(features.values()):
        new |= _decide_group(ws, terms, {entry.partition: entry for entry in group}, before)
    if new:
        record_declaration(ws)
    declared = declared_version(ws.use_case)
    with decisions_index(ws, decisions_dataset(track)).recording() as indexed:
        written = run_for_tables(
            lambda p: write_decisions(ws, track, p, new[p], before.get(p), features[p], declared), new
        )
        indexed |= {partition: taken.entry for partition, taken in written.items()}
    unchanged = {p: TakenDecisions.from_entry(entry, 0) for p, entry in before.items() if p not in new}
    return unchanged | written


@dataclass(frozen=True)
class _Terms:
    """Which units a call of `take_decisions` decides.

    - start, as_of: the UTC times from which and up to which units are decided; None as `as_of` for all units.
    - scope: the SQL condition for the units.
    - doubt: why no ledger is followed, so that the current process decides; empty if the ledgers are sound.
    """

    track: Track
    start: datetime
    as_of: datetime | None
    scope: str
    doubt: str


def _decide_group(
    ws: Workspace, terms: _Terms, features: dict[str, Entry], before: dict[str, Entry]
) -> dict[str, Rows]:
    """Return the new decisions of partitions whose features have equal columns, by partition.

    Partitions with other columns are decided separately, because a champion may not be able to score all of them.
    """
    import pyarrow.parquet as pq

    track = terms.track
    decided_before = {partition: entry for partition, entry in before.items() if partition in features}
    has_limits = ws.use_case.kpi.has_limits
    taken = count_taken(ws, decided_before) if has_limits else {}
    schema = decision_schema(ws, pq.read_schema(ws.lake.local_file(next(iter(features.values())))))
    drafted = (
        _draft_decisions(ws, units, terms, features, schema)
        for units in read_due_units(ws, track, features, decided_before, terms.start, terms.as_of, terms.scope)
    )
    groups = join_times(drafted, TableStore(ws.lake.scratch)) if has_limits else ([portion] for portion in drafted)
    policy = Policy.from_use_case(ws.use_case)
    return keep_sorted(
        ws,
        (
            _build_table(ws, units, track, features, draft, schema)
            for portions in groups
            for units, draft in choose_actions(portions, policy, taken, track)
        ),
    )


def _draft_decisions(
    ws: Workspace,
    units: pd.DataFrame,
    terms: _Terms,
    features: dict[str, Entry],
    schema: pa.Schema,
) -> DraftedPortion:
    """Decide on the units as far as other units don't matter. schema: the Arrow schema of decisions."""
    import numpy as np
    import pyarrow as pa

    track = terms.track
    champions = [] if terms.doubt else ws.champion_ledger.sound_promotions(track)
    draft = DecisionDraft.by_current_process(units, terms.doubt or _reason_without_champion(ws, track))
    in_force = _champions_in_force(units, champions)
    if not terms.doubt:
        _apply_endings(ws, units, track, draft, in_force)
    unfit_reasons = _unfit_reasons(ws, units, track, terms.as_of, features)
    unfit = np.array([reason is not None for reason in unfit_reasons], bool)
    held_out = None
    held = np.zeros(len(units), bool)
    if assignment.has_assignment(ws.use_case, track) and not terms.doubt:
        held_out = assignment.HeldOutUnits.draw(ws, units, in_force >= 0)
        held = held_out.in_holdout
    numbers = np.unique(in_force[in_force >= 0]).tolist()
    batches = [ChampionUnits(champions[number], in_force == number, held) for number in numbers]
    columns = ws.lake.columns(next(iter(features.values())))
    scored_batches = run_in_parallel(lambda batch: score_units(ws, batch, units, unfit, columns, track), batches)
    unscored = np.zeros(len(units), bool)
    for scored in scored_batches:
        unscored |= scored.unscored
        unfit_reasons[scored.unscored] = scored.reasons[scored.unscored]
    unfit |= unscored
    by_current_process = units[unfit | held | (in_force < 0)]
    counts = count_actions(by_current_process, "current_action") if ws.use_case.kpi.has_limits else {}
    policy, weighed = Policy.from_use_case(ws.use_case), []
    for batch, scored in zip(batches, scored_batches, strict=True):
        draft.champion_version[batch.units] = batch.champion.version
        weighed += weigh_scored(batch, scored, policy, units, draft, track)
        leave_to_current_process(draft, batch.units & unfit, unfit_reasons)
    identity = ["decision_id", *ws.use_case.decision.key, "decided_at", "current_action"]
    stored = pa.schema([("_partition", pa.string()), *(schema.field(name) for name in identity)])
    table = pa.Table.from_pandas(units[stored.names], schema=stored, preserve_index=False)
    return DraftedPortion(table.replace_schema_metadata(None), draft, weighed, counts, held_out)


def _champions_in_force(units: pd.DataFrame, champions: Sequence[ChampionRow]) -> NDArray[np.int64]:
    """Return each unit's champion in force at its decision time, as a position in `champions`, or -1 for no champion.

    The champions must already be sorted by `effective_from`.
    """
    import numpy as np

    starts = np.array([np.datetime64(champion.effective_from) for champion in champions], "datetime64[us]")
    return np.searchsorted(starts, units["decided_at"].to_numpy(), side="right") - 1


def _reason_without_champion(ws: Workspace, track: Track) -> str:
    """Return the reason for a decision of the current process when no champion is in force."""
    withdrawal = ws.champion_ledger.newest_withdrawal(track)
    if withdrawal is None:
        return NO_CHAMPION_REASON
    return f"the champion was {withdrawal.withdrawal_text}: the current process decides"


def _apply_endings(
    ws: Workspace, units: pd.DataFrame, track: Track, draft: DecisionDraft, in_force: NDArray[np.int64]
) -> None:
    """Leave units to the current process if the use case had stopped running before their decision time.

    Changes `draft` and `in_force` in place. A replay decides on past units today, so for a replay the newest row of the
    stage ledger counts for all units.
    """
    import numpy as np

    endings = ws.stage_ledger.endings()
    times = np.array([time for time, _ in endings], "datetime64[us]")
    reasons = [None, *(f"{why}: the current process decides" if why else None for _, why in endings)]
    position = np.searchsorted(times, units["decided_at"].to_numpy(), "right")
    if track == "replay":
        position = np.full(len(units), len(endings))
    unit_reasons = np.array(reasons, object)[position]
    ended = np.array([reason is not None for reason in unit_reasons], bool)
    in_force[ended], draft.reason[ended] = -1, unit_reasons[ended]


def _unfit_reasons(
    ws: Workspace, units: pd.DataFrame, track: Track, as_of: datetime | None, features: dict[str, Entry]
) -> NDArray[Any]:
    """Return for each unit the reason why the model may not decide on it, or None if the model may decide.

    The reasons are suspect features, features with leakage and, on the live track, late inputs.
    """
    import numpy as np

    reasons = np.array([suspect if isinstance(suspect, str) else None for suspect in units["suspect"]], object)
    if track == "live" and as_of is not None:
        latest = as_of - timedelta(minutes=ws.use_case.automation.late_after_minutes)
        reasons[(units["decided_at"] < latest).to_numpy()] = LATE_REASON
    for tainted in select_tainted(features.values()):
        reasons[(units["_partition"] == tainted.partition).to_numpy()] = f"features know the future: {tainted}"
    return reasons


def _build_table(
    ws: Workspace, units: pa.Table, track: Track, features: dict[str, Entry], draft: DecisionDraft, schema: pa.Schema
) -> pa.Table:
    """Return the decisions in `draft` as a table, sorted by partition, decision time and decision id.

    units: the columns of `DraftedPortion.units`. schema: the Arrow schema of decisions.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    partitions = units["_partition"].combine_chunks().dictionary_encode()
    names = partitions.dictionary.to_pylist()
    columns = {name: units[name] for name in units.column_names}
    columns |= {name: pa.array(values, from_pandas=True) for name, values in vars(draft).items()}
    for name, constant in {"use_case": ws.use_case.name, "track": track, "code_version": ws.code_version}.items():
        columns[name] = pa.repeat(pa.scalar(constant, pa.string()), len(units))
    for name, of_partition in {
        "data_version": [features[partition].version for partition in names],
        "verdict_id": [verdict_id(features[partition]) for partition in names],
    }.items():
        columns[name] = pc.take(pa.array(of_partition, pa.string()), partitions.indices)
    named = pa.schema([("_partition", pa.string()), *schema])
    table = pa.table({field.name: columns[field.name].cast(field.type) for field in named}, schema=named)
    return table.sort_by([(name, "ascending") for name in ("_partition", "decided_at", "decision_id")])
