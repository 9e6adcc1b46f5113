"""The alert rules about feeds: unreachable sources, refused extracts, silent feeds, and hours decided without a feed.

Texts hold names of files, sources and hours, but no rows and no values.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sixtyforty.decisions.decision_facts import DecisionFacts
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.ingest.arrivals import Arrival
from sixtyforty.ingest.reachability import find_refused_links, find_unreachable
from sixtyforty.reports.alerts import Alert
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.verdicts import read_verdict
from sixtyforty.workspace import Workspace

COMMON_ENDING = ": the current process decides"
SHOWN_REASONS = 3
NEWEST_ARRIVALS = 20  # arrivals that show how far behind its time a feed usually arrives
LONGEST_SEARCH = 4000  # partitions in which missing ones are counted


def find_unreachable_sources(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert for each reason why the location or the database of sources can't be read.

    Sources of one location are in one alert. The argument `track` isn't used.
    """
    sources_by_reason: dict[str, list[str]] = {}
    for name, text in find_unreachable(ws.landing).items():
        sources_by_reason.setdefault(text.removeprefix(f"{name}: "), []).append(name)
    return [
        Alert("source unreachable", " ".join(names), f"{', '.join(names)}: {reason}")
        for reason, names in sources_by_reason.items()
    ]


def find_refused_extracts(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert for each refused extract at its location, and for each link there that scans refuse.

    The alert is resolved when the file is replaced or moved away. The argument `track` isn't used.
    """
    refused = [
        Alert("refused extract", f"{source} {arrival.name} {arrival.id}", _refusal_text(source, arrival))
        for source in ws.use_case.sources
        for arrival in ws.landing.known(source)
        if arrival.problem and arrival.is_present
    ]
    return refused + [
        Alert(
            "refused extract",
            f"{source} {name}",
            f"{source}: {name} is left out, and other extracts are imported: it {problem}.",
        )
        for source, links in find_refused_links(ws.landing).items()
        for name, problem in links.items()
    ]


def _refusal_text(source: str, arrival: Arrival) -> str:
    return (
        f"{source}: the extract {arrival.name} is refused, and none of its rows are used. `sixtyforty check`"
        " shows why. Ask the sender for a corrected extract."
    )


def find_quarantined_rows(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert for each source whose newest accepted partition has quarantined rows, such as a cut last line.

    The alert is resolved when the rows are corrected, or when the next partition has none. Lines of refused extracts
    don't count: a rejected partition and a refused extract have alerts of their own. The argument `track` isn't used.
    """
    alerts = []
    for source in ws.use_case.partitioned:
        newest = max(ws.lake.partitions(f"validated/{source}"), default=None)
        entry = ws.lake.entry(f"validated/{source}", newest) if newest else None
        verdict = read_verdict(entry) if entry else None
        if not newest or not verdict:
            continue
        refused = sum(
            arrival.rows
            for arrival in ws.landing.known(source)
            if arrival.problem and newest == min(arrival.partitions, default=None)  # see _listed_extract of raw.py
        )
        if (quarantined := verdict.quarantined - refused) > 0:
            text = (
                f"{source} of {newest}: {quarantined:,} of {verdict.landed:,} landed rows are in quarantine."
                " The rest is accepted. `sixtyforty quarantine` shows the reason of each row."
                " Ask the sender for a corrected extract."
            )
            alerts.append(Alert("quarantined rows", f"{source} {newest}", text))
    return alerts


def find_silent_feeds(ws: Workspace, now: datetime) -> list[Alert]:
    """Return an alert for each feed that lacks more than `watch.max_silent_partitions` complete partitions at its end.

    A feed may lack as many more as its newest extracts lacked when they arrived. Closed days don't count. A feed that
    never came lacks all partitions since the start of the use case. `now`: UTC, naive.
    """
    return [alert for source in ws.use_case.partitioned for alert in _find_silence(ws, source, now)]


def _find_silence(ws: Workspace, source: str, now: datetime) -> list[Alert]:
    use_case = ws.use_case
    arrivals = ws.landing.known(source)
    newest = max((p for arrival in arrivals for p in arrival.partitions), default=None)
    start = use_case.shift(newest, 1) if newest else use_case.limits[0]
    missing = _complete_partitions(ws, start, now)
    allowed = use_case.watch.max_silent_partitions + _usual_delay(ws, arrivals)
    if len(missing) <= allowed:
        return []
    every = use_case.partitions.every
    since = f"since {newest}" if newest else "at all"
    effect = (
        " Without its units nothing is decided." if source == use_case.decision.unit_source else " Decisions lack it."
    )
    text = (
        f"No row of {source} has come {since}: {format_plural(len(missing), every)} without rows (usual: at most"
        f" {allowed}).{effect} Ask the sender, and check the location's newest files."
    )
    return [Alert("silent feed", source, text)]


def _complete_partitions(ws: Workspace, first: str, now: datetime) -> list[str]:
    """Return the partitions from `first` on that are complete at `now`, without those on closed days."""
    last = ws.use_case.partition_at(now)
    if first > last:
        return []
    oldest = max(first, ws.use_case.shift(last, -LONGEST_SEARCH))
    return [
        partition
        for partition in ws.use_case.partition_range(oldest, last)
        if ws.use_case.settled_at(partition) <= now and not ws.use_case.is_on_closed_day(partition)
    ]


def _usual_delay(ws: Workspace, arrivals: list[Arrival]) -> int:
    """Return how many complete partitions the newest extracts lacked when they were seen first: the least of them."""
    delays = [
        len(_complete_partitions(ws, ws.use_case.shift(max(arrival.partitions), 1), _seen_at(arrival)))
        for arrival in arrivals[-NEWEST_ARRIVALS:]
        if arrival.seen_at and arrival.partitions
    ]
    return min(delays, default=0)


def _seen_at(arrival: Arrival) -> datetime:
    return datetime.fromisoformat(arrival.seen_at).replace(tzinfo=None)


@dataclass(frozen=True)
class FallbackHours:
    """Decisions of one partition that were left to the current process, because a feed was missing or unsound.

    first, last: the decision times (UTC, naive). newest_share: their share among the decisions of the newest time.
    reasons: the number of these decisions by reason, the most common first.
    """

    first: datetime
    last: datetime
    decisions: int
    newest_share: float
    reasons: Counter[str]


def find_fallback(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert if the current process took too large a share of the newest partition, or of its newest hour.

    The limit is `watch.max_fallback_share`. Decisions that the champion couldn't score have an alert of their own.
    """
    dataset = decisions_dataset(track)
    newest = max(ws.lake.partitions(dataset), default=None)
    entry = ws.lake.entry(dataset, newest) if newest else None
    if entry is None or not entry.rows:
        return []
    facts, limit = DecisionFacts.from_entry(entry), ws.use_case.watch.max_fallback_share
    unsound = facts.fallback - sum(part.decisions for part in facts.unscored)
    hours = _read_hours(ws, entry) if unsound else None
    if hours is None or max(unsound / entry.rows, hours.newest_share) <= limit:
        return []
    reasons = "; ".join(f"{count:,} because {reason}" for reason, count in hours.reasons.most_common(SHOWN_REASONS))
    text = (
        f"The current process took {hours.decisions:,} of {format_plural(entry.rows, 'decision')} of {newest}, of those"
        f" due from {hours.first:%H:%M} to {hours.last:%H:%M} UTC: {reasons} (limit: {limit:.0%})."
        " Check the newest extracts of the feed."
    )
    return [Alert("fallback in force", track, text)]


def _read_hours(ws: Workspace, entry: Entry) -> FallbackHours | None:
    from sixtyforty.decisions.champion_scores import UNSCORED

    with ws.lake.open_session(ws.use_case.timezone) as db:
        rows = db.execute(
            f"""select decided_at, decided_by = 'fallback' and not starts_with(reason, ?), reason, count(*)
            from {ws.lake.select_rows([entry])} group by all order by 1""",
            [UNSCORED],
        ).fetchall()
    fallbacks = [(time, reason, count) for time, is_fallback, reason, count in rows if is_fallback]
    if not fallbacks:
        return None
    newest = rows[-1][0]
    reasons = Counter[str]()
    for _, reason, count in fallbacks:
        reasons[str(reason).removesuffix(COMMON_ENDING)] += count
    return FallbackHours(
        fallbacks[0][0],
        fallbacks[-1][0],
        reasons.total(),
        sum(count for time, _, count in fallbacks if time == newest)
        / sum(count for time, _, _, count in rows if time == newest),
        reasons,
    )
