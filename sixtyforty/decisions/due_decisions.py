"""Find due decisions: units whose decision time has passed and that have no decision yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.track import Track
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.sql import identifiers
from sixtyforty.workspace import Workspace

# The key is the versions of a partition's features and decisions. The entry says whether each unit has a decision,
# though the features were built again later. Without this cache, a sensor would read the rows of such partitions at
# each evaluation.
_completely_decided: BoundedCache[tuple[str, str], bool] = BoundedCache(1 << 15)


def live_since(ws: Workspace, track: Track) -> datetime | None:
    """Return the UTC time (naive) from which decisions are taken on a track, or None without any live champion.

    The live track starts with its first champion. If the ledger of champions is broken, or lost the first champion, it
    starts with the first live decision: a lost ledger stops no decision. A replay has no start, so `datetime.min` is
    returned.
    """
    if track != "live":
        return datetime.min
    try:
        champions = ws.champion_ledger.promotions(track)
    except LedgerError:  # `ledger_check` reports it, and the current process decides
        champions = []
    start = datetime.fromisoformat(champions[0].effective_from) if champions else None
    decided = ws.lake.partitions(decisions_dataset(track))
    if decided and (start is None or decided[0] < first_due_partition(ws.use_case, start)):
        return _read_first_decision_time(ws, decided[0])
    return start


def _read_first_decision_time(ws: Workspace, partition: str) -> datetime | None:
    entries = ws.lake.entries(decisions_dataset("live"), [partition])
    with ws.lake.open_session(ws.use_case.timezone) as db:
        query = f"select min(decided_at) from {ws.lake.select_rows(entries.values())}"
        first: tuple[datetime | None] | None = db.execute(query).fetchone()
    return first[0] if first else None


def first_due_partition(use_case: DecisionChain, start: datetime) -> str:
    """Return the first partition that may have units to decide; an empty text if all partitions may have some.

    start: the UTC time from `live_since`. A unit may be decided in the partition after its own.
    """
    return use_case.shift(use_case.partition_at(start), -1) if start > datetime.min else ""


def partitions_to_decide(ws: Workspace, track: Track, partitions: Sequence[str]) -> list[str]:
    """Select from `partitions` those in which a track takes decisions. A replay starts at `replay.first_day`."""
    first = ws.use_case.replay.first_day.isoformat()
    return [partition for partition in partitions if track == "live" or partition >= first]


def scope_condition(ws: Workspace, track: Track) -> str:
    """Return the SQL condition for the units that the stage at their decision time covers; `true` covers all units.

    A stage, such as a pilot, may be limited to some units. A replay decides all units.
    """
    try:
        scope = ws.stage_ledger.scope_sql() if track == "live" else None
    except LedgerError:  # `ledger_check` reports it, and the current process decides on all units
        scope = None
    return scope or "true"


def count_due(ws: Workspace, partitions: Sequence[str], track: Track, now: datetime) -> dict[str, int]:
    """Return the number of due decisions of each partition at the UTC time `now` (naive).

    Partitions without a due decision are absent.
    """
    start = live_since(ws, track)
    if start is None:
        return {}
    use_case = ws.use_case
    taken = ws.lake.entries(decisions_dataset(track), partitions)
    features = _undecided_features(ws, ws.lake.entries("features", partitions), taken, start)
    if not features:
        return {}
    decided = [taken[partition] for partition in features if partition in taken]
    key = identifiers(use_case.decision.key)
    without_decided = f"anti join {ws.lake.select_rows(decided)} d using (_partition, {key})" if decided else ""
    with ws.lake.open_session(use_case.timezone) as db:
        undecided = db.execute(
            f"""select _partition, count(*) filter (f.decided_at between timestamp '{start}' and timestamp '{now}'
                and {scope_condition(ws, track)})
            from {ws.lake.select_rows(features.values())} f {without_decided} group by 1 order by 1"""
        ).fetchall()
    for partition in (features.keys() & taken.keys()) - {partition for partition, _ in undecided}:
        _completely_decided.put((features[partition].version, taken[partition].version), True)
    return {partition: count for partition, count in undecided if count}


def _undecided_features(
    ws: Workspace, features: dict[str, Entry], taken: dict[str, Entry], start: datetime
) -> dict[str, Entry]:
    """Return the manifests of features, by partition, that may contain undecided units.

    taken: the manifests of decisions. start: the UTC time from which the track decides. Partitions before `start` and
    partitions in which each unit has a decision are left out.
    """
    use_case = ws.use_case
    first = first_due_partition(use_case, start)
    open_partitions = [
        partition
        for partition, entry in features.items()
        if partition >= first and not _is_completely_decided(partition, entry, taken.get(partition))
    ]
    return {partition: features[partition] for partition in use_case.decision_partitions(open_partitions)}


def _is_completely_decided(partition: str, features: Entry, taken: Entry | None) -> bool:
    if taken is None:
        return False
    if taken.rows == features.rows and taken.inputs == {"features": {partition: features.version}}:
        return True
    return _completely_decided.get((features.version, taken.version)) is not None
