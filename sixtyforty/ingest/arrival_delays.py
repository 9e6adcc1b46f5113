"""Compare the times at which the rows of a source arrive with the declared `known_at`, over the newest partitions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sixtyforty.ingest.arrival_times import (
    TOLERANCE_SECONDS,
    ArrivalFacts,
    is_measured_by,
    newest_records,
    read_arrival_facts,
)
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.lake import Lake

SHARE_IN_TIME = 0.95  # known_at should be late enough for this share of the rows
MIN_LANDINGS = 5  # the hours in which extracts must have been first seen, so that one late scan doesn't decide
IN_BULK = "the extracts landed in bulk, so arrival times cannot be known"
UNIT_MINUTES = {"day": 1440, "hour": 60, "minute": 1}


@dataclass(frozen=True)
class ArrivalDelays:
    """How much later than the declared `known_at` the rows of a source arrive, over its newest partitions.

    - known_at: the declared SQL expression.
    - rows: the number of rows with a known arrival time. late: how many of them were seen later than declared.
    - partitions: the number of partitions with such rows.
    - landings: the number of different hours in which extracts were first seen.
    - delay_seconds: the delay within which 95% of the rows were seen; negative if the rows arrive earlier than
      declared; None without rows.
    - is_outdated: whether partitions are left out because `known_at` changed since they were measured.
    """

    source: str
    known_at: str
    rows: int
    late: int
    partitions: int
    landings: int
    delay_seconds: int | None
    is_outdated: bool = False

    @property
    def is_known(self) -> bool:
        """Whether enough arrival times are known to judge the declared `known_at`."""
        return self.delay_seconds is not None and self.landings >= MIN_LANDINGS

    @property
    def is_late(self) -> bool:
        """Whether rows arrive later than declared."""
        return self.is_known and (self.delay_seconds or 0) > TOLERANCE_SECONDS

    @property
    def suggestion(self) -> str:
        """The declaration of `known_at` that holds for 95% of the rows, such as `known_at: at + interval '2 hours'`."""
        expression = self.known_at.strip()
        if not re.fullmatch(r'\w+|"[^"]+"', expression):
            expression = f"({expression})"
        return f"known_at: {expression} + interval '{format_delay(self.delay_seconds or 0, ('day', 'hour', 'minute'))}'"

    def __str__(self) -> str:
        """Return whether the source's rows arrive as declared, in one sentence without a final stop."""
        if self.is_outdated and not self.is_known:
            return f"{self.source}: known_at has changed; the next run compares the arrival times again"
        if self.delay_seconds is None:
            return f"{self.source}: {IN_BULK}"
        if not self.is_known:
            return (
                f"{self.source}: too early to say whether rows arrive as declared; its extracts were first seen in"
                f" {format_plural(self.landings, 'different hour')}, {MIN_LANDINGS} are needed"
            )
        if not self.is_late:
            return f"{self.source} rows arrive as declared ({format_plural(self.rows, 'row')} compared)"
        return f"{self.source} rows arrive {format_delay(self.delay_seconds)} later than declared (95th percentile)"

    @property
    def advice(self) -> str:
        """A text about a source's late rows for people: their share, and the `known_at` to declare."""
        share, partitions = self.late / self.rows, format_plural(self.partitions, "partition")
        return f"{share:.0%} of the rows of {partitions} are late. Declare `{self.suggestion}`."


def format_delay(seconds: int, units: Sequence[str] = ("d", "h", "min")) -> str:
    """Return a duration in days, hours and minutes, rounded up to a minute, such as `2 h 50 min`.

    units: the words for days, hours and minutes. Words of more than three letters get a plural.
    """
    minutes, parts = -(-seconds // 60), []
    for unit, size in zip(units, UNIT_MINUTES.values(), strict=True):
        count, minutes = divmod(minutes, size)
        if count:
            parts.append(format_plural(count, unit) if unit in UNIT_MINUTES else f"{count} {unit}")
    return " ".join(parts) or f"0 {units[-1]}"


def pool_delays(source: str, known_at: str, facts: Iterable[ArrivalFacts]) -> ArrivalDelays:
    """Return how late a source's rows arrive over several partitions, each weighted by its number of rows.

    facts: the delays of each partition's rows. A partition stores only percentiles of these delays. The pooled 95th
    percentile is therefore exact to one percent of the rows.
    """
    parts = [part for part in facts if part.rows]
    landings = {landing for part in parts for landing in part.landings}
    return ArrivalDelays(
        source=source,
        known_at=known_at,
        rows=sum(part.rows for part in parts),
        late=sum(part.late for part in parts),
        partitions=len(parts),
        landings=len(landings),
        delay_seconds=_pooled_percentile(parts),
    )


def _pooled_percentile(parts: Sequence[ArrivalFacts]) -> int | None:
    weighted = sorted((delay, part.rows / len(part.percentiles)) for part in parts for delay in part.percentiles)
    limit, covered = SHARE_IN_TIME * sum(part.rows for part in parts), 0.0
    for delay, weight in weighted:
        covered += weight
        if covered >= limit:
            return delay
    return None


def read_delays(use_case: DecisionChain, lake: Lake) -> list[ArrivalDelays]:
    """Return how late the rows of each partitioned input arrive, over the newest partitions with arrival times."""
    return [read_source_delays(use_case, lake, source) for source in use_case.partitioned]


def read_source_delays(use_case: DecisionChain, lake: Lake, source: str) -> ArrivalDelays:
    """Return how late the rows of a partitioned source arrive, over its newest partitions with arrival times.

    If the declaration of `known_at` changed after a partition was measured, the partition is left out. The next run
    measures it again.
    """
    contract = use_case.sources[source]
    records = newest_records(use_case, lake, source).values()
    current = [record for record in records if is_measured_by(record, contract)]
    delays = pool_delays(source, contract.known_at or "", map(read_arrival_facts, current))
    return replace(delays, is_outdated=len(current) < len(records))
