"""What the chain hasn't caught up with: found by comparing what there is, never by remembering what was done.

Every manifest names the versions it was made from. A partition is behind when they aren't today's, when its day has
closed since it was judged, or when decisions have come due. So a daemon or a run that died, a lost cursor or a file
that came late mend themselves at the next look.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from sixtyforty.decisions import dataset, due
from sixtyforty.delivery import delivered
from sixtyforty.features import changed, inputs, lineage
from sixtyforty.lake import digest
from sixtyforty.raw import behind as raw_behind
from sixtyforty.use_case import SNAPSHOT, span, widen
from sixtyforty.workspace import Workspace


@dataclass
class Behind:
    """What to do: `why` maps a partition to its reasons; `sources` are those with something new to validate."""

    why: dict[str, list[str]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)

    def add(self, partition: str, reason: str, source: str | None = None) -> None:
        """Notes a reason once."""
        reasons = self.why.setdefault(partition, [])
        if reason not in reasons:
            reasons.append(reason)
        if source:
            self.sources.add(source)

    def ranges(self) -> list[tuple[str, str]]:
        """The partitions as runs of days without a gap, the newest first: there decisions wait."""
        found: list[tuple[str, str]] = []
        for day in sorted(p for p in self.why if p != SNAPSHOT):
            if found and (date.fromisoformat(day) - date.fromisoformat(found[-1][1])).days == 1:
                found[-1] = (found[-1][0], day)
            else:
                found.append((day, day))
        return found[::-1]

    def reasons(self, first: str, last: str) -> list[str]:
        """The reasons of a range, snapshots' included."""
        wanted = [SNAPSHOT, *span(date.fromisoformat(first), date.fromisoformat(last))]
        return [f"{p}: {r}" for p in wanted for r in self.why.get(p, [])]

    def key(self, first: str, last: str) -> str:
        """Hash of a range and its reasons: the same work, the same key."""
        return digest([first, last, self.reasons(first, last)])


def look(ws: Workspace, track: str, moment: datetime) -> Behind:
    """Everything that isn't up to date at a UTC moment (naive). Reads the landing zone: new extracts are recorded."""
    found = Behind()
    _sources(ws, moment, found)
    _features(ws, found)
    _decided(ws, track, moment, found)
    return found


def _sources(ws: Workspace, moment: datetime, found: Behind) -> None:
    """Raw against arrivals, validated against raw."""
    for name, source in ws.use_case.sources.items():
        for partition, extracts in raw_behind(name, ws.lake, ws.landing.scan(name)).items():
            found.add(partition, f"{name}: {', '.join(extracts[:3]) or 'an extract was replaced'}", name)
        for partition, raw in ws.lake.entries(f"raw/{name}").items():
            judged = [ws.lake.entry(f"{kind}/{name}", partition) for kind in ("validated", "rejected")]
            mine = [e for e in judged if e and e.inputs == {f"raw/{name}": {partition: raw.version}}]
            growing = bool(mine and source.partition and not mine[-1].facts["verdict"].get("closed", True))
            if not mine:
                found.add(partition, f"{name}: not validated", name)
            elif growing and moment >= ws.use_case.settled(partition):
                found.add(partition, f"{name}: the day has closed", name)
    if SNAPSHOT in found.why and len(found.why) == 1:  # a reference table alone: it is read by the newest day
        days = [p for s in ws.use_case.partitioned for p in ws.lake.entries(f"raw/{s}")]
        if days:
            found.add(max(days), "a reference table changed")


def _features(ws: Workspace, found: Behind) -> None:
    """Features and outcomes against what is, or is about to be, validated in their windows."""
    case, lake = ws.use_case, ws.lake
    changing = sorted(p for p in found.why if p != SNAPSHOT)
    units = lake.entries(f"validated/{case.decision.unit}")
    have = sorted(set(units) | set(lake.entries("features")))
    if not have:
        return
    entries = inputs(case, lake, widen(have, case.lookback, case.outcome_horizon))
    for partition in have:
        for name, before, after in (("features", case.lookback, 0), ("outcomes", 0, case.outcome_horizon)):
            window = widen([partition], before, after)
            touched = [p for p in window if p in changing and p != partition]
            entry = lake.entry(name, partition)
            if touched:
                found.add(partition, f"{name}: {touched[-1]} changes")
            elif changed(case, entry, lineage(case, entries, window)):
                found.add(partition, f"{name}: made from other data")


def _decided(ws: Workspace, track: str, moment: datetime, found: Behind) -> None:
    """Decisions that have come due, deliveries and money that haven't followed."""
    for partition, count in due(ws, track, moment).items():
        found.add(partition, f"{count} decisions due")
    money = ws.lake.entries(f"kpi/{track}")
    for partition, entry in ws.lake.entries(dataset(track)).items():
        if not delivered(ws, track, entry):
            found.add(partition, "decisions not delivered")
        outcome, account = ws.lake.entry("outcomes", partition), money.get(partition)
        if outcome and (
            account is None
            or account.inputs != {dataset(track): {partition: entry.version}, "outcomes": {partition: outcome.version}}
        ):
            found.add(partition, "money not accounted for")


def summary(reasons: Iterable[str], limit: int = 400) -> str:
    """The reasons in a line."""
    told = "; ".join(reasons)
    return told if len(told) <= limit else told[: limit - 1] + "…"
