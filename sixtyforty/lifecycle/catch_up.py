"""What the chain hasn't caught up with: found by comparing what there is, never by remembering what was done.

Every manifest names the versions it was made from. A partition is behind when they aren't today's, when its day has
closed since it was judged, or when decisions have come due. So a daemon or a run that died, a lost cursor or a file
that came late mend themselves at the next look.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sixtyforty.accounting import usage
from sixtyforty.decisions.deciding import count_due, decisions_dataset
from sixtyforty.decisions.delivery import find_undelivered
from sixtyforty.decisions.review_queue import review_dataset as queues
from sixtyforty.ingest.locations import UnreachableSourceError
from sixtyforty.ingest.raw import pending
from sixtyforty.modeling.lineage import expected_partitions, input_versions, read_inputs
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.files import digest
from sixtyforty.storage.restatement import changed_inputs, validation_reason
from sixtyforty.workspace import Workspace

BLOCK = 200  # partitions


@dataclass
class Behind:
    """What to do: `why` maps a partition to its reasons, in words, each with the state it was found in, as a hash.

    `sources` are those with something new to validate.
    """

    case: UseCase
    why: dict[str, dict[str, str]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    unreachable: dict[str, str] = field(default_factory=dict)  # sources that can't be read, with why and the cure

    def add(self, partition: str, reason: str, state: object, source: str | None = None) -> None:
        """Notes a reason: once its work is done, the same words in another state are other work."""
        self.why.setdefault(partition, {})[reason] = digest(state)
        if source:
            self.sources.add(source)

    def ranges(self) -> list[tuple[str, str]]:
        """The partitions as runs without a gap, the newest first: there decisions wait."""
        found: list[tuple[str, str]] = []
        for day in sorted(p for p in self.why if p != SNAPSHOT):
            if found and self.case.shift(found[-1][1], 1) == day:
                found[-1] = (found[-1][0], day)
            else:
                found.append((day, day))
        return found[::-1]

    def reasons(self, first: str, last: str) -> list[str]:
        """The reasons of a range, snapshots' included."""
        return [f"{p}: {reason}" for p in self._of(first, last) for reason in self.why[p]]

    def _of(self, first: str, last: str) -> list[str]:
        return [p for p in [SNAPSHOT, *self.case.partition_range(first, last)] if p in self.why]

    def key(self, first: str, last: str) -> str:
        """Hash of a range, its reasons and the state they were found in: the same work, the same key."""
        return digest([first, last, [(p, self.why[p]) for p in self._of(first, last)]])


def look(ws: Workspace, track: str, moment: datetime, turn: int | None = None) -> Behind:
    """What isn't up to date at a UTC moment (naive). Reads the landing zone: new extracts are recorded.

    With a `turn`, of a long history its newest stretch and, turn by turn, one of the others; without, everything.
    """
    case, found = ws.use_case, Behind(ws.use_case)
    _scan(ws, case.inputs, found)
    of = stretches(ws, moment, turn)
    _sources(ws, case.snapshots, [SNAPSHOT], moment, found)
    for partitions in of:
        around = case.widen(partitions, case.lookback_partitions, case.outcome_horizon_partitions)
        _sources(ws, case.partitioned, [p for p in around if p <= of[-1][-1]], moment, found)
    if set(found.why) == {SNAPSHOT}:  # a reference table alone: it is read by the newest day
        days = [p for s in case.partitioned for p in ws.lake.partitions(f"raw/{s}")]
        if days:
            found.add(max(days), "a reference table changed", found.why[SNAPSHOT])
    changing = found.why.keys() - {SNAPSHOT}
    for partitions in of:
        _features(ws, partitions, changing, moment, found)
        _decided(ws, partitions, track, moment, found)
    return found


def stretches(ws: Workspace, moment: datetime, turn: int | None) -> list[list[str]]:
    """The partitions to be looked at, each stretch without a gap: all there are, where they are few or without a turn.

    Of many, cut at every BLOCK from the first on, the newest one to two BLOCKs and, of those before, the one whose turn
    it is: however long the history, a look costs the same, and what lies far back is found some looks later. What isn't
    open yet waits: a run over it would fail, and what is due today with it.
    """
    case = ws.use_case
    (first, end), beyond = case.limits, max(case.lookback_partitions, case.outcome_horizon_partitions)
    open_ = min(end, case.shift(case.partition_at(moment), case.partitions.partitions_ahead - 1))
    arrived = (p for s in case.sources for e in ws.landing.known(s) for p in e.partitions if p <= open_)
    held = (p for s in case.partitioned for p in ws.lake.partitions(f"raw/{s}")[-1:])
    last = max([*arrived, *held], default="")
    count = case.index_of(min(open_, case.shift(last, beyond))) - case.index_of(first) + 1 if last else 0
    before = count // BLOCK - 1
    if count < 1:
        return []
    if turn is None or before < 2:
        return [_counted(case, first, 0, count)]
    mine = turn % before * BLOCK
    return [_counted(case, first, mine, mine + BLOCK), _counted(case, first, before * BLOCK, count)]


