"""The report on past partitions: for each, the data behind its decisions, the decisions, and their outcomes.

The data of a partition are the input partitions that its features could read. Each decision used only what was known at
its decision time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sixtyforty.accounting.kpi_ledger import kpi_dataset, read_account
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.entry_versions import entry_at_version
from sixtyforty.spec.money import format_money
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.verdicts import read_verdict
from sixtyforty.workspace import Workspace

TIME = "%Y-%m-%d %H:%M"


@dataclass(frozen=True)
class SeenSource:
    """The data of one source that the decisions of a partition are based on.

    `partitions`: the number of input partitions. `newest`: the newest of them. `rows`, `quarantined`: numbers of rows.
    `gone`: the number of input partitions that were replaced since, so that their rows are no longer stored.
    """

    partitions: int
    newest: str | None
    rows: int
    quarantined: int
    gone: int


@dataclass(frozen=True)
class SeenData:
    """The data that the decisions of a partition are based on, by source.

    `restated`: whether the partition's features have changed since its decisions.
    """

    sources: dict[str, SeenSource]
    restated: bool


@dataclass(frozen=True)
class ModelInForce:
    """A model version that took decisions. `learned_to`: the last day of its training data."""

    version: str
    learned_to: str


@dataclass(frozen=True)
class DecidedActions:
    """The decisions of a partition, counted by action and by decider.

    `first`, `last`: the first and last decision time (UTC). `actions`, `decided_by`: the number of decisions by action
    and by decider. `differ`: the number of decisions that differ from the current process.
    """

    decisions: int
    first: str
    last: str
    actions: dict[str, int]
    decided_by: dict[str, int]
    differ: int
    models: list[ModelInForce]


@dataclass(frozen=True)
class KnownOutcomes:
    """The value of a partition's decisions with known outcomes, and of the current process on the same units.

    `known`, `unknown`: the number of decisions with and without a known outcome. Money is in `currency`.
    """

    known: int
    unknown: int
    value: float
    current_process: float
    currency: str


@dataclass(frozen=True)
class ReplayedPartition:
    """The report on one past partition: its data, its decisions and their outcomes.

    `seen`: the data on which the partition was decided; None without decisions. `decided`: its decisions; None without
    decisions. `outcomes`: the value of its decisions; None if no outcome is known.
    """

    partition: str
    seen: SeenData | None = None
    decided: DecidedActions | None = None
    outcomes: KnownOutcomes | None = None

    @property
    def plain(self) -> dict[str, Any]:
        """The report on the partition as a dict for JSON."""
        return asdict(self)


def replay_partitions(ws: Workspace, partitions: Sequence[str], track: Track) -> Iterator[ReplayedPartition]:
    """Yield a report on each partition: the data that its decisions are based on, the decisions, their outcomes."""
    for partition in partitions:
        entry = ws.lake.entry(decisions_dataset(track), partition)
        if entry is None:
            yield ReplayedPartition(partition)
            continue
        groups = _group_decisions(ws, entry)
        yield ReplayedPartition(
            partition,
            seen=_data_seen(ws, partition, sorted({g.data_version for g in groups})),
            decided=_actions_decided(ws, groups),
            outcomes=_known_outcomes(ws, partition, track),
        )


@dataclass(frozen=True)
class _DecisionGroup:
    """The decisions of a partition with the same data version, champion, decider and action.

    `first`, `last`: decision times (UTC, naive). `differ`: the number that differ from the current process.
    """

    data_version: str
    champion_version: str | None
    decided_by: str
    action: str
    count: int
    differ: int
    first: datetime
    last: datetime


def _group_decisions(ws: Workspace, entry: Entry) -> list[_DecisionGroup]:
    with ws.lake.open_session(ws.use_case.timezone) as db:
        rows = db.execute(
            f"""select data_version, champion_version, decided_by, action::varchar, count(*),
            count(*) filter (action is distinct from current_action), min(decided_at), max(decided_at)
            from {ws.lake.select_rows([entry])} group by 1, 2, 3, 4 order by 1, 2, 3, 4"""
        ).fetchall()
    return [_DecisionGroup(*row) for row in rows]


def _data_seen(ws: Workspace, partition: str, versions: Sequence[str]) -> SeenData:
    """Return the data that the decisions of a partition are based on.

    versions: the versions of the partition's features that its decisions used. Only the last version is described,
    because a later version contains the rows of the earlier versions.
    """
    features = [e for v in versions if (e := entry_at_version(ws, "features", partition, v)) is not None]
    inputs = features[-1].inputs if features else {}
    current = ws.lake.entry("features", partition)
    return SeenData(
        sources={dataset.partition("/")[2]: _source_seen(ws, dataset, parts) for dataset, parts in inputs.items()},
        restated=current is None or current.version not in versions,
    )


def _source_seen(ws: Workspace, dataset: str, version_of_partition: dict[str, str]) -> SeenSource:
    versions = (entry_at_version(ws, dataset, p, version) for p, version in version_of_partition.items())
    entries = [e for e in versions if e is not None]
    return SeenSource(
        partitions=len(version_of_partition),
        newest=max(version_of_partition, default=None),
        rows=sum(e.rows for e in entries),
        quarantined=sum(read_verdict(e).quarantined for e in entries),
        gone=len(version_of_partition) - len(entries),
    )


def _actions_decided(ws: Workspace, groups: Sequence[_DecisionGroup]) -> DecidedActions:
    actions, deciders = Counter[str](), Counter[str]()
    for group in groups:
        actions[group.action] += group.count
        deciders[group.decided_by] += group.count
    versions = sorted({g.champion_version for g in groups if g.champion_version})
    return DecidedActions(
        decisions=sum(deciders.values()),
        first=f"{min(g.first for g in groups):{TIME}}",
        last=f"{max(g.last for g in groups):{TIME}}",
        actions=dict(actions),
        decided_by=dict(deciders),
        differ=sum(g.differ for g in groups),
        models=[ModelInForce(v, ws.models.card(v).last) for v in versions],
    )


def _known_outcomes(ws: Workspace, partition: str, track: Track) -> KnownOutcomes | None:
    entry = ws.lake.entry(kpi_dataset(track), partition)
    account = read_account(entry) if entry else None
    if account is None or not account.decisions:
        return None
    return KnownOutcomes(
        known=account.decisions,
        unknown=account.unknown,
        value=round(account.model, 2),
        current_process=round(account.current_process, 2),  # in an experiment: the value of the held-out units
        currency=ws.use_case.kpi.currency,
    )


def describe_partition(replayed: ReplayedPartition) -> str:
    """Return the report on a partition as a few lines of text for the console."""
    if replayed.decided is None or replayed.seen is None:
        return f"{replayed.partition}  nothing was decided"
    decided = replayed.decided
    return "\n".join(
        [
            f"{replayed.partition}  decided {decided.first} to {decided.last} UTC",
            f"  data      {_describe_data(replayed.seen)}",
            f"  decided   {_describe_decisions(decided)}",
            f"  outcome   {_describe_outcomes(replayed.outcomes)}",
        ]
    )


def _describe_data(seen: SeenData) -> str:
    sources = "; ".join(_describe_source(name, source) for name, source in seen.sources.items())
    return (sources or "no longer available") + (" (restated since)" if seen.restated else "")


def _describe_source(name: str, source: SeenSource) -> str:
    text = f"{name} {format_plural(source.rows, 'row')}"
    if source.newest != SNAPSHOT:
        text += f" in {format_plural(source.partitions, 'partition')} up to {source.newest}"
    if source.quarantined:
        text += f", {source.quarantined:,} quarantined"
    if source.gone:
        text += f", {source.gone} replaced since"
    return text


def _describe_decisions(decided: DecidedActions) -> str:
    actions = ", ".join(f"{action} {count:,}" for action, count in decided.actions.items())
    deciders = ", ".join(f"{decider} {count:,}" for decider, count in decided.decided_by.items())
    models = "".join(f"; {m.version} had learned up to {m.learned_to}" for m in decided.models)
    return f"{actions}; {decided.differ:,} differ from the current process; by {deciders}{models}"


def _describe_outcomes(outcomes: KnownOutcomes | None) -> str:
    if outcomes is None:
        return "not known yet"
    currency = outcomes.currency
    value, current = (format_money(a, currency) for a in (outcomes.value, outcomes.current_process))
    gain = format_money(outcomes.value - outcomes.current_process, currency, signed=True)
    unknown = f", {outcomes.unknown:,} not known" if outcomes.unknown else ""
    return f"value {value}, current process {current}, gain {gain} ({outcomes.known:,} outcomes known{unknown})"