def _counted(case: UseCase, first: str, begin: int, end: int) -> list[str]:
    return [case.shift(first, n) for n in range(begin, end)]


def heard(ws: Workspace, track: str, moment: datetime, turn: int | None = None) -> Behind:
    """Responses that aren't in, or not accounted for with what was decided and what became of it; `turn`: see look."""
    found, source = Behind(ws.use_case), ws.use_case.people.responses
    if source is None:
        return found
    mine = {source: ws.use_case.sources[source]}
    _scan(ws, mine, found)
    for partitions in stretches(ws, moment, turn):
        _sources(ws, mine, partitions, moment, found)
        said = ws.lake.entries(f"validated/{source}", partitions)
        decided = ws.lake.entries(decisions_dataset(track), list(said))
        accounts = ws.lake.entries(usage.usage_dataset(track), list(decided))
        for partition in decided:
            wanted = usage.current_inputs(ws, track, partition)
            if partition not in accounts or accounts[partition].inputs != wanted:
                found.add(partition, "responses not accounted for", wanted)
    return found


def _scan(ws: Workspace, sources: Iterable[str], found: Behind) -> None:
    for name in sources:
        try:
            ws.landing.scan(name, patient=True)
        except UnreachableSourceError as error:  # what is here already is decided on all the same
            found.unreachable[name] = str(error)


def _sources(
    ws: Workspace, sources: Mapping[str, Source], partitions: Sequence[str], moment: datetime, found: Behind
) -> None:
    """Raw against arrivals, validated against raw."""
    for name in sources:
        arrived = {} if name in found.unreachable else pending(ws.landing, name, partitions)
        for partition, extracts in arrived.items():
            found.add(partition, f"{name}: {len(extracts)} extracts, not all as they were", extracts, name)
        verdicts = [ws.lake.entries(f"{kind}/{name}", partitions) for kind in ("validated", "rejected")]
        for partition, raw in ws.lake.entries(f"raw/{name}", partitions).items():
            judged = [kind[partition] for kind in verdicts if partition in kind]
            reason = validation_reason(ws.use_case, raw, judged, moment)
            if reason:
                found.add(partition, f"{name}: {reason}", raw.version, name)


def _features(
    ws: Workspace, partitions: Sequence[str], changing: Collection[str], moment: datetime, found: Behind
) -> None:
    """Features and outcomes against what is, or is about to be, validated in their windows."""
    case, lake = ws.use_case, ws.lake
    made = {name: lake.entries(name, partitions) for name in ("features", "outcomes")}
    have = sorted({*expected_partitions(case, lake, partitions, moment), *made["features"]})
    if not have:
        return
    entries = read_inputs(case, lake, case.widen(have, case.lookback_partitions, case.outcome_horizon_partitions))
    for partition in have:
        for name, before, after in (("features", case.lookback_partitions, 0), ("outcomes", *case.outcome_window)):
            window = case.widen([partition], before, after)
            touched = [p for p in window if p in changing and p != partition]
            now = input_versions(case, entries, window)
            if touched:
                found.add(partition, f"{name}: {touched[-1]} changes", now)
            elif changed_inputs(case, made[name].get(partition), now):
                found.add(partition, f"{name}: made from other data", now)


def _decided(ws: Workspace, partitions: Sequence[str], track: str, moment: datetime, found: Behind) -> None:
    """Decisions that have come due, deliveries and money that haven't followed."""
    decisions = ws.lake.entries(decisions_dataset(track), partitions)
    for partition, count in count_due(ws, partitions, track, moment).items():
        found.add(partition, f"{count} decisions due", [decisions[partition].version] if partition in decisions else [])
    money, queue, became = (ws.lake.entries(d, list(decisions)) for d in (f"kpi/{track}", queues(track), "outcomes"))
    waiting = find_undelivered(ws, track, decisions)
    for partition, entry in decisions.items():
        if partition in waiting:
            found.add(partition, "decisions not delivered", entry.version)
        asked, open_ = queue.get(partition), moment < ws.use_case.settled_at(partition)
        if (
            ws.use_case.people.review
            and open_
            and (asked is None or asked.inputs[decisions_dataset(track)][partition] != entry.version)
        ):
            found.add(partition, "nobody asked to review", entry.version)
        outcome, account = became.get(partition), money.get(partition)
        if outcome is None:
            continue
        wanted = {decisions_dataset(track): {partition: entry.version}, "outcomes": {partition: outcome.version}}
        if account is None or account.inputs != wanted:
            found.add(partition, "money not accounted for", wanted)


def summary(reasons: Iterable[str], limit: int = 400) -> str:
    """The reasons in a line."""
    told = "; ".join(reasons)
    return told if len(told) <= limit else told[: limit - 1] + "…"
